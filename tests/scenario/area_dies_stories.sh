# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# hush-backd is killed under areas: the next one goes on where their files say, and the guest sees a pause; where it cannot, it
# says why and asks the front end to reconnect. Sourced by run, after inflight_stories.sh.

# hush-backd is killed again and again under traffic both ways: each one goes on where the file of the one before says, and the
# guest sees a pause.
story_area_backend_dies() {
  local host_path=auto held flood round both
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-max 256 # what is held is compared: no area may follow its traffic meanwhile
  host_guest 1 && flood --bidir || return 1
  both=$(host_holdings)
  for round in 1 2 3 4 5 6 7 8; do
    flooded 20000000 || return 1
    die_and_rise || return 1
    check "takes-over-$round" host_wait backd "taking over a connected vif"
    check "goes-on-$round" flooded 5000000
    check "stays-connected-$round" same "$(store read backend/vif/1/0/state)" 4
  done
  check path-still path_is area
  check never-asked-to-reconnect same "$(said "asked to reconnect")" 0
  check tcp-survives kill -0 "$flood"
  no_flood
  check ping-after pings 1 50
  check guest-saw-nothing saw_nothing
  check nothing-more-held same "$both" "$(host_holdings)"
  check file-of-this-vif same "$(inflight_files)" 1
  check detach host_detach 1
  check no-file-left same "$(inflight_files)" 0
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
}

# What was taken is not lost, and at most one frame a kill is doubled: numbered pings, which the ring keeps while nobody serves it,
# and numbered datagrams at saturation, of which more are sent than anything keeps.
story_area_backend_dies_numbered() {
  local host_path=auto pinging sending round answers sent got doubled
  host_up 1 || return 1
  store write hushring/default/area-stall 30000 # hush-frontd drops what nobody takes for that long
  host_guest 1 || return 1
  pings 1 5 || return 1
  ip netns exec "$(host_ns 1)" stdbuf -oL ping -i 0.01 10.7.0.1 >"$host_logs/ping.log" 2>&1 &
  pinging=$!
  for round in 1 2 3; do
    answers=$((100 * round))
    eventually answered "$answers" || return 1
    die_and_rise || return 1
  done
  # Later ones are there: what is missing before them does not come any more. Ping itself would wait for it.
  eventually answered 400 || return 1
  kill -INT "$pinging"
  wait "$pinging"
  read -r sent got doubled < <(awk '/bytes from .* icmp_seq=/ {
    split($0, at, "icmp_seq="); if (seen[at[2] + 0]++) doubled++; else got++; if (at[2] + 0 > sent) sent = at[2] + 0
  } END { print sent + 0, got + 0, doubled + 0 }' "$host_logs/ping.log")
  check pings-none-lost-that-was-taken [ "$((sent - got))" -le 3 ]
  check pings-one-doubled-a-kill [ "$doubled" -le 3 ]

  ip netns exec "$(host_ns 0)" "$host_bin/hush-udp" receive 5009 >"$host_logs/received.log" &
  pinging=$!
  ip netns exec "$(host_ns 1)" "$host_bin/hush-udp" send 10.7.0.1 5009 64 60 >"$host_logs/sent.log" &
  sending=$!
  for round in 1 2 3 4; do
    eventually stat_of vif1.0 "1/(s['guest_tx']['packets'] > 5000)" || return 1
    die_and_rise || return 1
  done
  eventually stat_of vif1.0 "1/(s['guest_tx']['packets'] > 5000)" || return 1
  kill "$sending"
  wait "$sending" && wait "$pinging" || return 1
  check datagrams-one-doubled-a-kill received "r['duplicated'] <= 4"
  check datagrams-in-order received "r['reordered'] == 0"
  check datagrams-came received "r['received'] > 20000"
  check guest-saw-nothing saw_nothing
  check detach host_detach 1
}
answered() { [ "$(grep -c icmp_seq "$host_logs/ping.log")" -ge "$1" ]; }
received() { python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); print(r); sys.exit(not eval(sys.argv[2]))' "$host_logs/received.log" "$1"; }

# Killed in its sleep: the numbers of sleeps go on, and whoever sends to nobody is heard by the next one.
story_area_backend_dies_asleep() {
  local host_path=auto before pinging
  host_up 1 || return 1
  host_guest 1 || return 1
  pings 1 5 || return 1
  eventually sleeps_in_show || return 1
  before=$(show_of vif1.0 "d['queues'][0]['guest_tx']['mode_word']")
  host_signal backd KILL
  host_stop backd
  in_netns 1 ping -q -c 3 -i 0.1 -W 30 10.7.0.1 >"$host_logs/ping.log" &
  pinging=$!
  host_backd || return 1
  wait "$pinging"
  check who-sent-meanwhile-is-heard same $? 0
  check sleeps-again eventually sleeps_in_show
  check numbers-go-on [ "$(show_of vif1.0 "d['queues'][0]['guest_tx']['mode_word']")" -gt "$before" ]
  check ping pings 1 20
  check guest-saw-nothing saw_nothing
  host_signal backd TERM
  host_stop backd
  host_backd || return 1
  check so-after-sigterm host_wait backd "taking over a connected vif"
  check ping-after-sigterm pings 1 20
  check guest-saw-nothing-of-that saw_nothing
  check detach host_detach 1
}

# What is wrong with a file, with the keys, or with their number is said, and the front end is asked to reconnect.
story_area_backend_refuses() {
  local host_path=auto what file
  host_up 1 || return 1
  host_guest 1 || return 1
  file=$host_run/inflight/vif1.0-q0
  for what in torn missing other-connection other-area wrong-mode; do
    pings 1 5 || return 1
    host_signal backd KILL
    host_stop backd
    case $what in
      torn) printf 'x' | dd of="$file" bs=1 seek=100 conv=notrunc status=none ;;
      missing) rm "$file" ;;
      other-connection) store write "$back_area-session" 4711 ;;
      other-area) store write "$front_area-ref" 9 ;;
      wrong-mode) chmod 644 "$file" ;;
    esac
    host_backd || return 1
    check "$what-said" host_wait backd "asked to reconnect: $(refusal_of "$what")"
    check "$what-path" eventually path_is area
    host_forwards 1 || return 1
    check "$what-serves-again" eventually pings 1 5
  done
  check ping pings 1 20
  check detach host_detach 1
  check no-file-left same "$(inflight_files)" 0
}
refusal_of() {
  case $1 in
    torn) echo ".*vif1.0-q0 is not used: a word of it is torn" ;;
    missing) echo "cannot open .*vif1.0-q0: No such file" ;;
    other-connection) echo ".*it is of another connection of this vif" ;;
    other-area) echo "its keys name another area than the one in use" ;;
    wrong-mode) echo ".*its mode is not 0600" ;;
  esac
}

# An application without a TAP, whose frames come back: hush-backd is killed under it, and its numbers say what was lost. What an
# echo holds dies with the process, a batch at most.
story_library_backend_dies() {
  local held round
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/port echo
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" echo --frames 100000000 --size 256
  host_wait example 'up, the back end' || return 1
  for round in 1 2 3 4; do
    eventually stat_of vif1.0 "1/(s['guest_tx']['packets'] > 100000)" || return 1
    die_and_rise || return 1
  done
  check echoes-again eventually stat_of vif1.0 "1/(s['guest_rx']['packets'] > 100000)"
  host_stop example
  check ends-cleanly same $? 0
  tail -n 1 "$host_logs/example.log"
  check in-one-connection grep -q " wrong 0 .* connects 1 " "$host_logs/example.log"
  check lost-a-batch-a-kill [ "$(sed -n 's/.* wrong 0 lost \([0-9]*\) doubled.*/\1/p' "$host_logs/example.log")" -le $((4 * 256)) ]
  check doubled-a-batch-a-kill [ "$(sed -n 's/.* doubled \([0-9]*\) .*/\1/p' "$host_logs/example.log")" -le $((4 * 256)) ]
  check detach host_detach 1
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
