# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# xenstored dies under vifs that run, and another one is there, which knows nothing. Sourced by run, after upgrade_stories.sh.

new_store() { # it answers when this returns
  local program
  program=$(readlink "/proc/$(cat "$SIMXEN_DIR/store.pid")/exe") || program=/usr/lib/xen-4.17/bin/xenstored
  host_start store 0 env SIMXEN_TOOLSTACK=1 "$program" -N
  eventually store_answers
}
store_answers() { in_domain 0 xenstore-exists / 2>/dev/null; }

# keep_pinging: guest 1 pings until $pinging is ended, and hush-backd knows what is there of its vif.
keep_pinging() {
  pings 1 5 || return 1
  : >"$host_logs/ping.log"
  ip netns exec "$(host_ns 1)" stdbuf -oL ping -i 0.01 -W 20 10.7.0.1 >"$host_logs/ping.log" 2>&1 &
  pinging=$!
  eventually answered 20 && eventually remembered
}
# What is there of the vif is known to hush-backd a moment after it has connected: its log does not say so, an answer after its
# other work does.
remembered() { host_hushctl list | grep -q Connected && host_hushctl list | grep -q Connected; }
fifty_more_answers() { eventually answered $(($(grep -c icmp_seq "$host_logs/ping.log") + 50)); }

story_store_dies() {
  local host_path
  for host_path in netif auto; do store_dies "$host_path" || return 1; done
}
store_dies() {
  local name=$1 pinging
  host_up 1 || return 1
  host_guest 1 || return 1
  keep_pinging || return 1
  kill -KILL "$(cat "$SIMXEN_DIR/store.pid")"
  check "$name-said" host_wait backd "xenstored is gone; all vifs are served on"
  check "$name-hushctl-answers" host_hushctl list
  check "$name-hushctl-shows" host_hushctl show vif1.0
  check "$name-set-says-why" grep -q "xenstored is gone" <(host_hushctl set rate 1000,1000 --vif vif1.0 2>&1)
  check "$name-goes-on-without" fifty_more_answers
  new_store || return 1
  check "$name-said-again" host_wait backd "began anew and empty: 1 vifs are served on, and the nodes of 1 are written again"
  check "$name-state-is-there" eventually same "$(store read backend/vif/1/0/state)" 4
  check "$name-front-end-is-there" same "$(store read /local/domain/1/device/vif/0/state)" 4
  check "$name-it-is-the-guests" same "$(store ls -p /local/domain/1/device/vif/0 | grep -c '^state = "4".*(n1,r0)')" 1
  check "$name-settings-hold" host_hushctl set rate 12500000,50000 --vif vif1.0
  check "$name-they-do" host_wait backd "vif1.0: limited to 12500000 bytes"
  check "$name-goes-on" fifty_more_answers
  store write /local/domain/0/domid 0 || return 1 # as xen-init-dom0 does
  die_and_rise || return 1
  check "$name-the-next-one-finds-it" host_wait backd "taking over a connected vif"
  check "$name-and-serves" fifty_more_answers
  kill -INT "$pinging"
  wait "$pinging"
  check "$name-no-ping-lost" [ "$(unanswered)" -le 1 ] # what the killed one had in hand for the guest
  check "$name-guest-saw-nothing" saw_nothing
}

# xenstored is there and answers nothing: a call that it was asked waits on a thread that is given up.
story_store_freezes() {
  local host_path=auto pinging store round threads
  host_up 2 || return 1
  host_guest 1 || return 1
  keep_pinging || return 1
  threads=$(backd_threads)
  for round in 1 2; do
    store=$(cat "$SIMXEN_DIR/store.pid")
    kill -STOP "$store"
    host_signal backd HUP # it looks at all of xenstore, and waits
    check "round-$round-said" eventually said_often "$round" "xenstored does not answer; all vifs are served on"
    check "round-$round-hushctl-answers" host_hushctl list
    check "round-$round-hushctl-shows" host_hushctl show vif1.0
    check "round-$round-set-says-why" grep -q "xenstored does not answer" <(host_hushctl set rate 1000,1000 --vif vif1.0 2>&1)
    host_signal backd HUP
    check "round-$round-goes-on-without" fifty_more_answers
    check "round-$round-few-threads-are-given-up" [ "$(backd_threads)" -le $((threads + 4)) ]
    kill -CONT "$store"
    check "round-$round-said-again" eventually said_often "$round" "xenstored is back, and knows what it knew"
    check "round-$round-no-thread-stays" eventually same_threads "$threads"
  done
  check "settings-are-taken" host_hushctl set rate 12500000,50000 --vif vif1.0
  check "and-seen" host_wait backd "vif1.0: limited to 12500000 bytes"
  check "a-new-guest-is-served" host_guest 2
  kill -STOP "$store"
  host_signal backd HUP
  eventually said_often 3 "does not answer; all vifs" || return 1
  kill -KILL "$store"
  new_store || return 1
  store write /local/domain/0/domid 0 || return 1 # as xen-init-dom0 does
  check "another-one-is-found" host_wait backd "xenstored began anew and empty"
  check "no-thread-stays-of-a-dead-one" eventually same_threads "$threads"
  kill -STOP "$(cat "$host_pids/store")"
  host_signal backd HUP
  eventually said_often 4 "does not answer; all vifs" || return 1
  host_stop backd
  check "ends-although-frozen" same $? 0
  host_begin_backd
  check "one-that-begins-says-what-it-waits-for" host_wait backd "xenstored does not answer; waiting for it"
  kill -CONT "$(cat "$host_pids/store")"
  check "and-serves-then" host_wait backd ready
  kill -INT "$pinging"
  wait "$pinging"
  check "guest-saw-nothing" saw_nothing
}
# said_often TIMES TEXT: hush-backd has said it that often (`said` is inflight_stories.sh's).
said_often() { [ "$(said "$2")" -ge "$1" ]; }
# All of hush-backd's: a connection has its own and the library's for watches, whose name is that of who began it.
backd_threads() { find /proc/"$(cat "$host_pids/backd")"/task -mindepth 1 -maxdepth 1 | wc -l; }
same_threads() { [ "$(backd_threads)" = "$1" ]; }

# Its own program takes its place (xenstore-control live-update): connections, watches and nodes go over.
story_store_is_updated() {
  local host_path
  for host_path in netif auto; do store_is_updated "$host_path" || return 1; done
}
store_is_updated() {
  local name=$1 pinging round memory
  host_up 2 || return 1
  host_guest 1 || return 1
  keep_pinging || return 1
  for round in 1 2; do
    memory=$(store_memory)
    check "$name-updated-$round" in_domain 0 xenstore-control live-update -t 10 "$(readlink "/proc/$(cat "$SIMXEN_DIR/store.pid")/exe")"
    check "$name-is-another-program-$round" not same "$memory" "$(store_memory)"
    check "$name-goes-on-$round" fifty_more_answers
    check "$name-settings-hold-$round" host_hushctl set rate "1250000$round,50000" --vif vif1.0
    check "$name-watches-do-$round" host_wait backd "vif1.0: limited to 1250000$round bytes"
  done
  check "$name-a-new-guest-is-served" host_guest 2
  check "$name-nothing-is-said-of-it" not grep -q "xenstored" "$host_logs/backd.log"
  check "$name-goes-on-at-last" fifty_more_answers
  kill -INT "$pinging"
  wait "$pinging"
  check "$name-no-ping-lost" same "$(unanswered)" 0
  check "$name-guest-saw-nothing" saw_nothing
}
# Where an exec has put its stack: another place each time.
store_memory() { grep stack "/proc/$(cat "$SIMXEN_DIR/store.pid")/maps"; }
