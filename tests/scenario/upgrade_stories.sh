# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# One hush-backd gives way to another while guests stay connected, and interfaces outlive the daemon that made them. Sourced
# by run, after area_dies_stories.sh.

backd_pid() { cat "$host_run/backd.lock"; }
index_of() { in_netns 0 cat /sys/class/net/vif1.0/ifindex; }
another_answers() { [ "$(backd_pid)" != "$1" ] && host_hushctl list 2>/dev/null | grep -q vif1.0; }
serves_again() { [ "$(backd_pid)" != "$1" ] && host_hushctl list 2>/dev/null | grep -q Connected; }
# to_guest: Dom0 pings guest 1, 100 times a second, until no_more_to_guest COUNT: so many answers.
to_guest() { ping_throughout 0.01 0 10.7.0.2; }
no_more_to_guest() {
  local status=0
  eventually answered "$1" || status=1
  kill -INT "$pinging"
  wait "$pinging"
  return "$status"
}
# unanswered: how many pings, of those up to the last answer: later ones may be on their way.
unanswered() { sed -n 's/.*bytes from .*icmp_seq=\([0-9]*\).*/\1/p' "$host_logs/ping.log" | sort -nu | awk 'END { print $1 - NR }'; }

story_upgrade() { host_path=auto upgrades; }
story_upgrade_netif() { upgrades; }
# Again and again under traffic both ways, by hushctl and by signal: the guest sees nothing but a pause, and its interface
# stays where it is.
upgrades() {
  local held both flood pinging index before round
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-max 256 # what is held is compared: no area may follow its traffic meanwhile
  host_guest 1 && flood --bidir || return 1
  both=$(host_holdings)
  index=$(index_of)
  for round in 1 2 3 4 5 6; do
    flooded 5000000 || return 1
    before=$(backd_pid)
    if [ $((round % 2)) = 0 ]; then
      kill -USR2 "$before"
      check "by-signal-$round" eventually serves_again "$before"
    else
      check "by-hushctl-$round" host_hushctl upgrade
    fi
    check "another-$round" not same "$before" "$(backd_pid)"
    check "the-old-one-has-ended-$round" eventually not kill -0 "$before"
  done
  host_hushctl upgrade -j | grep gap_us
  check says-how-it-came stat_is_done
  check tcp-survives kill -0 "$flood"
  no_flood
  check never-asked-to-reconnect same "$(said "asked to reconnect")" 0
  check interface-stayed same "$index" "$(index_of)"
  check bridged bridged 1.0
  check nothing-more-held same "$both" "$(host_holdings)"

  # What comes for the guest meanwhile waits in the interface.
  to_guest
  for round in 100 200; do
    eventually answered "$round" || return 1
    host_hushctl upgrade || return 1
  done
  no_more_to_guest 300 || return 1
  check to-the-guest-nothing-is-lost same "$(unanswered)" 0
  check guest-saw-nothing saw_nothing
  check detach host_detach 1
  check no-file-left same "$(inflight_files)" 0
  check no-interface-left eventually not in_netns 0 ip link show vif1.0
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
  # host_stop knows the first one's number only.
  kill -TERM "$(backd_pid)"
  check the-last-one-ends eventually not kill -0 "$(backd_pid)"
}
stat_is_done() { [ "$(host_request '{"command":"upgrade-state"}' state)" = "done" ]; }
# host_request JSON FIELD: of the answer.
host_request() {
  python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(json.loads(s.makefile().readline()).get(sys.argv[3]))' "$host_run/backd.sock" "$@"
}

# One that does not come up: the old one goes on, and says why.
story_upgrade_fails() {
  local how before index
  host_up 1 || return 1
  host_guest 1 || return 1
  before=$(backd_pid) index=$(index_of)
  fails_to no-such-program /nonexistent/hush-backd 'cannot start /nonexistent/hush-backd: No such file' 3
  fails_to ends-at-once /bin/false 'the old hush-backd goes on: it has ended'
  for how in of-another-version says-why talks-nonsense dies-when-told-to-go hangs-when-told-to-go; do
    ln -s "$PWD/tests/scenario/fake_successor" "$host_logs/$how"
    case $how in
      of-another-version) fails_to "$how" "$host_logs/$how" 'it hands over in another way: versions 1 here, and there 4711' ;;
      says-why) fails_to "$how" "$host_logs/$how" 'goes on: it has a headache' ;;
      talks-nonsense) fails_to "$how" "$host_logs/$how" 'what is no JSON object' ;;
      dies-*) fails_to "$how" "$host_logs/$how" 'goes on: it has ended' ;;
      hangs-*) fails_to "$how" "$host_logs/$how" 'goes on: it says nothing' ;;
    esac
    check "$how-is-gone" not pgrep -f "$host_logs/$how"
  done
  check had-locks-and-the-tap grep -q 'fake successor: 3 descriptors came' "$host_logs/backd.log"
  # Not the last word.
  check upgrades-all-the-same host_hushctl upgrade
  check ping pings 1 50
  check guest-saw-nothing saw_nothing
  check interface-stayed same "$index" "$(index_of)"
  kill -TERM "$(backd_pid)"
  check ends eventually not kill -0 "$(backd_pid)"
}
fails_to() { # fails_to NAME PROGRAM TEXT [STATUS]
  local said
  said=$(host_hushctl upgrade "$2" 2>&1)
  check "$1" same "$? $(wc -l <<<"$said") $(grep -c "$3" <<<"$said")" "${4:-1} 1 1"
  echo "$said"
  check "$1-goes-on" same "$before" "$(backd_pid)"
  check "$1-serves" pings 1 20
}

# hush-keeper starts hush-backd again, and holds its interfaces meanwhile: they stay in their bridge, and what comes for the guest waits.
story_keeper() {
  local host_path host_keeper=yes
  for host_path in netif auto; do kept_over_deaths "$host_path" || return 1; done
}
kept_over_deaths() {
  local name=$1 held flood pinging index before round
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-max 256
  host_guest 1 && flood --bidir || return 1
  index=$(index_of)
  for round in 1 2 3 4; do
    flooded 5000000 || return 1
    before=$(backd_pid)
    kill -KILL "$before"
    check "$name-serves-again-$round" eventually serves_again "$before"
    check "$name-interface-stayed-$round" same "$index $(bridged 1.0 && echo bridged)" "$(index_of) bridged"
  done
  no_flood
  to_guest
  for round in 100 200 300; do
    eventually answered "$round" || return 1
    kill -KILL "$(backd_pid)"
  done
  no_more_to_guest 400 || return 1
  check "$name-to-the-guest-one-is-lost-a-kill" [ "$(unanswered)" -le 3 ]

  # An upgrade: the keeper follows, and goes on for the one that came.
  before=$(backd_pid)
  check "$name-upgrade" host_hushctl upgrade
  check "$name-keeper-follows" host_wait backd "serves in the place of $before"
  before=$(backd_pid)
  kill -KILL "$before"
  check "$name-serves-again" eventually serves_again "$before"
  check "$name-interface-stayed" same "$index" "$(index_of)"
  check "$name-ping" pings 1 50
  check "$name-guest-saw-nothing" saw_nothing

  check "$name-detach" host_detach 1
  check "$name-no-interface-left" eventually not in_netns 0 ip link show vif1.0
  host_stop "frontd-1"
  check "$name-nothing-left" same "$held" "$(host_holdings)"
  before=$(backd_pid)
  host_stop backd
  check "$name-ends-with-it" same $? 0
  check "$name-no-daemon-left" not kill -0 "$before"
}

# A guest that went while no daemon ran: its interface goes when the next one has seen what there is.
story_keeper_attach() { # killed while the toolstack's script is at work on the interface
  local host_keeper=yes folder script before index attaching
  host_up 1 || return 1
  folder=$(mktemp -d)
  script=$folder/vif-slow
  mkfifo "$folder/begun" "$folder/go"
  # shellcheck disable=SC2016 # expanded by that script
  printf '#!/bin/bash\n[ "$1" != online ] || { echo >%s; read -r _ <%s; }\nexec /etc/xen/scripts/vif-bridge "$@"\n' "$folder/begun" "$folder/go" >"$script"
  chmod +x "$script"
  before=$(backd_pid)
  host_attach 1 "script=$script" &
  attaching=$!
  read -r _ <"$folder/begun"
  index=$(index_of)
  kill -KILL "$before"
  check another-one eventually another_answers "$before"
  check interface-stays eventually same "$index 2" "$(index_of) $(store read backend/vif/1/0/state)"
  echo >"$folder/go"
  wait "$attaching"
  check attached same $? 0
  host_front 1 && host_forwards 1
  check connects same $? 0
  check ping pings 1 50
  check detach host_detach 1
  check no-interface-left eventually not in_netns 0 ip link show vif1.0
  rm -r "$folder"
}
story_keeper_guest_gone() {
  local host_keeper=yes keeper folder
  host_up 2 || return 1
  host_guest 1 && host_guest 2 || return 1
  keeper=$(cat "$host_pids/backd")
  folder=$(dirname "$(tr '\0' '\n' <"/proc/$(backd_pid)/environ" | sed -n 's/^NOTIFY_SOCKET=//p')")
  check has-a-folder-of-its-own [ -d "$folder" ]
  kill -STOP "$keeper"
  kill -KILL "$(backd_pid)"
  in_domain 0 xenstore-rm backend/vif/2 || return 1
  check interface-is-kept in_netns 0 ip link show vif2.0
  kill -CONT "$keeper"
  check said host_wait backd "vif2.0: went while no daemon ran; so does its interface"
  check interface-is-gone not in_netns 0 ip link show vif2.0
  check the-other-one-goes-on pings 1 50
  host_stop backd
  check ends same $? 0
  check no-folder-left [ ! -e "$folder" ]
}
