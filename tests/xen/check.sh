# shellcheck shell=bash
# What the tests here share: PASS and FAIL lines, and what a vif must not leave behind. Use: . ./check.sh
# shellcheck source=/dev/null
. /usr/lib/hushring/xenhost.sh

test_name=$(basename "$0")
passed=0
failed=0

exec 4>&1 # shown at once, also from within a check
note() { echo "---- $(cut -d. -f1 /proc/uptime) s  $test_name: $*" >&4; }
# With the seconds since the line before.
pass() {
  passed=$((passed + 1))
  echo "PASS $test_name: $* ($((SECONDS - said_at)) s)"
  said_at=$SECONDS
}
said_at=0

# The emulated processor now and then kills a PVH guest (xenhost.sh, guest_ready). What fails after such a death says
# nothing: the test is given up, to be run again (in_one_boot).
triple_faults() { xl dmesg | grep -c 'Triple fault'; }
faults_before=$(triple_faults)
lost=75
fail() {
  failed=$((failed + 1))
  if [ "$(triple_faults)" -gt "$faults_before" ]; then
    echo "LOST $test_name: $*: the emulated processor killed a guest: $(xl dmesg | grep 'Triple fault' | tail -n 1)"
    clear_up >/dev/null 2>&1
    exit $lost
  fi
  echo "FAIL $test_name: $*"
}

# check WHAT COMMAND...: the command's own output is shown only where it fails. The command runs in this very shell (no
# substitution), so that what it starts remains ours to wait for.
check() {
  local what=$1 output
  shift
  output=$(mktemp)
  if "$@" >"$output" 2>&1; then
    pass "$what"
  else
    fail "$what"
    tail -n 20 "$output"
    false
  fi
}

# need WHAT COMMAND...: as check, for what all the rest stands on.
need() { check "$@" || finish; }

# Nothing of a test that gave up half-way stays for the next one of the same boot. The xl that minds a guest goes first: it
# makes a successor for one that was just killed, of the same name and after the list was read.
clear_up() {
  local id
  if [ -n "${backd:-}" ] && backd_alive 2>/dev/null; then kill_backd; fi
  pkill -f '(^|/)xl create '
  xl list | awk 'NR > 2 { print $2 }' | while read -r id; do xl destroy "$id"; done
}

finish() {
  [ "$failed" = 0 ] || clear_up >/dev/null 2>&1
  echo "$test_name: $passed passed, $failed failed"
  jq -n --arg test "$test_name" --argjson passed "$passed" --argjson failed "$failed" '$ARGS.named' \
    >"$RESULTS/$test_name.json"
  [ "$failed" = 0 ]
  exit
}

# ---- leftovers. Each function lists them, one a line, for a guest (by its domid) or for all guests.

vif_nodes() {
  local path
  for path in /local/domain/0/backend/vif "/local/domain/${1:-none}/device/vif" "/libxl/${1:-none}/device/vif"; do
    xenstore-ls -f "$path" 2>/dev/null | grep /frontend
  done
}

taps() { find /sys/class/net -name "vif${1:-}*" -printf '%f\n'; }

# Dom0's event channels to a guest.
ports() { lsevtchn 0 | grep -E "Remote Domain ${1:-[1-9][0-9]*}\b"; }

# What Dom0 has mapped of a guest's grants, as the hypervisor itself prints it; "dN" alone is a domain that should be gone.
grants() {
  xl debug-keys g
  xl dmesg | awk -v wanted="d${1:-}" '
    /gnttab_usage_print_all \[/ { text = "" }
    /grant-table for remote/ { domain = $5; if (domain != "d0" && wanted == "d") text = text domain "\n" }
    /\[0x[0-9a-f]+\]/ { if (domain != "d0" && (wanted == "d" || wanted == domain)) text = text domain " " $0 "\n" }
    END { printf "%s", text }'
}

all_gone() { [ -z "$(vif_nodes)$(taps)$(ports)$(grants)" ]; }

nothing_left() {
  wait_for 30 "leftovers to go" all_gone && return
  vif_nodes; taps; ports; grants
  return 1
}

no_kernel_netback() { ! [ -e /sys/bus/xen-backend/drivers/vif ]; }

# ---- traffic

# pings NAME: both ways, none lost.
pings() {
  local to from
  to=$(ping -q -c 50 -i 0.02 -W 20 "$(guest_ip "$1")")
  from=$(guest_exec "$1" "ping -q -c 10 -i 0.1 -W 20 10.7.0.1")
  echo "$to"
  echo "$from"
  grep -q ' 0% packet loss' <<<"$to" && grep -q ' 0% packet loss' <<<"$from"
}

listening="grep -q ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6" # iperf3's port, 5201, in state LISTEN

# tcp_to NAME and tcp_from NAME: some seconds of TCP; the figure goes to $RESULTS, its size says only that it works.
tcp_to() {
  guest_exec "$1" "iperf3 -s -1 -D; until $listening; do sleep 0.1; done" || return
  timeout 120 iperf3 -J -t 3 -c "$(guest_ip "$1")" >"$RESULTS/$test_name-$1-tcp_to.json" || return
  moved "$RESULTS/$test_name-$1-tcp_to.json"
}

tcp_from() {
  local server result
  iperf3 -s -1 >/dev/null &
  server=$!
  wait_for 20 "iperf3's port" eval "$listening"
  guest_exec "$1" "timeout 120 iperf3 -J -t 3 -c 10.7.0.1" >"$RESULTS/$test_name-$1-tcp_from.json" &&
    moved "$RESULTS/$test_name-$1-tcp_from.json"
  result=$?
  kill "$server" 2>/dev/null
  wait "$server" 2>/dev/null
  return "$result"
}

moved() {
  jq -r '"\(.end.sum_received.bytes) bytes, \(.end.sum_received.bits_per_second / 1e6) Mbit/s"' "$1"
  [ "$(jq '.end.sum_received.bytes > 65536' "$1")" = true ]
}

# ---- our back end, as a background process of the test

start_backd() {
  backd_log=$LOGS/$test_name-backd.log
  hush-backd "$@" >"$backd_log" 2>&1 </dev/null &
  backd=$!
  wait_for 60 "hush-backd to say ready" grep -q ready "$backd_log" || { cat "$backd_log"; return 1; }
}

backd_alive() { kill -0 "$backd"; }
backd_ended() { ! backd_alive; }

kill_backd() {
  kill -KILL "$backd"
  wait "$backd" 2>/dev/null
}

stop_backd() {
  local status
  kill -TERM "$backd" || return
  wait_for 30 "hush-backd to end" backd_ended || { kill -KILL "$backd"; return 1; }
  wait "$backd"
  status=$?
  tail -n 3 "$backd_log"
  [ "$status" = 0 ]
}

# served FILTER NAME: what hush-backd counted of the guest's vif, e.g. served .guest_tx.packets g1.
served() { hushctl stats --json "vif$(xl domid "$2").0" | jq ".[0] | $1"; }

# frontd_connects NAME: how often the guest's hush-frontd, whose log is /tmp/frontd.log there, has come to serve.
frontd_connects() { guest_exec "$1" "grep -c ': serving' /tmp/frontd.log"; }
