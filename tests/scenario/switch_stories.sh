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
rings_now() { show_of "${1:-vif1.0}" "'%d %d' % tuple(d['queues'][0][w]['ring_bytes'] // 1024 for w in ('guest_tx', 'guest_rx'))"; }
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
# Bytes that Dom0 has mapped of guests' areas; the store's own page of each domain is not among them.
mapped_kib() {
  "$host_bin/simxen" list --json | python3 -c 'import json,sys
print(4 * sum(m["pages"] for m in json.load(sys.stdin)["maps"] if m["pages"] > 1))'
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
  wants 256 256
  host_guest 1 || return 1
  check begins same "$(generation) $(rings_now)" "1 256 256"
  base=$(host_holdings)
  : >"$host_logs/server.log"
  in_netns 0 iperf3 -s -1 --forceflush >"$host_logs/server.log" 2>&1 &
  until_listening || return 1
  ip netns exec "$(host_ns 1)" timeout 60 iperf3 -c 10.7.0.1 --bidir -b 400M -t 55 >"$host_logs/client.log" 2>&1 &
  both=$!
  until [ "$(stat_of vif1.0 "min(s['guest_tx']['bytes'], s['guest_rx']['bytes'])")" -gt 10000000 ]; do :; done
  ip netns exec "$(host_ns 1)" ping -D -i 0.01 -c 300 -W 5 10.7.0.1 >"$host_logs/ping.log" 2>&1 &
  pinging=$!
  goes_on up 1024 2048
  goes_on down 256 256
  check down-gives-back eventually holds "$base"
  goes_on apart 2048 256
  goes_on across 256 1024
  wait "$pinging"
  check pings-in-order in_order "$host_logs/ping.log" 300
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
# in_order PING-OUTPUT COUNT: each was answered, once, in order.
in_order() {
  sed -n 's/.*icmp_seq=\([0-9]*\).*/\1/p' "$1" | cmp - <(seq "$2") || { tail -n 3 "$1"; return 1; }
}

# switches COUNT PROGRAM: sets other rings each time that the pair has gone on, and looks that it does so each time in what
# was said, one generation later. Prints the number that came to be.
switch_sizes=("512 1024" "1024 256" "256 2048" "2048 512" "512 256" "1024 1024" "256 512" "2048 2048")
switches() {
  local count=$1 program=$2 number sizes line from lines
  from=$(generation)
  exec {lines}< <(exec tail -s 0.01 -n +"$(($(wc -l <"$host_logs/backd.log") + 1))" -f "$host_logs/backd.log" |
    grep --line-buffered -E 'vif1.0: (goes on|stays)')
  local logger=$!
  for ((number = 1; number <= count; ++number)); do
    sizes=${switch_sizes[number % ${#switch_sizes[@]}]}
    # shellcheck disable=SC2086 # two words
    wants $sizes
    read -r -t 30 -u "$lines" line || line="nothing was said in 30 s"
    [[ $line == *"goes on in an area of ${sizes/ / + } KiB, generation $((from + number)):"* ]] ||
      { echo "switch $number: $line" >&2; break; }
    kill -0 "$(cat "$host_pids/$program")" || break
  done
  exec {lines}<&-
  pkill -P "$logger" 2>/dev/null
  echo $((number - 1))
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
  local port=$1 mode=$2 count=$3 what base before done
  shift 3
  what=$mode$(tr -d ' ' <<<"${*/#--/-}")
  store write hushring/default/port "$port"
  wants 1024 1024
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" "$mode" --frames 100000000000 "$@"
  host_wait example 'up, the back end' || return 1
  eventually rings_are 1024 1024
  base=$(host_holdings) before=$(switches_counted)
  done=$(switches "$count" example)
  echo "$what: $done of $count switches, $(stat_of vif1.0 "s['guest_tx']['packets'] + s['guest_rx']['packets']") frames"
  check "$what-all" same "$done $(($(switches_counted) - before))" "$count $count"
  check "$what-under-traffic" goes_through 1000000
  [ "$port" != sink ] || check "$what-every-frame-once" sink_has_all
  wants 1024 1024
  check "$what-gives-back" eventually holds "$base"
  host_stop example
  check "$what" same "$? $(grep -c " wrong 0 lost with connections 0 connects 1 " "$host_logs/example.log")" "0 1"
  check "$what-detach" host_detach 1
}
# The sender stopped and the ring empty: as many frames as the sum of their numbers says, 187 words or 8125 of each.
sink_has_all() {
  local packets sum bytes
  stop_end example
  eventually stat_of vif1.0 "1/(s['guest_tx']['packets'] > 0)"
  eventually eval '[ "$(show_of vif1.0 "d['queues'][0]['guest_tx']['bytes_waiting']")" = 0 ]'
  packets=$(stat_of vif1.0 "s['guest_tx']['packets']") bytes=$(stat_of vif1.0 "s['guest_tx']['bytes']")
  sum=$(show_of vif1.0 "d['queues'][0]['port_sum']")
  go_on example
  python3 -c 'import sys
packets, total, said = map(int, sys.argv[1:])
want = (total // packets // 8) * (packets * (packets - 1) // 2) % 2**64
sys.exit(0 if said == want and total % packets == 0 else f"{packets} frames, sum {said}, not {want}")' "$packets" "$bytes" "$sum"
}
many_asleep() { # both ends asleep but for a ping now and then
  local count=$1 host_path=auto base pinging before done
  wants 256 256
  host_guest 1 || return 1
  in_domain 1 xenstore-write device/vif/0/hushring/poll-mode event
  base=$(host_holdings) before=$(switches_counted)
  ip netns exec "$(host_ns 1)" ping -i 0.05 -W 5 10.7.0.1 >"$host_logs/ping.log" 2>&1 &
  pinging=$!
  done=$(switches "$count" frontd-1)
  echo "asleep: $done of $count switches"
  check asleep-all same "$done $(($(switches_counted) - before))" "$count $count"
  kill -INT "$pinging"
  wait "$pinging"
  check asleep-pings-in-order in_order "$host_logs/ping.log" "$(grep -c 'icmp_seq' "$host_logs/ping.log")"
  check asleep-none-lost grep -q ' 0% packet loss' "$host_logs/ping.log"
  wants 256 256
  check asleep-gives-back eventually holds "$base"
  check asleep-detach host_detach 1
  host_stop frontd-1
}
