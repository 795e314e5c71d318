# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# Stories of the area path: traffic without a hypercall a packet, both ends stopped, killed and refused, and the stories of
# the netif path that hold for it too. Sourced by run.

show_of() { # show_of VIF FILTER: a value out of hushctl show
  host_hushctl show -j "$1" | python3 -c "import json,sys; d=json.load(sys.stdin); print(eval(sys.argv[1], {'d': d}))" "$2"
}
path_is() { [ "$(host_hushctl list -j | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["mode"])')" = "$1" ]; }
# The header page and the ring pages of one area, and no ring of netif.h; one more map is the store's.
area_maps_only() { same "$(host_holdings | grep -o '^maps; [0-9]*')" "maps; $1"; }
on_area() { # on_area STORY: one of the others, by this path
  local host_path=auto story=$story-$1
  "story_$1"
}

story_area() {
  local held host_path=auto
  host_up 1 || return 1
  held=$(host_holdings)
  host_guest 1 || return 1
  check path path_is area
  check acknowledged same "$(store read backend/vif/1/0/hush-area-generation)" 1
  check netif-rings-not-mapped area_maps_only 3
  check ping pings 1 100
  check tcp-out tcp 1 256
  check tcp-in tcp 1 256 -R
  check no-drops same "$(stat_of vif1.0 "sum(sum(d.values()) for d in s['drops'].values())")" 0
  check every-packet-counted counts_agree
  check no-grant-copy same "$(stat_of vif1.0 "s['guest_tx']['copies'] + s['guest_rx']['copies']")" 0
  check at-most-one-notify-a-batch stat_of vif1.0 "1/(s['guest_rx']['notifies_sent'] <= s['guest_rx']['batches'])"
  check segments-cross-whole stat_of vif1.0 "1/(s['guest_tx']['bytes'] > 4000*s['guest_tx']['packets'])"
  # Both ends asleep: each ring is empty, each mode word the number of a sleep that the counter knows.
  check mode-words-of-sleepers eventually sleeps_in_show
  check no-late-notify same "$(stat_of vif1.0 "s['guest_rx']['notifies_late'] + s['guest_rx']['stalls']")" 0
  check detach host_detach 1
  host_stop frontd-1
  check frontd-stops-cleanly same $? 0
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
sleeps_in_show() {
  [ "$(show_of vif1.0 "[q[w]['mode_word'] > 0 and q[w]['bytes_waiting'] == 0 for q in d['queues'] for w in ('guest_tx', 'guest_rx')]")" = "[True, True]" ]
}

story_area_small() { # rings of 16 KiB: the kernels segment before, and everything crosses all the same
  local host_path=auto host_area_ring=16
  host_up 1 || return 1
  host_guest 1 || return 1
  check path path_is area
  check longest-frame same "$(show_of vif1.0 "d['queues'][0]['guest_tx']['max_frame']")" 8176
  check ping pings 1 50
  check tcp-out tcp 1 32
  check tcp-in tcp 1 32 -R
  check no-drops same "$(stat_of vif1.0 "sum(sum(d.values()) for d in s['drops'].values())")" 0
  check no-segments stat_of vif1.0 "1/(s['guest_tx']['bytes'] <= 1514*s['guest_tx']['packets'] and s['guest_rx']['bytes'] <= 1514*s['guest_rx']['packets'])"
  check detach host_detach 1
}

story_area_lives() { # what holds for the netif path holds here
  local other
  for other in rounds guest_dies front_end_dies driver_domain rate slow_events capture; do
    on_area "$other" || verdict 1 "scenario.$story-$other" "could not be set up"
    host_down
  done
}

# An end that does not run takes no frames: its peer says so within the bound, drops what is for it, and goes on with it
# as soon as it takes frames again.
story_area_stopped() {
  local host_path=auto
  host_up 1 || return 1
  store write hushring/default/area-stall 200
  host_guest 1 || return 1
  pings 1 3
  host_signal frontd-1 STOP
  in_netns 0 ping -q -c 20 -i 0.05 -W 1 10.7.0.2 >/dev/null
  check guest-stalls host_wait backd "vif1.0: queue 0 is stalled: the other end takes no frames"
  check shown same "$(host_hushctl stalls -j vif1.0 | grep -c 'takes no frames')" 1
  check dropped-by-name eventually stat_of vif1.0 "1/(s['drops']['guest_rx']['area_peer_stalled'] > 0 or s['guest_rx']['notifies_late'] > 0)"
  host_signal frontd-1 CONT
  check guest-goes-on host_wait backd "vif1.0: queue 0 is not stalled any more"
  check ping-again eventually pings 1 10
  host_signal backd STOP
  in_netns 1 ping -q -c 20 -i 0.05 -W 1 10.7.0.1 >/dev/null
  check backend-stalls host_wait frontd-1 "the back end is stalled: the other end takes no frames"
  host_signal backd CONT
  check backend-goes-on host_wait frontd-1 "the back end is not stalled any more"
  check ping-at-last eventually pings 1 10
  check detach host_detach 1
}

# An application without a TAP (domu/library), against the ports that measure: every frame has its number, so that one lost,
# doubled, late or wrong is seen by the example itself.
story_library() {
  local held mode
  host_up 1 || return 1
  held=$(host_holdings)
  for mode in "" --poll; do
    library_run echo echo 300000 --burst 32 $mode
    library_run echo echo 3000 --size 65000 --burst 8 --ring 512 $mode
    library_run sink send 300000 --size 1500 $mode
    library_run source receive 300000 $mode
  done
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
library_run() { # library_run PORT MODE FRAMES [OPTION...]
  local port=$1 mode=$2 frames=$3 what
  shift 3
  what=$mode$(tr -d ' ' <<<"${*/#--/-}")
  store write hushring/default/port "$port"
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" "$mode" --frames "$frames" "$@"
  host_end example
  check "$what" same "$? $(grep -c "wrong 0 lost 0 doubled 0 lost with connections 0 connects 1" "$host_logs/example.log")" "0 1"
  tail -n 1 "$host_logs/example.log"
  check "$what-detach" host_detach 1
}

story_library_refused() { # with nothing but an area allowed it stays down without one, and says why
  host_up 1 || return 1
  store write hushring/default/area-limit 64
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" send --area --frames 10
  host_end example
  check refused same "$? $(tail -n 1 "$host_logs/example.log")" \
    "1 hush-example: the back end does not take the area: more pages than this back end allows"
  check reason-in-store same "$(in_domain 0 xenstore-read /local/domain/1/error/device/vif/0/error)" \
    "cut off: the back end does not take the area: more pages than this back end allows"
  check detach host_detach 1
  store write hushring/default/area-limit 0
  host_attach 1 || return 1
  host_start example 1 "$host_bin/hush-example" send --area --frames 10
  check no-area-path host_wait example "cannot connect: the back end has no area path"
  store rm hushring/default/area-limit
  check detach-again host_detach 1
  store write hushring/default/port sink
  host_attach 1 || return 1
  host_end example
  check goes-on-when-there-is-one same $? 0
  check detach-at-last host_detach 1
}

# With a back end that has no areas, or refuses them, an application's frames go by the rings of netif.h: what it sends comes back from
# Dom0's end of the interface, each once and in order. Whole pages, and frames of several; no more on the way than a TAP holds.
story_library_by_netif() {
  local held why
  host_up 1 || return 1
  held=$(host_holdings)
  in_netns 0 sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 # Dom0 says nothing by itself
  for why in 0 64; do
    store write hushring/default/area-limit $why
    netif_run "limit-$why" --frames 20000 --size 256 --burst 32
    netif_run "limit-$why-poll" --frames 20000 --size 1500 --burst 8 --poll
    netif_run "limit-$why-jumbo" --frames 2000 --size 9000 --burst 4
  done
  check nothing-left same "$held" "$(host_holdings)"
  check no-nodes no_nodes 1
}
# At Dom0's end of an interface.
sends_back='
import socket, sys
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
end.setsockopt(socket.SOL_SOCKET, 33, 1 << 28)  # SO_RCVBUFFORCE
end.bind((sys.argv[1], 3))
print("ready", flush=True)
news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
news.bind((0, 1))  # RTMGRP_LINK
def up(): return open(f"/sys/class/net/{sys.argv[1]}/operstate").read() == "up\n"
while True:
    frame, (_, _, kind, _, _) = end.recvfrom(65536)
    while not up(): news.recv(65536)  # what is sent between carrier and that is dropped
    if kind != socket.PACKET_OUTGOING: end.send(frame)
'
netif_run() { # netif_run WHAT OPTION...
  local what=$1
  shift
  host_attach 1 || return 1
  in_netns 0 ip link set vif1.0 mtu 9000 nomaster # the bridge says something now and then
  host_start echo 0 ip netns exec "$(host_ns 0)" python3 -c "$sends_back" vif1.0
  host_wait echo ready || return 1
  host_start example 1 "$host_bin/hush-example" echo --window 64 "$@"
  host_end example
  check "$what" same "$? $(grep -c "wrong 0 lost 0 doubled 0 lost with connections 0 connects 1" "$host_logs/example.log")" "0 1"
  check "$what-by-netif" grep -q "up, .* by the rings of netif" "$host_logs/example.log"
  grep ^sent "$host_logs/example.log"
  host_stop echo
  check "$what-detach" host_detach 1
}

story_area_refused() { # either end refuses; the vif is served on the netif path, and says why
  local host_path=auto held
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-limit 64
  host_guest 1 || return 1
  check netif path_is netif
  check reason-in-store same "$(store read backend/vif/1/0/hush-area-refused)" "1 more pages than this back end allows"
  check reason-shown same "$(show_of vif1.0 "d['area_refused']")" "more pages than this back end allows"
  check front-end-says-so host_wait frontd-1 "does not take the area: more pages than this back end allows"
  check ping pings 1 50
  check tcp tcp 1 64
  check detach host_detach 1
  store write hushring/default/area-limit 0
  host_attach 1 && check connects-again served_times 2
  check never-offered same "$(store read backend/vif/1/0/feature-hush-area 2>&1 | grep -c "couldn't read")" 1
  check no-answer same "$(store read backend/vif/1/0/hush-area-refused 2>&1 | grep -c "couldn't read")" 1
  check netif-again pings 1 20
  check detach-again host_detach 1
  store rm hushring/default/area-limit
  # The front end's own: its grants fail, and it goes without.
  "$host_bin/simxen" fault share every 3 --domain 1 >/dev/null
  host_attach 1 && check connects-without host_wait frontd-1 "no area, it will go by the netif path"
  "$host_bin/simxen" fault share off >/dev/null
  check detach-at-last host_detach 1
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
}
served_times() { timeout 30 grep -q -m "$1" serving <(exec tail -s 0.05 -n +1 -f "$host_logs/frontd-1.log"); }

story_area_faults() { # every 3rd call of a primitive fails: each vif is served, by one path or the other, or says why
  local host_path=auto primitive round held
  for primitive in map bind-interdomain; do
    host_up 1 || return 1
    held=$(host_holdings)
    "$host_bin/simxen" fault "$primitive" every 3 --domain 0 >/dev/null || return 1
    host_attach 1 && host_start frontd-1 1 "$host_bin/hush-frontd" --tap eth0 --up
    for round in 1 2 3; do
      eventually settled || return 1
      [ "$round" = 3 ] || { host_detach 1 && host_attach 1; }
    done
    "$host_bin/simxen" fault "$primitive" off >/dev/null
    check "$primitive-alive" kill -0 "$(cat "$host_pids/backd")"
    host_detach 1
    host_stop frontd-1
    check "$primitive-nothing-left" same "$held" "$(host_holdings)"
    host_down
  done
}
settled() { host_hushctl list -j | grep -qE '"state": "Connected"|"fault": "[a-z]'; }
