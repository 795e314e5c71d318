# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_queues
# Stories of several queues a vif, hush-frontd against hush-backd: traffic on all of them, ends that die, fewer than
# were wanted, and one queue's area that moves while the others carry on. Sourced by run, after switch_stories.sh.

# Four queues in the guest, which may grant so many pages (xen-gntalloc has 1024 if nobody says more), on two data
# threads in Dom0.
queues_host() { # queues_host PAGES
  host_up 1 --threads 2 --max-queues 4 && "$host_bin/simxen" limit "$1" --domain 1
}
in_use_are() { [ "$(show_of vif1.0 "len(d['queues'])") $(store read backend/vif/1/0/state)" = "$1 4" ]; }
front_key() { in_domain 1 xenstore-read "device/vif/0/$1" 2>/dev/null; }
no_front_key() { ! in_domain 1 xenstore-read "device/vif/0/$1" >/dev/null 2>&1; }
# Flows enough for any hash to put some on each queue: a datagram from each of 64 ports.
datagrams='
import socket, sys
for port in range(40000, 40064):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", port))
    s.sendto(b"to nobody", (sys.argv[1], 9))'
many_flows() { in_netns 0 python3 -c "$datagrams" 10.7.0.2 && in_netns 1 python3 -c "$datagrams" 10.7.0.1; }
# By the count of either end, each queue had frames in both directions.
each_had_some() {
  [ "$(stat_of vif1.0 "[q['guest_tx'] > 0 and q['guest_rx'] > 0 for q in s['packets_by_queue']]")" = "[True, True, True, True]" ] &&
    [ "$(front_of "[q[w]['packets'] > 0 for q in f['queues'] for w in ('guest_tx', 'guest_rx')]")" = "[True, True, True, True, True, True, True, True]" ]
}
more_on_each() { # since BEFORE, which packets_now printed
  python3 -c 'import sys
before, now = (list(map(int, text.split())) for text in sys.argv[1:])
sys.exit(len(before) != 8 or not all(b < n for b, n in zip(before, now)))' "$1" "$(packets_now)"
}
packets_now() { stat_of vif1.0 "' '.join('%d %d' % (q['guest_tx'], q['guest_rx']) for q in s['packets_by_queue'])"; }
flow_on_each() { # flow_on_each BEFORE
  many_flows && more_on_each "$1"
}
nothing_dropped() {
  same "$(stat_of vif1.0 "sum(sum(d.values()) for d in s['drops'].values())")" 0 &&
    same "$(front_of "sum(sum(f[w]['drops'].values()) for w in ('guest_tx', 'guest_rx'))")" 0
}

story_queues() { # by the rings of netif.h
  queues_host 4096 || return 1
  queues_carry
}
story_area_queues() { # the same by areas
  local host_path=auto
  queues_host 4096 || return 1
  store write hushring/default/area-max 256 # what is held is compared: no area may follow its traffic meanwhile
  queues_carry
}
queues_carry() {
  local host_queues=4 held before
  held=$(host_holdings)
  host_guest 1 || return 1
  check path path_is "${host_path/auto/area}"
  check four-in-use in_use_are 4
  check four-in-keys same "$(front_key multi-queue-num-queues) $(front_key queue-3/tx-ring-ref | grep -c .)" "4 1"
  check no-flat-keys no_front_key tx-ring-ref
  check four-threads same "$(front_of "len({q['thread'] for q in f['queues']})")" 4
  check ping pings 1 100
  check flows many_flows
  check each-carries eventually each_had_some
  check tcp-out tcp 1 256 -P 4
  check tcp-in tcp 1 256 -P 4 -R
  chat_begins || return 1
  check bytes-as-they-were chat_goes_on
  check no-drops nothing_dropped
  check every-packet-counted counts_agree
  check totals-are-sums same "$(front_of "[sum(q[w]['packets'] for q in f['queues']) == f[w]['packets'] for w in ('guest_tx', 'guest_rx')]")" "[True, True]"

  before=$(times_said frontd-1 serving)
  host_signal backd KILL
  host_stop backd
  host_backd --threads 2 --max-queues 4 || return 1
  check taken-over host_wait backd "taking over a connected vif"
  check four-after-a-kill eventually in_use_are 4
  check bytes-after-a-kill chat_goes_on
  check guest-saw-nothing same "$(times_said frontd-1 serving)" "$before"
  before=$(packets_now)
  check each-carries-after-a-kill flow_on_each "$before"

  check detach host_detach 1
  check nothing-left-by-detach eventually holds "$held"
  check no-nodes no_nodes 1
  check no-carrier same "$(in_netns 1 cat /sys/class/net/eth0/carrier)" 0
  check one-tap-queue-left same "$(tap_queues eth0)" 1
  before=$(times_said frontd-1 serving)
  host_attach 1 || return 1
  check attached-again served_times $((before + 1))
  check four-again eventually in_use_are 4
  check ping-again eventually pings 1 20
  host_stop frontd-1
  check leaves-on-sigterm same $? 0
  check nothing-left-by-sigterm eventually holds "$held"
  check no-interface-left same "$(in_netns 1 ip -o link show eth0 2>/dev/null)" ""
  check detach-at-last host_detach 1
}
tap_queues() { in_netns 1 bash -c "echo /sys/class/net/$1/queues/tx-*" | wc -w; }

# Fewer than are wanted: why, in one line; and no key of the queues that there were before.
story_queues_fewer() {
  local host_queues=4
  queues_host 1024 || return 1
  host_guest 1 || return 1
  check one-by-grants in_use_are 1
  check grants-said host_wait frontd-1 "1 queue in the place of 4: grant .* pages .*gntalloc/parameters/limit"
  check said-once same "$(times_said frontd-1 'in the place of')" 1
  check flat-keys same "$(front_key tx-ring-ref | grep -c .)" 1
  check no-count no_front_key multi-queue-num-queues
  check ping pings 1 20
  host_stop frontd-1
  host_detach 1 || return 1

  "$host_bin/simxen" limit 4096 --domain 1
  host_guest 1 || return 1
  check four in_use_are 4
  store write hushring/default/max-queues 3
  front_dies_and_wants 4
  check three-by-offer in_use_are 3
  check offer-said host_wait frontd-1 "3 queues in the place of 4: the back end takes no more"
  check none-of-the-fourth no_front_key queue-3
  front_dies_and_wants 1
  check one-wanted in_use_are 1
  check nothing-said same "$(times_said frontd-1 'in the place of')" 0
  check flat-keys-again same "$(front_key tx-ring-ref | grep -c .)" 1
  check none-of-the-others no_front_key queue-0
  check ping-at-last pings 1 20
  front_dies_and_wants 2
  check two in_use_are 2
  check no-flat-keys no_front_key tx-ring-ref
  check detach host_detach 1
}
front_dies_and_wants() {
  host_signal frontd-1 KILL
  host_stop frontd-1
  host_queues=$1 host_front 1 || return 1
  eventually in_use_are "$(front_key multi-queue-num-queues || echo 1)"
}

# The back end has room for the areas of some queues, not of all: all go by netif, where there are grants for it.
story_area_queues_refused() {
  local host_path=auto host_queues=4 held
  queues_host 4096 || return 1
  held=$(host_holdings)
  store write hushring/area-budget 2 # four areas of 528 KiB each are more
  host_guest 1 || return 1
  check netif path_is netif
  check reason-shown same "$(show_of vif1.0 "d['area_refused'].startswith('no room for it')")" True
  check reason-said host_wait frontd-1 "does not take the area: no room for it"
  check four-by-netif in_use_are 4
  check ping pings 1 20
  check flows flow_on_each "0 0 0 0 0 0 0 0"
  check tcp tcp 1 64 -P 4
  host_stop frontd-1
  check detach host_detach 1
  check nothing-left eventually holds "$held"
  # Grants for four areas, and for one queue of netif.h: it comes back with that.
  "$host_bin/simxen" limit 1024 --domain 1
  host_guest 1 || return 1
  check no-grants-said host_wait frontd-1 "no grants for the netif path of 4 queues: grant .* pages"
  check fewer-said host_wait frontd-1 "1 queue in the place of 4: grant .* pages"
  check one-by-netif eventually in_use_are 1
  check netif-again path_is netif
  check ping-again pings 1 20
  store rm hushring/area-budget
  host_stop frontd-1
  check detach-again host_detach 1
  check nothing-left-again eventually holds "$held"
}

# One queue's area gives way to a longer one while the others carry on where they are; then all move at once. TCP on four
# streams both ways, and pings in order, throughout.
story_area_queues_switch() {
  local host_path=auto host_queues=4 held base both pinging used
  queues_host 4096 || return 1
  held=$(host_holdings)
  # An end that gets no processor for long is no end that is stalled, whose frames are dropped.
  store write hushring/default/area-cooldown 1000 hushring/default/area-stall 30000
  wants 256 256
  host_guest 1 || return 1
  base=$(host_holdings)
  : >"$host_logs/server.log"
  in_netns 0 iperf3 -s -1 --forceflush >"$host_logs/server.log" 2>&1 &
  until_listening || return 1
  # Longer than all that is waited for below.
  ip netns exec "$(host_ns 1)" timeout 310 iperf3 -c 10.7.0.1 --bidir -P 4 -b 40M -t 300 >"$host_logs/client.log" 2>&1 &
  both=$!
  until [ "$(stat_of vif1.0 "min(s['guest_tx']['bytes'], s['guest_rx']['bytes'])")" -gt 10000000 ]; do :; done
  ping_throughout 0.01
  # Grants for one longer area beside the four, and once its old one is gone for no other.
  used=$("$host_bin/simxen" list --json | python3 -c 'import json,sys
print(next(d["shared_pages"] for d in json.load(sys.stdin)["domains"] if d["domid"] == 1))')
  "$host_bin/simxen" limit $((used + 330)) --domain 1
  wants 1024 256
  check one-moves eventually moved_queues 1
  check others-decline eventually others_decline
  check said-by-both same "$(moves_said frontd-1) $(moves_said backd)" "1 1"
  check tcp-goes-on goes_through 20000000
  check ping-goes-on pings 1 10
  "$host_bin/simxen" limit 4096 --domain 1
  wants 512 512
  check all-move eventually all_rings_are 512
  check tcp-goes-on-there goes_through 20000000
  check pings-go-on fifty_more_answers
  kill -INT "$pinging"
  wait "$pinging"
  check pings-in-order in_order
  check tcp-survives kill -0 "$both"
  kill "$both"
  wait "$both" 2>/dev/null
  wants 256 256
  check all-back eventually all_rings_are 256
  check gives-back eventually holds "$base"
  check no-drops nothing_dropped
  check still-one-connection same "$(front_of "f['connects']")" 1
  check detach host_detach 1
  check nothing-left eventually holds "$held"
  check no-nodes no_nodes 1
}
moved_queues() { [ "$(show_of vif1.0 "sum(q['area']['generation'] == 2 for q in d['queues'])")" = "$1" ]; }
# All but the one that moved, however often: who declines is advised again, after a second, two, four ...
others_decline() {
  [ "$(queues_that_said 'its area stays as it is: grant .* pages')" = "$(comm -23 <(seq 0 3) <(queues_that_said 'goes on in an area of'))" ]
}
queues_that_said() { sed -n "s/.*: queue \([0-3]\): $1.*/\1/p" "$host_logs/frontd-1.log" | sort -u; }
moves_said() { times_said "$1" 'queue [0-3]: goes on in an area of 1024 + 256 KiB, generation 2'; }
all_rings_are() {
  [ "$(show_of vif1.0 "{q[w]['ring_bytes'] // 1024 for q in d['queues'] for w in ('guest_tx', 'guest_rx')}")" = "{$1}" ]
}
