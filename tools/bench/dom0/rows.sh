# shellcheck shell=bash disable=SC2154
# Of the script that reads this: guest, guest_address, vif, pair, traffic_seconds.
# How each row is measured. measure_row ROW FOLDER writes FOLDER/ROW.json:
#   {"traffic": what the traffic's own programs printed, "window": of hush-window, "number": the window's number,
#    "before": counters, "after": counters}
# Without counters for pair direct, whose guest has no interface that counts.
# A counters object: "guest" and "dom0", the vif's packets and interrupts there; "hush", hush-backd's own.

bench_port=5300
window_seconds=$(jq -n "$traffic_seconds / 2") || exit
windows=1 # counted as the plugin counts them; number 0 is the boot

# ---- traffic: each prints JSON, and its traffic flows for traffic_seconds. "tx" is from the guest to Dom0.

# iperf3's server is in Dom0, its client in the guest, for both directions.
iperf() {
  local log
  log=$(mktemp)
  iperf3 -s -1 --forceflush >"$log" &
  wait_for 30 "iperf3 to listen" grep -q listening "$log" || return
  guest_exec "$guest" "iperf3 -J -i 0 -t $traffic_seconds -c 10.7.0.1 $*"
  local status=$?
  wait $!
  return $status
}

# hush-udp in the guest, or what speaks for it where there is no IP stack: guest_udp send SIZE SECONDS or guest_udp receive.
guest_udp() {
  local role=$1 to
  shift
  if [ "$pair" = direct ]; then
    to="--mac $(guest_mac "$guest") --to $(cat /sys/class/net/xenbr0/address) --address $guest_address --peer 10.7.0.1 $bench_port"
    guest_exec "$guest" "hush-frame-udp $role $to $* 2>/tmp/app.err || { cat /tmp/app.err; exit 1; }"
  else
    [ "$role" = receive ] || to=10.7.0.1
    guest_exec "$guest" "hush-udp $role ${to:-} $bench_port $*"
  fi
}
udp_tx() {
  local log
  log=$(mktemp)
  hush-udp receive $bench_port >"$log" &
  guest_udp send "$1" "$traffic_seconds" >/dev/null || return
  wait $! && cat "$log"
}

udp_rx() {
  local log
  log=$(mktemp)
  guest_udp receive >"$log" &
  hush-udp send "$guest_address" $bench_port "$1" "$traffic_seconds" >/dev/null || return
  wait $! && cat "$log"
}

# 20 ms apart: below 10 ms ping spins, and a machine that is never idle has shorter round trips.
round_trips() {
  ping -q -c 300 -i 0.02 "$guest_address" |
    sed -n -E 's|^([0-9]+) packets transmitted, ([0-9]+) received.*|{"sent": \1, "received": \2,|p
               s|^rtt min/avg/max/mdev = ([0-9.]+)/([0-9.]+)/.*|"milliseconds": \2}|p'
}

traffic() {
  case $1 in
    tcp_tx) iperf ;;
    tcp_rx) iperf -R ;;
    tcp4_tx) iperf -P 4 ;;
    tcp4_rx) iperf -R -P 4 ;;
    udp64_tx | udp1400_tx | udp64_rx | udp1400_rx) "udp_${1#*_}" "$(tr -dc 0-9 <<<"$1")" ;;
    iperf_udp64_tx) iperf -u -b 0 -l 64 ;;
    iperf_udp64_rx) iperf -u -b 0 -l 64 -R ;;
    ping) round_trips ;;
    *) echo "there is no row $1" >&2; return 2 ;;
  esac
}

# ---- counters

# The sum of the lines of /proc/interrupts that match, over all processors.
sum_interrupts="awk -v wanted=PATTERN '\$0 ~ wanted { for (i = 2; \$i ~ /^[0-9]+\$/; i++) sum += \$i } END { print sum + 0 }' /proc/interrupts"
packets="cat /sys/class/net/DEVICE/statistics/tx_packets /sys/class/net/DEVICE/statistics/rx_packets"

counters() {
  local inside outside hush=null
  inside=$(guest_exec "$guest" "${packets//DEVICE/eth0}; ${sum_interrupts/PATTERN/\"vif0|evtchn:hush-data\"}") || return
  outside=$(bash -c "${packets//DEVICE/$vif}; ${sum_interrupts/PATTERN/\"$vif|evtchn:hush-data\"}") || return
  [ "$(back_of "$pair")" = kernel ] || hush=$(hushctl stats --json "$vif" | jq '.[0]')
  jq -n --argjson inside "[${inside//$'\n'/,}]" --argjson outside "[${outside//$'\n'/,}]" --argjson hush "$hush" '
    def side(numbers): {tx_packets: numbers[0], rx_packets: numbers[1], interrupts: numbers[2]};
    {guest: side($inside), dom0: side($outside), hush: $hush}'
}

# ---- a row

flows() { [ "$(($(cat "$statistics"/?x_packets | paste -sd+)))" -gt "$1" ]; }

measure_row() {
  local row=$1 folder=$2 before after number=$windows statistics=/sys/class/net/$vif/statistics quiet runner
  [ "$pair" = direct ] || before=$(counters) || return
  quiet=$(($(cat "$statistics"/?x_packets | paste -sd+)))
  traffic "$row" >"$folder/$row.traffic" &
  runner=$!
  wait_for 60 "traffic to flow" flows $((quiet + 20)) || return
  hush-window "$window_seconds" "$statistics"/{rx,tx}_{packets,bytes} >"$folder/$row.window" || return
  windows=$((windows + 1))
  wait $runner || return
  [ "$pair" = direct ] || after=$(counters) || return
  jq -n --slurpfile traffic "$folder/$row.traffic" --slurpfile window "$folder/$row.window" --argjson before "${before:-null}" \
    --argjson after "${after:-null}" --argjson number "$number" \
    '{traffic: $traffic[0], window: $window[0], number: $number} + if $before then {before: $before, after: $after} else {} end' >"$folder/$row.json"
  rm "$folder/$row.traffic" "$folder/$row.window"
}
