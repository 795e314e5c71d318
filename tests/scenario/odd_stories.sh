# shellcheck shell=bash disable=SC2154,SC2317
# Stories about what stock front ends negotiate seldom or not at all: groups, hashes, a control ring, no notifies,
# odd names and numbers. Sourced by run; the front end is odd_front.cpp where it is not hush-frontd.

# odd_front STORY [WORD]: hush-odd-front in guest 1, which has a vif; returns when it has said the word.
odd_front() {
  host_start odd 1 "$host_bin/hush-odd-front" 0 "$1"
  host_wait odd "^${2:-ready}"
}
# send_frames VIF FRAME...: out of Dom0 into a vif. A FRAME is a destination (its EtherType is 88b5), or "end", or
# tcp4/udp4/tcp6/udp6:SOURCE,PORT,DESTINATION,PORT.
send_frames() {
  in_netns 0 python3 - "$@" <<'PYTHON'
import socket, struct, sys
def frame(text):
    if text == "end": return b"\xff" * 6 + bytes([2, 0, 0, 0, 0, 1]) + b"\x88\xb6" + bytes(46)
    kind, _, rest = text.partition(":")
    if kind[:3] not in ("tcp", "udp"): return bytes.fromhex(text.replace(":", "")) + bytes([2, 0, 0, 0, 0, 1]) + b"\x88\xb5" + bytes(46)
    source, sport, to, dport = rest.split(",")
    v6, protocol = kind[3] == "6", 6 if kind[:3] == "tcp" else 17
    family = socket.AF_INET6 if v6 else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, to)
    ports = struct.pack("!HH", int(sport), int(dport)) + bytes(8) + b"\x50" + bytes(7)
    ip = (struct.pack("!IHBB", 0x60000000, 20, protocol, 64) if v6 else
          struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, protocol, 0)) + addresses
    return bytes.fromhex("00163e000002") + bytes([2, 0, 0, 0, 0, 1]) + (b"\x86\xdd" if v6 else b"\x08\x00") + ip + ports
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
for text in sys.argv[2:]: out.send(frame(text))
PYTHON
}
# What odd_front received of the frames that we sent, without those that Dom0's own network code sends to groups.
frames_of() { sed -n "s/^frame //p" "$host_logs/odd.log" | grep -E "$1" | tr '\n' ';'; }
same_frames() { [ "$(frames_of 88b5)" = "$1" ]; }
is_true() { [ "$(stat_of "$1" "$2")" = True ]; }
carrier_is() { [ "$(in_domain 0 xenstore-read "backend/vif/1/0/carrier")" = "$1" ]; }
wants_all_groups() { send_frames vif1.0 33:33:00:00:00:78 && frames_of 88b5 | grep -q 33:33:00:00:00:78; }

story_multicast() { # a front end that lists the groups it wants; then it wants all again, live
  host_up 1 || return 1
  host_attach 1 && odd_front multicast || return 1
  check listed send_frames vif1.0 01:00:5e:00:01:3f 01:00:5e:00:01:00 01:00:5e:00:02:00 33:33:00:00:00:77 00:16:3e:00:00:02
  check only-wanted-groups eventually same_frames "0 01:00:5e:00:01:3f 88b5;0 00:16:3e:00:00:02 88b5;"
  check drops-counted stat_of vif1.0 "1/(s['drops']['guest_rx']['multicast_not_wanted'] >= 3)"
  check full-list-counted same "$(stat_of vif1.0 "s['drops']['guest_tx']['multicast_list_full']")" 1
  # The list died with the daemon, and its guest will not tell it again: the next one lets all groups through.
  die_and_rise || return 1
  host_wait backd "taking over" || return 1
  send_frames vif1.0 01:00:5e:00:02:00 33:33:00:00:00:77 end
  check ends host_wait odd '^all'
  check all-groups-without-a-list same "$(frames_of 88b5)" "0 01:00:5e:00:01:3f 88b5;0 00:16:3e:00:00:02 88b5;0 01:00:5e:00:02:00 88b5;0 33:33:00:00:00:77 88b5;"
  check all-groups-again eventually wants_all_groups
  send_frames vif1.0 end
  check ends-again host_wait odd '^end'
  host_end odd
  check front-end-content same $? 0
}

story_hash() { # the guest's key, hash and mapping: each frame on the queue that they name, with its hash
  local line
  host_up 1 --threads 2 --max-queues 4 || return 1
  host_attach 1 && odd_front hash || return 1
  check send send_frames vif1.0 tcp4:66.9.149.187,2794,161.142.100.80,1766 udp4:199.92.111.2,14230,65.69.140.83,4739 \
    tcp6:3ffe:2501:200:1fff::7,2794,3ffe:2501:200:3::1,1766 tcp4:24.19.198.95,12898,12.22.207.184,38024 00:16:3e:00:00:02
  # Microsoft's published hashes, modulo 3; what has no hash counts as 0. Queues of two threads keep no order among each other.
  for line in "$((0x51ccc178 % 3 ? 1 : 2)) 00:16:3e:00:00:02 0800 1 51ccc178" "$((0xd718262a % 3 ? 1 : 2)) 00:16:3e:00:00:02 0800 0 d718262a" \
    "$((0x40207d3d % 3 ? 1 : 2)) 00:16:3e:00:00:02 86dd 3 40207d3d" "$((0x5c2b394a % 3 ? 1 : 2)) 00:16:3e:00:00:02 0800 1 5c2b394a" \
    "2 00:16:3e:00:00:02 88b5"; do
    check "frame-${line// /-}" eventually grep -qx "frame $line" "$host_logs/odd.log"
  done
  send_frames vif1.0 end
  check ends host_wait odd '^end'
  host_end odd
  check front-end-content same $? 0
  host_detach 1
  check nothing-left no_nodes 1
}

story_control_ring_lies() { # each is refused, or cuts off the vif of the liar alone
  local lie held
  host_up 2 || return 1
  host_guest 2 || return 1
  held=$(host_holdings)
  for lie in wrong-requests wrong-index; do
    host_attach 1 && odd_front "$lie" end || return 1
    host_end odd
    check "$lie" same $? 0
    [ "$lie" = wrong-requests ] || check reason-said same "$(in_domain 0 xenstore-read error/backend/vif/1/0/error)" "control ring index impossible"
    host_detach 1
  done
  check other-guest-goes-on pings 2 20
  check nothing-left same "$held" "$(host_holdings)"
}

story_no_rx_notify() { # a front end that posts receive buffers and tells nobody is served all the same
  host_up 1 || return 1
  host_attach 1 && odd_front no-rx-notify || return 1
  check send send_frames vif1.0 00:16:3e:00:00:02 end
  check waits eventually is_true vif1.0 "s['rx_waits'] > 0"
  in_domain 1 xenstore-write device/vif/0/go 1
  check receives host_wait odd '^end'
  check the-frame same "$(frames_of 88b5)" "0 00:16:3e:00:00:02 88b5;"
}

story_reconfigure() { # Linux's netfront around an XDP program: 7, waits for 8, 4
  host_up 1 || return 1
  host_attach 1 && odd_front reconfigure || return 1
  check served send_frames vif1.0 00:16:3e:00:00:02 end
  check receives host_wait odd '^end'
  check never-reconnected same "$(connects)" 1
}

story_routed() { # the script is not vif-bridge, and the bridge that libxl writes for every vif is not there
  local held
  host_up 1 || return 1
  host_guest 1 || return 1
  held=$(in_domain 0 xenstore-read backend/vif/1/0/script)
  in_domain 0 xenstore-write backend/vif/1/0/script /etc/xen/scripts/vif-route backend/vif/1/0/bridge nowhere
  host_stop backd
  host_backd || return 1
  check taken-over eventually connected vif1.0
  check no-bridge not_bridged 1.0
  check up same "$(in_netns 0 cat /sys/class/net/vif1.0/carrier)" 1
  host_stop backd
  in_domain 0 xenstore-write backend/vif/1/0/script "$held"
  host_backd || return 1
  check a-bridge-that-is-gone-costs-no-guest eventually connected vif1.0
  check said same "$(grep -c 'bridge nowhere' "$host_logs/backd.log")" 1
}
connected() { host_hushctl list | grep -q "^$1 .* Connected "; }

story_names_and_numbers() { # carrier, a renamed interface, an mtu, device numbers with gaps
  host_up 1 || return 1
  host_attach 1 vifname=guest-net mtu=9000 || return 1
  check no-carrier-yet carrier_is 0
  host_front 1 || return 1
  check carrier carrier_is 1
  check renamed same "$(host_hushctl list -j | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["interface"])')" guest-net
  check mtu same "$(in_netns 0 cat /sys/class/net/guest-net/mtu)" 9000
  in_netns 0 ip link set xenbr0 mtu 9000
  in_netns 1 ip link set eth0 mtu 9000
  check jumbo in_netns 1 ping -q -c 3 -i 0.05 -W 5 -M "do" -s 8000 10.7.0.1
  check tcp tcp 1 16 -R
  # The script does not run again for a daemon that takes over.
  host_stop backd
  host_backd || return 1
  check taken-over-with-its-name same "$(host_hushctl list -j | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["interface"])')" guest-net
  check taken-over-with-its-mtu same "$(in_netns 0 cat /sys/class/net/guest-net/mtu)" 9000
  check taken-over-in-its-bridge same "$(in_netns 0 readlink /sys/class/net/guest-net/master)" ../xenbr0
  check taken-over-jumbo in_netns 1 ping -q -c 3 -i 0.05 -W 5 -M "do" -s 8000 10.7.0.1
  host_stop frontd-1
  check carrier-goes-with-the-front-end eventually carrier_is 0
  host_detach 1
  host_attach 1 devid=7 && host_start frontd-1 1 "$host_bin/hush-frontd" --tap eth7 --device 7 --up &&
    host_wait frontd-1 serving || return 1
  check device-7 same "$(host_hushctl list | grep -c 'vif1.7 .*Connected')" 1
  in_netns 1 ip addr add 10.7.0.2/24 dev eth7
  check device-7-ping pings 1 20
}
