# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154,SC2034 # called by name; host_* and story come from run, which reads host_path
# Stories of workloads: what one vif used is what the next one begins with. Sourced by run.

profiles_file=$host_run/profiles.sqlite
target_is() { store_is "backend/vif/$1/0/hush-area-first" "$2"; }
source_of() { show_of "vif$1.0" "d['first_size']['source']"; }
attach_again() { host_detach "$1" && host_attach "$1"; }

# A vif runs, its daemon ends and comes back, and a second vif of the same workload is advised what the first one used, before
# it has a front end.
story_profile() {
  local host_path=auto host_area_ring=512
  host_up 2 || return 1
  check set-workload host_hushctl set workload web --default
  host_guest 1 || return 1
  check path path_is area
  check nothing-known-at-first target_is 1 "262144 262144"
  check says-so same "$(source_of 1)" "the default: nothing is known of web"
  check workload-shown same "$(show_of vif1.0 "d['workload']")" web
  check show-for-people grep -q "workload web; first areas: guest_tx 256 KiB" <(host_hushctl show vif1.0)
  host_stop backd
  check ends-cleanly same $? 0
  host_backd || return 1
  check kept-over-the-restart json "a['recent']['guest_tx'] == a['recent']['guest_rx'] == 524288 and a['seen'][0]['vif'] == 'vif1.0'" \
    host_hushctl profile show -j web
  host_attach 2 || return 1
  check learned-from-the-first-moment target_is 2 "524288 524288"
  check from-the-profile grep -q '^the profile of web: 90th percentile of ' <(source_of 2)
  check serves host_front 2
  check ping pings 2 20

  check set host_hushctl profile set web tx=1024 rx=64 queues=1
  attach_again 2 || return 1
  check pinned target_is 2 "1048576 65536"
  check pinned-source same "$(source_of 2)" "the profile of web: pinned"
  check pinned-queues store_is backend/vif/2/0/multi-queue-max-queues 1
  check list json "[(p['workload'], p['pinned']['guest_tx']) for p in a] == [('web', 1048576)]" host_hushctl profile list -j
  check list-for-people grep -q '^web  *1024  *64  *1  *pinned ' <(host_hushctl profile list)
  host_backend_killed || return 1
  check pin-survives-a-kill json "a['pinned']['guest_rx'] == 65536" host_hushctl profile show -j web
  # Of the guest that has the address, stronger than the default.
  check set-no-workload host_hushctl set workload "" --mac "$(host_mac 2)"
  check set-area-limit host_hushctl set area-limit 512 --mac "$(host_mac 2)"
  host_stop frontd-2
  attach_again 2 || return 1
  check none-by-an-empty-one same "$(show_of vif2.0 "d['workload']") $(source_of 2)" \
    " the default: the vif has no workload; cut to what is allowed"
  check area-limit-cuts target_is 2 "131072 262144"

  host_stop frontd-1
  host_detach 1 || return 1
  check forget host_hushctl profile forget web
  check forgotten refused 3 host_hushctl profile show web
  host_attach 1 || return 1
  check default-again target_is 1 "262144 262144"

  check bad-size refused 2 host_hushctl profile set web tx=500 rx=64
  check too-large refused 2 host_hushctl profile set web tx=65536 rx=64
  check negative refused 2 host_hushctl profile set web tx=-64 rx=64
  check half refused 2 host_hushctl profile set web tx=64
  check twice refused 2 host_hushctl profile set web tx=64 tx=64 rx=64
  check bad-queues refused 2 host_hushctl profile set web tx=64 rx=64 queues=9
  check no-such-word refused 2 host_hushctl profile set web tx=64 rx=64 colour=red
  check bad-tag refused 2 host_hushctl profile set "two words" tx=64 rx=64
  check nothing-to-forget refused 3 host_hushctl profile forget web
  check no-command same "$(status_of host_hushctl profile)" 2
  check none-of-it-was-taken json "a == []" host_hushctl profile list -j
}
host_backend_killed() {
  host_signal backd KILL
  host_stop backd
  host_backd
}

# Whatever is wrong with the file: guests are served, it is said once, doctor says it, and the file stays as it was.
story_profile_trouble() {
  local host_path=auto before locker
  host_up 1 || return 1
  check doctor-finds-it-well profiles_are ok
  host_stop backd
  echo "not a database" >"$profiles_file"
  before=$(sha256sum "$profiles_file")
  host_backd || return 1
  check set-workload host_hushctl set workload web --default
  host_guest 1 || return 1
  check serves-all-the-same pings 1 20
  check learns-in-memory json "a['recent']['guest_tx'] == 262144" host_hushctl profile show -j web
  check said-once same "$(grep -c "left as it is" "$host_logs/backd.log")" 1
  check doctor-says-it profiles_are wrong
  check list-says-it grep -q "left as it is" <(host_hushctl profile list)
  check set-is-refused refused 1 host_hushctl profile set web tx=64 rx=64
  check left-alone same "$(sha256sum "$profiles_file")" "$before"
  mv "$profiles_file" "$profiles_file.damaged"
  check set-begins-a-new-one host_hushctl profile set mail tx=64 rx=64
  check what-was-learned-is-in-it eventually learned_in_file web
  check doctor-is-content profiles_are ok

  coproc locker { python3 -c 'import sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()' "$profiles_file"; }
  read -r -t 60 _ <&"${locker[0]}" || return 1
  check locked-is-said refused 1 host_hushctl profile set web tx=64 rx=64
  check doctor-says-that-too profiles_are wrong
  check serves-while-locked pings 1 20
  echo >&"${locker[1]}"
  check free-again eventually host_hushctl profile set web tx=64 rx=64
  check detach host_detach 1
}
profiles_are() { # ok or wrong, by doctor
  json "[c['ok'] for c in a['checks'] if c['name'] == 'profiles'] == [$([ "$1" = ok ] && echo True || echo False)]" host_hushctl -j doctor
}
learned_in_file() { [ "$(python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM peak WHERE workload = ?", sys.argv[2:]).fetchone()[0])' "$profiles_file" "$1")" -gt 0 ]; }
