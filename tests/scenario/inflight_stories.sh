# shellcheck shell=bash
# shellcheck disable=SC2317,SC2154 # called by name; host_* and story come from run
# hush-backd is killed, and the next one goes on where the in-flight files say; or where it cannot, says why. Sourced by run.

inflight_files() { find "$host_run/inflight" -type f | wc -l; }
inflight_of() { stat_of vif1.0 "s['inflight']['$1']"; }
die_and_rise() {
  host_signal backd KILL
  host_stop backd
  host_backd
}
# flood [OPTION...]: TCP out of guest 1 until it is ended; its number is in $flood.
flood() {
  : >"$host_logs/server.log"
  in_netns 0 iperf3 -s -1 --forceflush >"$host_logs/server.log" 2>&1 &
  until_listening || return 1
  ip netns exec "$(host_ns 1)" timeout 600 iperf3 -c 10.7.0.1 -t 600 "$@" >"$host_logs/client.log" 2>&1 &
  flood=$!
}
# flooded BYTES: until guest 1 has sent so much to the hush-backd that serves now.
flooded() {
  until [ "$(stat_of vif1.0 "s['guest_tx']['bytes']")" -gt "$1" ]; do
    kill -0 "$flood" || { echo "the traffic has ended"; return 1; }
  done
}
no_flood() { kill "$flood" && wait "$flood"; }
said() { grep -c -e "$1" "$host_logs/backd.log"; } # how often, by the hush-backd that serves now
saw_nothing() { same "$(grep -c serving "$host_logs/frontd-1.log")" 1; }

# Killed again and again under traffic: each daemon goes on where the file of the one before says.
story_backend_dies_often() {
  local round held flood found=0
  host_up 1 || return 1
  held=$(host_holdings)
  host_guest 1 && flood -P 4 || return 1
  for round in 1 2 3 4 5 6 7 8; do
    flooded 20000000 || return 1
    [ "$round" != 3 ] || : >"$host_run/inflight/vif99.0-q0" # of a vif that went while no daemon ran
    die_and_rise || return 1
    check "file-is-used-$round" host_wait backd "goes on where its in-flight file says"
    found=$((found + $(inflight_of taken)))
  done
  check some-were-in-progress [ "$found" -gt 0 ]
  check none-refused stat_of vif1.0 "1/(s['inflight']['refused'] + s['inflight']['missing'] == 0)"
  check show-says-what-was-found grep -q "went on by its file" <(host_hushctl show vif1.0)
  check files-of-this-vif-alone same "$(inflight_files)" 1
  no_flood
  check ping-after pings 1 50
  check guest-saw-nothing saw_nothing
  check detach host_detach 1
  check no-file-left same "$(inflight_files)" 0
  host_stop frontd-1
  check nothing-left same "$held" "$(host_holdings)"
}

# Killed when its queues served already, and state 4 did not say so yet.
story_backend_dies_connecting() {
  local flood
  host_up 1 || return 1
  host_guest 1 && flood || return 1
  flooded 20000000 || return 1
  host_signal backd KILL
  host_stop backd
  in_domain 0 xenstore-write backend/vif/1/0/state 2
  host_backd || return 1
  check file-is-used host_wait backd "goes on where its in-flight file says"
  check connected eventually same "$(in_domain 0 xenstore-read backend/vif/1/0/state)" 4
  no_flood
  check ping-after pings 1 50
  check guest-saw-nothing saw_nothing
}

# What is wrong with the folder or a file is one line, and the guest is served on.
story_inflight_trouble() {
  host_up 1 || return 1
  host_guest 1 || return 1
  pings 1 20 || return 1
  host_signal backd KILL
  host_stop backd
  printf 'x' | dd of="$host_run/inflight/vif1.0-q0" bs=1 seek=70 conv=notrunc status=none
  host_backd || return 1
  check torn host_wait backd "vif1.0: queue 0: goes on where its ring says: .*/vif1.0-q0 is not used"
  check torn-in-one-line same "$(said "not used")" 1
  check torn-is-counted same "$(inflight_of refused)" 1
  check torn-is-shown grep -q "went on by its ring: file refused: .*vif1.0-q0 is not used" <(host_hushctl show vif1.0)
  check torn-served pings 1 20

  host_signal backd KILL
  host_stop backd
  chmod 644 "$host_run/inflight/vif1.0-q0"
  host_backd || return 1
  check of-any-mode host_wait backd "is not used: its mode is not 0600"
  check of-any-mode-served pings 1 20
  check replaced die_and_rise
  check replaced-is-used host_wait backd "goes on where its in-flight file says"

  host_signal backd KILL
  host_stop backd
  rm -r "$host_run/inflight"
  host_backd || return 1
  check missing host_wait backd "goes on where its ring says: there is no in-flight file"
  check missing-is-counted same "$(inflight_of missing) $(inflight_of refused)" "1 0"
  check missing-served pings 1 20

  host_signal backd KILL
  host_stop backd
  rm -r "$host_run/inflight"
  : >"$host_run/inflight"
  host_backd || return 1
  check no-folder host_wait backd "requests in progress are not kept for a daemon after this one: .*/inflight is no folder"
  check no-folder-served pings 1 20
  check no-folder-in-one-line same "$(said "are not kept")" 1

  host_signal backd KILL
  host_stop backd
  rm "$host_run/inflight" && mkdir -m 700 "$host_run/inflight" &&
    mount -t tmpfs -o size=8k,mode=0700 tmpfs "$host_run/inflight" || return 1
  on_small_disk
  host_stop backd
  umount "$host_run/inflight"
  host_backd || return 1
  check back-to-files host_wait backd "goes on where its ring says: there is no in-flight file"
  check back-to-files-served pings 1 20
  check back-to-files-kept same "$(inflight_files)" 1
  check guest-saw-nothing saw_nothing
  check detach host_detach 1
  check no-file-left same "$(inflight_files)" 0
}
on_small_disk() {
  host_backd || return 1
  check full-disk host_wait backd "queue 0: requests in progress are not kept for a daemon after this one: no room for"
  check full-disk-in-one-line same "$(said "are not kept")" 1
  check full-disk-is-shown grep -q "keeps no requests for a daemon after this one: no room" <(host_hushctl show vif1.0)
  check full-disk-served pings 1 20
  check full-disk-left-empty same "$(inflight_files)" 0
  host_stop backd
  mount -o remount,ro "$host_run/inflight"
  host_backd || return 1
  check read-only host_wait backd "are not kept for a daemon after this one: cannot write to .*/inflight: Read-only file system"
  check read-only-served pings 1 20
}

# storm_of_signals PID COUNT: every signal that can be held back, in turn; those in real time are queued, each of them.
storm_of_signals() {
  python3 - "$1" "$2" <<'PYTHON'
import ctypes, os, signal, sys, time
pid, count = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
never = {signal.SIGKILL, signal.SIGSTOP, signal.SIGQUIT, signal.SIGTERM, signal.SIGINT, signal.SIGABRT, signal.SIGSEGV,
         signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS, signal.SIGCONT,
         signal.SIGUSR2}  # that one asks for an upgrade: upgrade_stories.sh
kinds = [n for n in range(1, 65) if n not in never and n not in (32, 33)]
threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
for i in range(count):
    kind = kinds[i % len(kinds)]
    if kind < 32 and i % 2:  # at one thread, the data thread in its turn
        libc.tgkill(pid, threads[i // 2 % len(threads)], kind)
        continue
    while True:
        try:
            os.kill(pid, kind)
            break
        except BlockingIOError:  # so many are queued that there is no room
            time.sleep(0.001)
        except ProcessLookupError:
            sys.exit("it is gone")
print(count, "signals of", len(kinds), "kinds at", len(threads), "threads")
PYTHON
}
# Whatever left the guest's network code arrived at the TAP: no packet was lost on the way.
nothing_lost() {
  local tries guests ours kernels
  for tries in $(seq 20); do
    guests=$(in_netns 1 cat /sys/class/net/eth0/statistics/tx_packets)
    ours=$(stat_of vif1.0 "s['guest_tx']['packets']")
    kernels=$(in_netns 0 cat /sys/class/net/vif1.0/statistics/rx_packets)
    [ "$guests $ours" = "$ours $kernels" ] && return
  done
  echo "try $tries: the guest's $guests, ours $ours, the kernel's $kernels"
  return 1
}

more_looks_than() { [ "$(said "looking at all of xenstore again")" -gt "$1" ]; }

# A hundred thousand signals under traffic: none ends it, none costs a packet, none leaves an array half updated.
story_signals() {
  local flood looks before storm
  host_up 1 || return 1
  host_guest 1 && flood -P 2 || return 1
  flooded 20000000 || return 1
  before=$(stat_of vif1.0 "s['guest_tx']['bytes']")
  check storm storm_of_signals "$(cat "$host_pids/backd")" "${HUSH_SIGNALS:-100000}"
  check traffic-went-on flooded "$((before + 20000000))"
  looks=$(said "looking at all of xenstore again")
  check looked-again [ "$looks" -gt 0 ]
  check a-flood-of-signals-is-none-of-looks [ "$looks" -lt 1000 ]
  no_flood
  check nothing-lost nothing_lost
  check no-drops same "$(stat_of vif1.0 "sum(s['drops']['guest_tx'].values())")" 0

  flood -P 2 || return 1
  flooded 20000000 || return 1
  storm_of_signals "$(cat "$host_pids/backd")" 10000000 >/dev/null 2>&1 & # as many as there are until it is killed
  storm=$!
  eventually more_looks_than "$looks" || return 1
  die_and_rise || return 1
  wait "$storm"
  check killed-in-a-storm host_wait backd "goes on where its in-flight file says"
  check none-refused stat_of vif1.0 "1/(s['inflight']['refused'] + s['inflight']['missing'] == 0)"
  no_flood
  check ping-after pings 1 50
  check guest-saw-nothing saw_nothing

  # What was written while nobody watched is found; here: nothing was, and all goes on.
  host_signal backd HUP
  check hup host_wait backd "looking at all of xenstore again"
  check hup-costs-nothing pings 1 50

  # xenstored says nothing any more: the stop is an orderly one, and the next daemon goes on.
  kill -STOP "$(cat "$SIMXEN_DIR/store.pid")"
  host_signal backd HUP # it waits for the store from here on
  host_signal backd TERM
  host_end backd
  check stops-though-the-store-is-frozen same $? 0
  check in-good-order same "$(said "held up since")" 0
  kill -CONT "$(cat "$SIMXEN_DIR/store.pid")"
  host_backd || return 1
  check taken-over host_wait backd "goes on where its in-flight file says"
  check ping-at-last pings 1 50
  check guest-saw-nothing-at-all saw_nothing
}
