# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# The hop inside Dom0: two guests joined by a wire, each on a data thread of its own. Sourced by run.

dropped_but() { # dropped_but VIF REASON: what was dropped for any other reason
  stat_of "$1" "sum(n for d in s['drops'].values() for r, n in d.items() if r != '$2')"
}
between() { pings 1 "$1" 10.7.0.3; }
tcp_between() { # tcp_between MEBIBYTES [-R]: from guest 1 to guest 2, or back
  local size=$1
  shift
  coproc server { in_netns 2 iperf3 -s -1 --forceflush 2>&1; }
  grep -q -m 1 'Server listening' <&"${server[0]}"
  in_netns 1 timeout 60 iperf3 -c 10.7.0.3 -n "${size}M" "$@"
}
on_threads() { # each of the two vifs on its own
  same "$(for vif in vif1.0 vif2.0; do show_of $vif "d['queues'][0]['thread']"; done | sort -u | wc -l)" 2
}

story_wire() {
  local held host_path=auto woken
  host_up 3 --threads 2 || return 1
  held=$(host_holdings)
  store write hushring/default/port wire
  store write hushring/default/wire 7
  host_guest 1 && host_guest 2 || return 1
  check two-threads on_threads
  check ping between 100
  woken=$(stat_of vif1.0 "s['guest_tx']['hops_woken']")
  check sleepers-are-woken [ "$woken" -gt 0 ]
  check tcp tcp_between 256
  check tcp-back tcp_between 256 -R
  check who-is-awake-is-not stat_of vif1.0 "1/(s['guest_tx']['hops_saved'] > 0)"
  check shown same "$(host_hushctl show vif1.0 | grep -cE '^  wire 7: [1-9][0-9]* hops woken, [1-9][0-9]* saved')" 1
  check segments-cross-whole stat_of vif1.0 "1/(s['guest_tx']['bytes'] > 4000*s['guest_tx']['packets'])"
  check no-grant-copy same "$(stat_of vif1.0 "s['guest_tx']['copies'] + s['guest_rx']['copies']")" 0
  check only-unplugged-drops same "$(dropped_but vif1.0 area_unplugged) $(dropped_but vif2.0 area_unplugged)" "0 0"
  host_guest 3 >/dev/null
  check third-end-refused same "$(show_of vif3.0 "d['mode'], d['area_refused']")" "('netif', 'wire 7 has two ends already: give these two vifs a number of their own')"
  # What lies in the hop dies with the daemon; the areas on both sides go on.
  woken=$(times_said frontd-1 serving)$(times_said frontd-2 serving)
  host_signal backd KILL
  host_stop backd
  host_backd --threads 2 || return 1
  check after-a-kill eventually between 20
  check unseen-by-both same "$(times_said frontd-1 serving)$(times_said frontd-2 serving)" "$woken"
  host_signal frontd-2 KILL
  host_stop frontd-2
  check drops-for-a-dead-end eventually drops_more vif2.0 guest_rx area_peer_stalled 0
  host_front 2 && check joins-again between 50
  check detach host_detach 2
  check drops-without-the-other eventually drops_more vif1.0 guest_tx area_unplugged "$(stat_of vif1.0 "s['drops']['guest_tx']['area_unplugged']")"
  check detach-1 host_detach 1
  check detach-3 host_detach 3
  for number in 1 2 3; do host_stop "frontd-$number"; done
  check nothing-left same "$held" "$(host_holdings)"
}
drops_more() { # drops_more VIF DIRECTION REASON BEFORE, once guest 1 has sent something to guest 2
  in_netns 1 ping -q -c 1 -W 0.05 10.7.0.3 >/dev/null
  [ "$(stat_of "$1" "s['drops']['$2']['$3']")" -gt "$4" ]
}
