# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# Stories of the switch to another area (common/area/README.md, section 10): under traffic, refused, with either end dead or
# silent at each step, within the budget, and as the traffic wants it. Sourced by run, after area_stories.sh.
#
# What is waited for is a line of a log, a key, or what hushctl shows; a step of the switch is held by stopping the end that
# would do the next one.

back_area=backend/vif/1/0/hush-area front_area=/local/domain/1/device/vif/0/hush-area
wants() { store write hushring/default/area-tx "$1" hushring/default/area-rx "$2"; } # wants TX RX: KiB, by command
# The rings in use in KiB, by hushctl.
rings_now() { show_of vif1.0 "'%d %d' % tuple(d['queues'][0][w]['ring_bytes'] // 1024 for w in ('guest_tx', 'guest_rx'))"; }
rings_are() { [ "$(rings_now)" = "$1 $2" ]; }
area_now() { echo "$(generation) $(rings_now)"; }
generation() { show_of vif1.0 "d['queues'][0]['area']['generation']"; }
key() { store read "$1" 2>/dev/null; }
gone() { ! store read "$1" >/dev/null 2>&1; }
has() { store read "$1" >/dev/null 2>&1; }
differs() { [ "$(key "$1")" != "$2" ]; } # differs KEY OLD
holds() { [ "$(host_holdings)" = "$1" ]; }
times_said() { grep -c -e "$2" "$host_logs/$1.log"; }                # times_said NAME PATTERN
said_more() { [ "$(times_said "$1" "$2")" -gt "$3" ]; }              # said_more NAME PATTERN TIMES
switches_counted() { times_said backd 'vif1.0: goes on in an area of'; }
# What Dom0 has mapped of areas: rings, with a header page each; the store's own page of each domain is not among them.
mapped_kib() {
  "$host_bin/simxen" list --json | python3 -c 'import json,sys
print(4 * sum(m["pages"] + 1 for m in json.load(sys.stdin)["maps"] if m["pages"] > 1))'
}
stop_end() { host_signal "$1" STOP && eventually grep -q '^State:.T' "/proc/$(cat "$host_pids/$1")/status"; }
go_on() { host_signal "$1" CONT; }

# A guest on rings of 256 + 256 KiB, whatever its traffic.
switch_guest() {
  host_up "${1:-1}" || return 1
  wants 256 256
  host_guest 1
}

# goes_on NAME TX RX: switched by command; both ends say so, and show it, and nothing more is held than before where the rings
# are those of the beginning.
goes_on() {
  local name=$1 tx=$2 rx=$3 number ref
  number=$(($(generation) + 1)) ref=$(key "$front_area-ref")
  wants "$tx" "$rx"
  check "$name-said" host_wait backd "vif1.0: goes on in an area of $tx + $rx KiB, generation $number: guest_.* KiB: "
  check "$name-said-in-guest" host_wait frontd-1 "goes on in an area of $tx + $rx KiB, generation $number"
  check "$name-shown" same "$(area_now)" "$number $tx $rx"
  check "$name-keys" eventually keys_say "$ref" "$number mapped" "$((tx * 1024)) $((rx * 1024))"
}
# keys_say OLD-REFERENCE ANSWER TARGET: what both ends write of a switch that is over.
keys_say() {
  gone "$front_area-offer" && differs "$front_area-ref" "$1" && [ "$(key "$back_area-answer")" = "$2" ] &&
    [ "$(key "$back_area-target" | cut -d' ' -f2-)" = "$3" ] &&
    [ "$(key "$front_area-pages")" = "$(show_of vif1.0 "d['queues'][0]['area']['pages']")" ]
}

story_switch() { # by command, up and down, under TCP both ways and pings
  local host_path=auto held base both pinging
  host_up 1 || return 1
  held=$(host_holdings)
  "$host_bin/simxen" limit 4096 --domain 1 || return 1 # two areas at once; xen-gntalloc has 1024 pages if nobody says more
  # An end that gets no processor for long is no end that is stalled, whose frames are dropped.
  store write hushring/default/area-stall 30000
  wants 256 256
  host_guest 1 || return 1
  check begins same "$(generation) $(rings_now)" "1 256 256"
  base=$(host_holdings)
  : >"$host_logs/server.log"
  in_netns 0 iperf3 -s -1 --forceflush >"$host_logs/server.log" 2>&1 &
  until_listening || return 1
  # Longer than all that is waited for below.
  ip netns exec "$(host_ns 1)" timeout 310 iperf3 -c 10.7.0.1 --bidir -b 400M -t 300 >"$host_logs/client.log" 2>&1 &
  both=$!
  until [ "$(stat_of vif1.0 "min(s['guest_tx']['bytes'], s['guest_rx']['bytes'])")" -gt 10000000 ]; do :; done
  ping_throughout 0.01
  goes_on up 1024 2048
  goes_on down 256 256
  check down-gives-back eventually holds "$base"
  goes_on apart 2048 256
  goes_on across 256 1024
  check pings-go-on fifty_more_answers
  kill -INT "$pinging"
  wait "$pinging"
  check pings-in-order in_order
  check tcp-goes-on goes_through 20000000
  check tcp-survives kill -0 "$both"
  kill "$both"
  wait "$both" 2>/dev/null
  goes_on last 256 256
  check gives-back eventually holds "$base"
  check counted same "$(switches_counted)" 5
  check none-refused same "$(grep -c 'stays in its area' "$host_logs/backd.log")" 0
  check no-drops same "$(stat_of vif1.0 "sum(sum(d.values()) for d in s['drops'].values())")" 0
  check detach host_detach 1
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
goes_through() { # goes_through BYTES: so many more, both ways together
  local bytes="s['guest_tx']['bytes'] + s['guest_rx']['bytes']" before
  before=$(stat_of vif1.0 "$bytes")
  eventually stat_of vif1.0 "1/($bytes > $before + $1)"
}
# ping_throughout SECONDS [N ADDRESS]: guest 1 pings Dom0 (or N the address) each so many seconds, until $pinging is ended. Not a number of times:
# with -c, ping itself gives up two of its longest round trips after the last one, whatever -W says, and what a busy machine answers later seems lost.
ping_throughout() {
  : >"$host_logs/ping.log"
  ip netns exec "$(host_ns "${2:-1}")" stdbuf -oL ping -D -n -i "$1" "${3:-10.7.0.1}" >"$host_logs/ping.log" 2>&1 &
  pinging=$!
}
# in_order: each ping up to the last answer was answered, once, in order. For after fifty_more_answers: a ping of before that had no answer by
# then has lost it.
in_order() {
  sed -n 's/.*bytes from .*icmp_seq=\([0-9]*\).*/\1/p' "$host_logs/ping.log" |
    awk '$1 != NR && !wrong { wrong = "answer " NR " is that of ping " $1 }
      END { print NR " answers; " wrong; exit wrong || NR == 0 }'
}

# switches COUNT PROGRAM: sets other rings each time that the pair has gone on, and looks that it does so each time in what
# was said, one generation later. Prints the number that came to be: COUNT, or more, as the two settings are two looks now and then, and
# the pair gets there in two.
switch_sizes=("512 1024" "1024 256" "256 2048" "2048 512" "512 256" "1024 1024" "256 512" "2048 2048")
switches() {
  local count=$1 program=$2 turn number=0 sizes line from lines
  from=$(generation)
  exec {lines}< <(exec tail -s 0.01 -n +"$(($(wc -l <"$host_logs/backd.log") + 1))" -f "$host_logs/backd.log" |
    grep --line-buffered -E 'vif1.0: (goes on|stays)')
  local logger=$!
  for ((turn = 1; number < count; ++turn)); do
    sizes=${switch_sizes[turn % ${#switch_sizes[@]}]}
    # shellcheck disable=SC2086 # two words
    wants $sizes
    line=''
    until [[ $line == *"goes on in an area of ${sizes/ / + } KiB,"* ]]; do
      read -r -t 30 -u "$lines" line || line="nothing was said in 30 s"
      [[ $line == *"goes on in"*", generation $((from + number + 1)):"* ]] ||
        { echo "switch $((number + 1)), to $sizes: $line" >&2; break 2; }
      number=$((number + 1))
    done
    kill -0 "$(cat "$host_pids/$program")" || break
  done
  exec {lines}<&-
  pkill -P "$logger" 2>/dev/null
  echo "$number"
}
# all_came COUNT CAME BEFORE: so many, and those are what was counted since.
all_came() {
  local counted=$(($(switches_counted) - $3))
  echo "$2 of $1 came, $counted counted"
  [ "$2" -ge "$1" ] && [ "$2" = "$counted" ]
}

# Numbered frames through hundreds of switches (HUSH_SWITCHES: that many, shared out among the loads).
story_switch_many() {
  local held each
  each=$((${HUSH_SWITCHES:-210} / 7))
  host_up 1 || return 1
  held=$(host_holdings)
  # Two areas at once are more than xen-gntalloc's usual 1024 pages.
  "$host_bin/simxen" limit 4096 --domain 1 || return 1
  store write hushring/default/port-frame 65000
  many_of echo echo "$each" --size 64 --burst 32
  many_of echo echo "$each" --size 65000 --burst 8
  many_of source receive "$each"
  many_of sink send "$each" --size 1496
  # A consumer so slow that the ring is full at each switch: a frame a turn.
  store write hushring/default/port-batch 1
  many_of sink send "$each" --size 65000 --burst 64
  # Ends that sleep as soon as there is nothing.
  store write hushring/default/poll-mode event
  many_of echo echo "$each" --size 1500 --burst 1
  store rm hushring/default/port
  many_asleep "$each"
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
# many_of PORT MODE COUNT [OPTION...]: under the load of hush-example, which sees what is lost, doubled, late or wrong.
many_of() {
  local port=$1 mode=$2 count=$3 what base before came
  shift 3
  what=$mode$(tr -d ' ' <<<"${*/#--/-}")
  store write hushring/default/port "$port"
  wants 1024 1024
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" "$mode" --frames 100000000000 "$@"
  host_wait example 'up, the back end' || return 1
  eventually rings_are 1024 1024
  base=$(host_holdings) before=$(switches_counted)
  came=$(switches "$count" example)
  echo "$what: $came of $count switches, $(stat_of vif1.0 "s['guest_tx']['packets'] + s['guest_rx']['packets']") frames"
  check "$what-all" all_came "$count" "$came" "$before"
  check "$what-under-traffic" goes_through 1000000
  [ "$port" != sink ] || check "$what-every-frame-once" sink_has_all
  wants 1024 1024
  check "$what-gives-back" eventually holds "$base"
  host_stop example
  check "$what" same "$? $(grep -c " wrong 0 lost 0 doubled 0 lost with connections 0 connects 1 " "$host_logs/example.log")" "0 1"
  check "$what-detach" host_detach 1
}
# The sender stopped and the ring empty: as many frames as the sum of their numbers says, 187 words or 8125 of each.
sink_has_all() {
  local packets sum bytes
  stop_end example
  eventually stat_of vif1.0 "1/(s['guest_tx']['packets'] > 0)"
  eventually sink_is_done
  packets=$(stat_of vif1.0 "s['guest_tx']['packets']") bytes=$(stat_of vif1.0 "s['guest_tx']['bytes']")
  sum=$(show_of vif1.0 "d['queues'][0]['port_sum']")
  go_on example
  python3 -c 'import sys
packets, total, said = map(int, sys.argv[1:])
want = (total // packets // 8) * (packets * (packets - 1) // 2) % 2**64
sys.exit(0 if said == want and total % packets == 0 else f"{packets} frames, sum {said}, not {want}")' "$packets" "$bytes" "$sum"
}
sink_is_done() { [ "$(show_of vif1.0 "d['queues'][0]['guest_tx']['bytes_waiting']")" = 0 ]; }
many_asleep() { # both ends asleep but for a ping now and then
  local count=$1 host_path=auto base pinging before came
  wants 256 256
  host_guest 1 || return 1
  in_domain 1 xenstore-write device/vif/0/hushring/poll-mode event
  base=$(host_holdings) before=$(switches_counted)
  ping_throughout 0.05
  came=$(switches "$count" frontd-1)
  echo "asleep: $came of $count switches"
  check asleep-all all_came "$count" "$came" "$before"
  check asleep-pings-go-on fifty_more_answers
  kill -INT "$pinging"
  wait "$pinging"
  check asleep-pings-in-order in_order
  wants 256 256
  check asleep-gives-back eventually holds "$base"
  check asleep-detach host_detach 1
  host_stop frontd-1
}

# stays NAME BACK-PATTERN FRONT-PATTERN TX RX: asked for these rings; both ends say why that does not come to be, the pair stays
# where it is, and nothing more is held.
stays() {
  local name=$1 back="vif1.0: stays in its area of 256 + 256 KiB: $2" front="its area stays as it is: $3" said said_in_guest
  said=$(times_said backd "$back") said_in_guest=$(times_said frontd-1 "$front")
  wants "$4" "$5"
  check "$name-said" eventually said_more backd "$back" "$said"
  check "$name-said-in-guest" eventually said_more frontd-1 "$front" "$said_in_guest"
  check "$name-stays" same "$(rings_now)" "256 256"
  check "$name-holds-no-more" eventually holds "$base"
  check "$name-pings" pings 1 5
}
follows_again() { # follows_again NAME: the same pair, without what hindered it; other sizes, which are not waited with
  wants 256 512
  check "$1-follows-later" eventually rings_are 256 512
  wants 256 256
  check "$1-back" eventually rings_are 256 256
  check "$1-gives-back" eventually holds "$base"
}

# Neither end must follow: the pair stays on the area that it has, both say why, and the next switch is as any other.
story_switch_refused() {
  local host_path=auto held base call used
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-limit 1024 hushring/default/area-cooldown 60000
  wants 256 256
  host_guest 1 || return 1
  base=$(host_holdings)
  stays limit "more pages than this back end allows" "the back end refuses it: more pages than this back end allows" 2048 256
  check limit-answer same "$(key "$back_area-answer")" "2 refused more pages than this back end allows"
  follows_again limit

  used=$("$host_bin/simxen" list --json | python3 -c 'import json,sys
print(next(d["shared_pages"] for d in json.load(sys.stdin)["domains"] if d["domid"] == 1))')
  "$host_bin/simxen" limit $((used + 16)) --domain 1
  stays no-grants "grant .* pages" "grant .* pages" 512 256
  # Half of what was advised has room: it goes as far as that.
  "$host_bin/simxen" limit $((used + 256)) --domain 1
  wants 1024 256
  check fewer-grants-smaller eventually rings_are 512 256
  check fewer-grants-said host_wait frontd-1 "an area of 512 + 256 KiB in the place of the one that was advised"
  wants 256 256
  "$host_bin/simxen" limit 1024 --domain 1
  follows_again no-grants

  for call in 0 1 2; do # header page, index, rings
    "$host_bin/simxen" fault share after $call --domain 1 >/dev/null
    stays "share-$call" "grant .* pages" "grant .* pages" 512 256
    "$host_bin/simxen" fault share off >/dev/null
    follows_again "share-$call"
  done
  for call in 0 1 2; do
    "$host_bin/simxen" fault map after $call --domain 0 >/dev/null
    stays "map-$call" "map" "the back end refuses it: map" 512 256
    "$host_bin/simxen" fault map off >/dev/null
    follows_again "map-$call"
  done
  # The guest has as many nodes as the store gives it: what it grants it cannot say, but that (a key which is there by now).
  fills_the_store 1 || return 1
  stays no-nodes "xenstore: write .*hush-area-offer" "xenstore: write .*hush-area-offer" 512 256
  in_domain 1 xenstore-rm data/fill
  follows_again no-nodes
  check still-one-connection same "$(times_said frontd-1 serving)" 1
  check detach host_detach 1
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
}
# fills_the_store DOMAIN: until not one node more fits in. Some thousand do, of one folder some hundred.
fills_the_store() {
  local folder=0 number=0 step end words
  for step in 100 10 1; do
    while
      folder=$((folder + 1)) words=()
      for end in $(seq 2 "$step"); do words+=("data/fill/$folder/$end" x); done
      [ "$step" -gt 1 ] || words=("data/fill/$folder" x)
      in_domain "$1" xenstore-write "${words[@]}" 2>/dev/null
    do
      number=$((number + step))
      [ "$number" -lt 10000 ] || return 1
    done
  done
}

# One TCP connection, from the guest: what is written goes to Dom0 and comes back, each byte looked at.
chat_server='
import socket
s = socket.create_server(("10.7.0.1", 7)); c, _ = s.accept()
while data := c.recv(65536): c.sendall(data)'
chat_client='
import socket, sys, threading
s = socket.create_connection(("10.7.0.1", 7), 30)
s.settimeout(60)
for number, line in enumerate(sys.stdin):
    sent = b"%15d\n" % number * 20000
    threading.Thread(target=s.sendall, args=(sent,)).start()
    got = b""
    while len(got) < len(sent) and (data := s.recv(65536)): got += data
    print("same" if got == sent else "other", flush=True)'
chat_listens() { in_netns 0 ss -Hltn "sport = 7" | grep -q .; }
chat_begins() {
  ip netns exec "$(host_ns 0)" python3 -c "$chat_server" &
  eventually chat_listens || return 1
  coproc chat { exec ip netns exec "$(host_ns 1)" python3 -c "$chat_client"; }
}
chat_goes_on() {
  local answer
  echo >&"${chat[1]}"
  read -r -t 60 answer <&"${chat[0]}" && [ "$answer" = same ]
}

# step STEP TX: a switch to a ring of TX KiB that stands there: by turns only the end that is to do the next step runs.
step() {
  local at=$1 target number
  target=$(key "$back_area-target") number=$(($(generation) + 1))
  stop_end frontd-1 || return 1
  wants "$2" 256
  eventually differs "$back_area-target" "$target" || return 1
  [ "$at" != advised ] || return 0
  stop_end backd && go_on frontd-1 && eventually has "$front_area-offer" || return 1
  [ "$at" != offered ] || return 0
  stop_end frontd-1 && go_on backd && eventually store_is "$back_area-answer" "$number mapped" || return 1
  [ "$at" != answered ] || return 0
  # It has seen the answer before it makes its second report.
  stop_end backd && go_on frontd-1 && front_of "1" >/dev/null && front_of "1" >/dev/null && front_of "1" >/dev/null || return 1
  [ "$at" != committed ] || return 0
  stop_end frontd-1 && go_on backd && eventually said_more backd "generation $number: guest_tx" 0
}

# Either end is killed at each step of a switch, and comes again: the connection of before lives, and what the other end held of
# the dead one is given back. A back end that comes again is not seen by the guest.
story_switch_dies() {
  local host_path=auto base held at victim serving ring
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-stall 2000
  wants 256 256
  host_guest 1 || return 1
  base=$(host_holdings)
  chat_begins || return 1
  check tcp chat_goes_on
  for at in advised offered answered committed followed; do
    for victim in backd frontd-1; do
      step "$at" 512 || { check "$at" false; return 1; }
      serving=$(times_said frontd-1 serving)
      host_signal "$victim" KILL
      host_stop "$victim"
      if [ "$victim" = backd ]; then
        go_on frontd-1
        host_backd || return 1
        check "$at-$victim-taken-over" host_wait backd "taking over a connected vif"
      else
        go_on backd
        host_front 1 || return 1
      fi
      # A later switch, and back.
      check "$at-$victim-follows" eventually rings_are 512 256
      wants 256 256
      check "$at-$victim-back" eventually rings_are 256 256
      check "$at-$victim-nothing-more-held" eventually holds "$base"
      check "$at-$victim-tcp-lives" chat_goes_on
      [ "$victim" != backd ] || check "$at-$victim-unseen" same "$(times_said frontd-1 serving)" "$serving"
    done
  done
  check detach host_detach 1
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}

# An end that is silent costs its peer the patience of a step and no more; what was kept for the switch is free again.
story_switch_silent() {
  local host_path=auto base host_area_ring=256
  host_up 2 || return 1
  store write hushring/default/area-stall 500 hushring/default/area-cooldown 60000 hushring/area-budget 3
  wants 256 256
  host_guest 1 || return 1
  base=$(host_holdings)
  store write hushring/vif/2/0/area-tx 1024 hushring/vif/2/0/area-rx 1024
  host_attach 2 || return 1
  # While 1280 KiB more are kept for it, the 2 MiB of another have no room.
  step advised 1024 || return 1
  host_area_ring=1024 host_front 2 || return 1
  check others-wait-meanwhile same "$(mode_of vif2.0)" netif
  check advice-taken-back host_wait backd "vif1.0: stays in its area of 256 + 256 KiB: the front end does not follow the advice"
  check target-gone eventually gone "$back_area-target"
  host_stop frontd-2
  host_detach 2
  host_attach 2 && host_area_ring=1024 host_front 2 || return 1
  check budget-is-free same "$(mode_of vif2.0)" area
  host_stop frontd-2
  host_detach 2
  go_on frontd-1
  check goes-on pings 1 10
  check holds-no-more eventually holds "$base"
  wants 512 256
  check follows-later eventually rings_are 512 256
  wants 256 256
  check follows-back eventually rings_are 256 256

  step offered 512 || return 1
  check offer-withdrawn host_wait frontd-1 "its area stays as it is: the back end gives no answer"
  check offer-gone eventually gone "$front_area-offer"
  go_on backd
  check back-end-says-so eventually said_more backd "vif1.0: stays in its area of 256 + 256 KiB" 1
  check back-end-goes-on eventually pings 1 10
  check holds-no-more-again eventually holds "$base"
  wants 256 512
  check follows-again eventually rings_are 256 512
  wants 256 256
  check follows-back-again eventually rings_are 256 256
  check gives-back eventually holds "$base"
  check detach host_detach 1
}
mode_of() { host_hushctl list -j | python3 -c 'import json,sys; print(next(v["mode"] for v in json.load(sys.stdin) if v["vif"] == sys.argv[1]))' "$1"; }

# below KIB COMMAND...: until it succeeds, never more is mapped than this at any look.
below() {
  local most=$1 end=$((SECONDS + 30)) now
  shift
  until "$@"; do
    now=$(mapped_kib)
    [ "$now" -le "$most" ] || { echo "$now KiB are mapped"; return 1; }
    [ $SECONDS -lt $end ] || { echo "never came"; return 1; }
  done
  [ "$(mapped_kib)" -le "$most" ]
}
mapped_at_most() { [ "$(mapped_kib)" -le "$1" ]; }

# What all areas take together stays below hushring/area-budget, whatever pairs want.
story_area_budget() {
  local host_path=auto host_area_ring=512
  host_up 2 || return 1
  store write hushring/area-budget 2 hushring/default/area-cooldown 10
  wants 512 512
  "$host_bin/simxen" limit 4096 --domain 1 && "$host_bin/simxen" limit 4096 --domain 2 || return 1
  host_guest 1 || return 1
  host_guest 2 || return 1
  check first-has-an-area same "$(mode_of vif1.0)" area
  check second-has-none same "$(mode_of vif2.0)" netif
  check reason-shown same "$(host_hushctl show vif2.0 | grep -c 'there is no room (area-budget)')" 1
  check reason-said host_wait backd "vif2.0: no area is offered: there is no room in what the areas of this host may take (hushring/area-budget)"
  check served-even-so pings 2 10
  check within-2 mapped_at_most 2048
  host_stop frontd-2
  host_detach 2
  store write hushring/area-budget 8
  host_guest 2 || return 1
  check second-has-one-now same "$(mode_of vif2.0)" area
  # Both want 4 MiB, and room for a second area to move to: there is less.
  wants 2048 2048
  check grows-within-8 below 8192 mapped_at_least 4096
  # Lowered under both: they move down one after the other, which takes the second area of one.
  store write hushring/area-budget 2
  check shrinks below $((8192 + 1100)) mapped_at_most 2048
  check first-goes-on pings 1 10
  check second-goes-on pings 2 10
  store write hushring/area-budget 8
  check grows-again below 8192 mapped_at_least 4096
  check detach host_detach 1
  check detach-second host_detach 2
}
mapped_at_least() { [ "$(mapped_kib)" -ge "$1" ]; }

# Without a command: traffic makes the rings longer, no traffic makes them shorter, and then nothing wakes anybody.
story_area_follows() {
  local host_path=auto
  host_up 1 || return 1
  quiet || return 1
  store write hushring/default/area-shrink-after 300 hushring/default/area-cooldown 100 hushring/default/port echo
  "$host_bin/simxen" limit 4096 --domain 1
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" echo --frames 100000000000 --size 1500 --burst 512 --ring 64
  check grows host_wait backd "vif1.0: goes on in an area of .* guest_tx 64 -> [0-9]* KiB: .* found no room [0-9]* times"
  host_stop example
  check in-order grep -q " wrong 0 lost 0 doubled 0 lost with connections 0 connects 1 " "$host_logs/example.log"
  host_detach 1
  store rm hushring/default/port
  local host_area_ring=1024
  host_guest 1 || return 1
  check shrinks host_wait backd "vif1.0: goes on in an area of 256 + 256 KiB, generation [0-9]*: guest_tx 1024 -> 256 KiB: "
  check shrunk same "$(rings_now)" "256 256"
  check idle-costs-nothing eventually a_second_costs_nothing
  check detach host_detach 1
}

# The same many times: the policy is all that asks for other rings, of numbered frames that come in fits (a seventh of HUSH_SWITCHES,
# as each load of switch_many).
story_switch_by_policy() {
  local held count=$((${HUSH_SWITCHES:-210} / 7)) fits=(--step idle:0.1) round
  for round in {1..10}; do fits+=(--step stream:65536:0.3 --step idle:0.5); done
  host_up 1 || return 1
  held=$(host_holdings)
  "$host_bin/simxen" limit 4096 --domain 1 || return 1
  store write hushring/default/area-shrink-after 150 hushring/default/area-cooldown 10 hushring/default/port echo
  # Not a time but a number of rounds bounds it: a loaded machine may miss some of a round's twenty.
  for ((round = 0; round < count && $(switches_counted) < count; ++round)); do
    host_attach 1 || return 1
    host_start steps 1 "$host_bin/hush-steps" --cpu 0 --ring 256 --echo "${fits[@]}"
    check "round-$round" host_wait steps '"role":"sender"'
    check "round-$round-in-order" steps_in_order
    host_stop steps
    check "round-$round-detach" host_detach 1
  done
  echo "$(switches_counted) switches in $round rounds; $(times_said backd 'vif1.0: stays in its area') times one did not come to be"
  check switches [ "$(switches_counted)" -ge "$count" ]
  check both-ways [ "$(times_said backd 'guest_tx [0-9]* -> ')" -gt 0 -a "$(times_said backd 'guest_rx [0-9]* -> ')" -gt 0 ]
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
# What was sent came back, each frame in its turn, by one connection.
steps_in_order() {
  grep '"role":"sender"' "$host_logs/steps.log" | python3 -c 'import json, sys
said = json.load(sys.stdin)
sys.exit(0 if said["frames"] == said["echo"] > 0 and said["wrong"] == 0 and said["connects"] == 1 else f"not in order: {said}")'
}
