# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run
# The units as hush-install makes them, under the real systemd: that it keeps the descriptors, starts again who died, follows an upgrade,
# and that what it watches for is said. Sourced by run, after upgrade_stories.sh.

# systemd_up NAME DROP-IN...: systemd, with one unit of what tools/install makes and what is to be otherwise in it here; started.
systemd_up() {
  local unit=$1 units=$host_logs/units
  shift
  tools/install install --prefix "$host_run/installed" --bin "$host_bin" >/dev/null || return 1
  mkdir -p "$units/$unit.d" && cp "$host_run/installed/lib/systemd/system/"*.service "$units/" || return 1
  printf '%s\n' "$@" >"$units/$unit.d/simxen.conf"
  printf '[Unit]\nDescription=%s\n' "$story" >"$units/hush-test.target"
  tests/support/systemd "$units" >"$host_logs/systemd.log" 2>&1 </dev/null &
  echo $! >"$host_pids/systemd"
  eventually systemctl_there is-active hush-test.target >/dev/null 2>&1 || { cat "$host_logs/systemd.log"; return 1; }
  systemctl_there start "$unit"
}
systemd_pid() { pgrep -P "$(pgrep -P "$(cat "$host_pids/systemd")")"; }
systemctl_there() { nsenter -t "$(systemd_pid)" --mount --pid systemctl "$@"; }
property() { systemctl_there show --value -p "$2" "$1"; } # property UNIT NAME

# words_in N PROGRAM...: what ExecStart= is to be, so that the program runs in domain N.
words_in() {
  local host_words
  host_words "$@"
  printf 'WorkingDirectory=%s\nExecStart=\nExecStart=%s\n' "$PWD" "$(realpath "${host_words[0]}") ${host_words[*]:1}"
}

story_systemd() {
  local host_path
  for host_path in netif auto; do under_systemd "$host_path" || return 1; done
}
under_systemd() {
  local name=$1 unit=hush-backd.service held index round main
  host_up 1 || return 1
  held=$(host_holdings)
  store write hushring/default/area-max 256 # what is held is compared: no area may follow its traffic meanwhile
  host_stop backd
  systemd_up "$unit" '[Unit]' ConditionPathExists= '[Service]' ExecStartPre= "Environment=SIMXEN_DIR=$SIMXEN_DIR" \
    "StandardOutput=append:$host_logs/backd.log" "StandardError=append:$host_logs/backd.log" \
    "$(words_in 0 "$host_bin/hush-backd" --run-dir "$host_run")" || { cat "$host_logs/systemd.log"; return 1; }
  check "$name-is-active" same active "$(systemctl_there is-active "$unit")"
  eventually host_hushctl list >/dev/null 2>&1 || return 1
  host_guest 1 || return 1
  index=$(index_of)
  check "$name-it-holds-the-interface" eventually holds_descriptors "$unit" 1

  # 100 a second: what waited over a death is long gone when the next one comes.
  to_guest
  for round in 1 2 3; do
    eventually answered $((round * 200)) || return 1
    main=$(property "$unit" MainPID)
    systemctl_there kill --kill-whom=main --signal=KILL "$unit"
    check "$name-another-after-kill-$round" eventually another_main "$unit" "$main"
  done
  no_more_to_guest 800 || return 1
  check "$name-to-the-guest-one-is-lost-a-kill" [ "$(unanswered)" -le 3 ]
  check "$name-it-started-them" same 3 "$(property "$unit" NRestarts)"
  check "$name-interface-stayed" same "$index bridged" "$(index_of) $(bridged 1.0 && echo bridged)"

  # An upgrade: systemd follows, and holds the interface for the one that came.
  main=$(property "$unit" MainPID)
  check "$name-upgrade" host_hushctl upgrade
  check "$name-it-follows" eventually another_main "$unit" "$main"
  check "$name-still-active" same active "$(systemctl_there is-active "$unit")"
  main=$(property "$unit" MainPID)
  systemctl_there kill --kill-whom=main --signal=KILL "$unit"
  check "$name-another-after-the-upgraded-one" eventually another_main "$unit" "$main"
  check "$name-interface-stayed-again" eventually same "$index" "$(index_of)"

  check "$name-reload" systemctl_there reload "$unit"
  check "$name-restart" systemctl_there restart "$unit"
  eventually host_hushctl list >/dev/null 2>&1
  check "$name-ping-after-a-restart" pings 1 50
  check "$name-guest-saw-nothing" saw_nothing
  check "$name-interface-stayed-over-a-restart" same "$index" "$(index_of)"

  check "$name-stop" systemctl_there stop "$unit"
  check "$name-stopped-well" same "inactive success" "$(property "$unit" ActiveState) $(property "$unit" Result)"
  check "$name-start" systemctl_there start "$unit"
  eventually host_hushctl list >/dev/null 2>&1
  check "$name-ping-after-a-start" pings 1 50
  check "$name-guest-never-saw-a-reconnect" saw_nothing

  check "$name-detach" host_detach 1
  check "$name-it-holds-nothing" eventually holds_descriptors "$unit" 0
  host_stop frontd-1
  check "$name-nothing-left" same "$held" "$(host_holdings)"
  host_stop systemd
  return 0
}

# hush-frontd's unit: ready when it says so, and started again when it died or does not say that it lives.
story_systemd_guest() {
  local unit=hush-frontd@0.service held had
  host_up 1 || return 1
  held=$(host_holdings)
  host_attach 1 || return 1
  systemd_up "$unit" '[Unit]' ConditionVirtualization= '[Service]' ExecStartPre= WatchdogSec=2 LimitCORE=0 "Environment=SIMXEN_DIR=$SIMXEN_DIR" \
    "StandardOutput=append:$host_logs/frontd.log" "StandardError=append:$host_logs/frontd.log" \
    "$(words_in 1 "$host_bin/hush-frontd" --device 0 --tap lan --up)" || { cat "$host_logs/frontd.log" "$host_logs/systemd.log"; return 1; }
  # That it is ready means that the interface is there.
  check ready-with-its-interface in_netns 1 ip addr add 10.7.0.2/24 dev lan
  host_forwards 1 || return 1
  had=$(interface_of_guest)
  check ping pings 1 20
  systemctl_there kill --kill-whom=main --signal=KILL "$unit"
  check another-after-a-kill eventually restarted "$unit" 1
  check ping-after-a-kill pings 1 20
  systemctl_there kill --kill-whom=main --signal=STOP "$unit"
  check another-after-one-that-hung eventually restarted "$unit" 2
  check ping-after-one-that-hung pings 1 20
  check interface-and-address-stayed same "$had" "$(interface_of_guest)"
  check stop systemctl_there stop "$unit"
  check stopped-well same "inactive success" "$(property "$unit" ActiveState) $(property "$unit" Result)"
  check then-it-goes no_interface lan
  check detach host_detach 1
  check nothing-left same "$held" "$(host_holdings)"
  host_stop systemd
  return 0
}
# restarted UNIT TIMES: and it has connected as often.
restarted() { [ "$(property "$1" NRestarts) $(property "$1" ActiveState) $(connects)" = "$2 active $(($2 + 1))" ]; }
holds_descriptors() { [ "$(property "$1" NFileDescriptorStore)" = "$2" ]; }
# Another main process than that, and it serves.
another_main() { [ "$(property "$1" MainPID)" != "$2" ] && [ "$(property "$1" MainPID)" != 0 ] && host_hushctl list 2>/dev/null | grep -q Connected; }
