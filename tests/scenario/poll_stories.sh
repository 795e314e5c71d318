# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# Stories of polling: who is idle costs nothing, modes change live, and who polls is sent no event. Sourced by run, after
# area_stories.sh.

# front_of FILTER: a value out of hush-frontd's report, which it prints on SIGUSR1.
front_of() {
  local log=$host_logs/frontd-1.log before
  before=$(grep -c '^\[{' "$log")
  host_signal frontd-1 USR1
  timeout 30 grep -q -m $((before + 1)) '^\[{' <(exec tail -s 0.05 -n +1 -f "$log") || return 1
  grep '^\[{' "$log" | tail -n 1 |
    python3 -c "import json,sys; f=json.load(sys.stdin)[0]; print(eval(sys.argv[1], {'f': f}))" "$1"
}
front_mode_is() { [ "$(front_of "f['polling']['mode']")" = "$1" ]; }
front_says() { in_domain 1 xenstore-write "device/vif/0/hushring/$1" "$2"; }
mode_words() { show_of vif1.0 "[q[w]['mode_word'] for q in d['queues'] for w in ('guest_tx', 'guest_rx')]"; }
mode_words_are() { [ "$(mode_words)" = "$1" ]; }
both_poll() { # until both ends are in this mode
  host_hushctl set poll-mode "$1" --vif vif1.0 >/dev/null && front_says poll-mode "$1" && eventually front_mode_is "$1"
}

# What the data threads of both ends did so far: times that they slept, and clock ticks that they had a processor.
data_threads() {
  local program task
  for program in backd frontd-1; do
    for task in /proc/"$(cat "$host_pids/$program")"/task/*; do
      [[ $(cat "$task/comm") == hush-data* ]] || continue
      awk '/^voluntary/ { print $2 }' "$task/status"
      # Behind the name, which has no blank: utime, stime.
      awk '{ print $14 + $15 }' "$task/stat"
    done
  done
}
idle_second() { timeout 1 tail -f /dev/null; }
a_second_costs_nothing() {
  local before
  before=$(data_threads)
  idle_second
  same "$before" "$(data_threads)"
}
quiet() { # no program of the guest's or Dom0's sends anything by itself
  local number
  for number in 0 1; do
    in_netns "$number" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return 1
  done
}
# Events that both ends got so far, events that both sent (who polls has its channel masked and would not see them), sleeps of
# both.
events_now() { echo "$(stat_of vif1.0 "s['guest_tx']['events'] + s['guest_rx']['events']") $(front_of "f['events']")"; }
sent_now() {
  echo "$(stat_of vif1.0 "s['guest_tx']['notifies_sent'] + s['guest_rx']['notifies_sent']")" \
    "$(front_of "f['guest_tx']['notifies_sent'] + f['guest_rx']['notifies_sent']")"
}
sleeps_now() { echo "$(stat_of vif1.0 "s['polls']['sleeps']") $(front_of "f['polls']['sleeps']")"; }
polls_now() {
  echo "$(stat_of vif1.0 "s['polls']['found'] + s['polls']['in_vain']") $(front_of "f['polls']['found'] + f['polls']['in_vain']")"
}

story_poll() { # on the area path
  local host_path=auto before
  host_up 1 || return 1
  quiet || return 1
  store write hushring/default/area-max 256 # a switch to another area costs events of its own
  host_guest 1 || return 1
  check path path_is area
  check cost-shown show_of vif1.0 "1/(1000 <= d['polling']['wake_cost_ns'] <= 200000 and d['polling']['mode'] == 'auto')"
  check cost-shown-in-guest front_of "1/(1000 <= f['polling']['wake_cost_ns'] <= 200000 and f['polling']['mode'] == 'auto')"
  polling_of_either_path
  check bad-value-said bad_value_is_said
  check still-one-connection same "$(front_of "f['connects']")" 1
  check detach host_detach 1
}
story_poll_netif() { # the same between the same two on netif.h's rings
  host_up 1 || return 1
  quiet || return 1
  host_guest 1 || return 1
  check path path_is netif
  polling_of_either_path
  check still-one-connection same "$(front_of "f['connects']")" 1
  check detach host_detach 1
}

polling_of_either_path() {
  local before
  check ping pings 1 20
  check idle-costs-nothing eventually a_second_costs_nothing
  [ "$host_path" = netif ] || check mode-words-of-sleepers sleeps_in_show

  check poll-live both_poll poll
  [ "$host_path" = netif ] || check mode-words-of-pollers eventually mode_words_are "[0, 0]"
  check polled-ping pings 1 5
  before="$(events_now) $(sent_now) $(sleeps_now)"
  check polled-tcp-out tcp 1 32
  check polled-tcp-in tcp 1 32 -R
  check who-polls-gets-no-event-and-never-sleeps same "$before" "$(events_now) $(sent_now) $(sleeps_now)"

  check event-live both_poll event
  [ "$host_path" = netif ] || check mode-words-of-sleepers-again eventually sleeps_in_show
  before=$(polls_now)
  check evented-ping pings 1 20
  check evented-tcp tcp 1 32
  check who-waits-for-events-never-polls same "$before" "$(polls_now)"
  check idle-in-mode-event eventually a_second_costs_nothing

  # Auto with a bound that an admin sets: what comes while it lasts needs no event. A flood of pings has a frame at
  # each end every round trip.
  floods 1000 >"$host_logs/event-flood"
  host_hushctl set poll-min 100000 --vif vif1.0 >/dev/null && host_hushctl set poll-max 100000 --vif vif1.0 >/dev/null &&
    front_says poll-min 100000 && front_says poll-max 100000
  check auto-live both_poll auto
  floods 1000 >"$host_logs/auto-flood"
  check auto-needs-few-events few_events
  check polls-found stat_of vif1.0 "1/(s['polls']['found'] > 0)"
  check shown-by-hushctl host_hushctl show vif1.0
  check bounds-shown same "$(host_hushctl show vif1.0 | grep -c 'before a sleep polled: auto, 100000 to 100000 us')" 1
  host_hushctl unset poll-min --vif vif1.0 >/dev/null && host_hushctl unset poll-max --vif vif1.0 >/dev/null
  in_domain 1 xenstore-rm device/vif/0/hushring
  check idle-in-mode-auto eventually a_second_costs_nothing
}
# floods COUNT: so many pings as fast as they are answered; the events that both ends were sent for them.
floods() {
  local before after
  before=$(events_now)
  in_netns 1 ping -q -f -c "$1" 10.7.0.1 >/dev/null
  after=$(events_now)
  echo "$before $after" | awk '{ print $3 + $4 - $1 - $2 }'
}
few_events() {
  local event auto
  event=$(cat "$host_logs/event-flood") auto=$(cat "$host_logs/auto-flood")
  echo "events for 1000 pings: mode event $event, auto $auto"
  [ "$event" -gt 0 ] && [ $((auto * 10)) -lt "$event" ]
}
bad_value_is_said() {
  host_hushctl set poll-mode fast --default 2>/dev/null
  [ $? = 2 ] || return 1
  in_domain 0 xenstore-write hushring/default/poll-mode fast
  host_wait backd "hushring/default/poll-mode is 'fast' and is ignored: write auto, event or poll, or remove it" || return 1
  front_says poll-max soon
  host_wait frontd-1 "device/vif/0/hushring/poll-max is 'soon' and is ignored: write a number of us from 0 to 1000000"
}
