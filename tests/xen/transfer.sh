# shellcheck shell=bash
# Bytes that must arrive as they were sent, and pings that must go on. Use: . ./transfer.sh, after check.sh.

guest_takes=7000 dom0_takes=7001 # TCP ports

# make_data MEBIBYTES: $data is a file of random bytes.
make_data() {
  data=/tmp/data
  head -c "$1M" /dev/urandom >$data
}

checksum_of() { sha256sum | cut -d' ' -f1; }

# sum_up MEBIBYTES: $sum is what that much of $data sums up to, reckoned once a size: a gibibyte takes minutes here.
declare -A sums
sum_up() {
  [ -n "${sums[$1]:-}" ] || sums[$1]=$(piece "$1" | checksum_of)
  sum=${sums[$1]}
}

# listens PORT: a command, for either system, that succeeds when TCP port PORT listens.
listens() { printf "grep -q ':%04X .* 0A ' /proc/net/tcp /proc/net/tcp6" "$1"; }

# begin_taking NAME MEBIBYTES [FILE]: that much of what comes to the guest's port is summed up, and kept in FILE there. It
# does not wait for the sender to close: a program started meanwhile holds its end of the connection too. The taker has the
# socket itself (nc -e): nc passes a KiB at a time on, which costs an emulated guest minutes for 64 MiB.
begin_taking() {
  local take="dd bs=65536 iflag=fullblock count=$(($2 * 16))"
  if [ -n "${3:-}" ]; then take+=" of=$3 && sha256sum <$3"; else take+=" | sha256sum"; fi
  guest_exec "$1" "rm -f /tmp/sum
    echo '{ $take; } >/tmp/sum.part && mv /tmp/sum.part /tmp/sum' >/tmp/take
    nc -l -p $guest_takes -e sh /tmp/take >/dev/null 2>&1 &
    until $(listens $guest_takes); do sleep 0.1; done"
}

# taken NAME: the checksum, once all has come.
taken() {
  GUEST_EXEC_TIMEOUT=660 guest_exec "$1" "n=0
    until [ -e /tmp/sum ]; do n=\$((n + 1)); [ \$n -lt 6000 ] || exit 1; sleep 0.1; done; cut -d' ' -f1 /tmp/sum"
}

# sends_to NAME MEBIBYTES [FILE]: Dom0's $data (as much of it, as often as that takes) to the guest.
sends_to() {
  local sum got
  sum_up "$2"
  begin_taking "$1" "$2" "${3:-}" || return
  piece "$2" >"/dev/tcp/$(guest_ip "$1")/$guest_takes"
  got=$(taken "$1")
  echo "sent $sum, arrived $got"
  [ "$sum" = "$got" ]
}

# sends_from NAME MEBIBYTES: the guest's copy of $data (/tmp/data there) to Dom0.
sends_from() {
  local sum got server give
  sum_up "$2"
  give="$(declare -f piece_of); piece_of /tmp/data $2"
  # As in the guest, what sums up has the socket itself.
  rm -f /tmp/sum
  socat "TCP-LISTEN:$dom0_takes,reuseaddr" "SYSTEM:sha256sum >/tmp/sum,nofork" &
  server=$!
  wait_for 20 "port $dom0_takes" eval "$(listens $dom0_takes)" &&
    GUEST_EXEC_TIMEOUT=3600 guest_exec "$1" "echo '$give' >/tmp/give; nc 10.7.0.1 $dom0_takes -e sh /tmp/give"
  wait "$server"
  got=$(cut -d' ' -f1 /tmp/sum)
  echo "sent $sum, arrived $got"
  [ "$sum" = "$got" ]
}

# begin_sending NAME: the guest sends its copy of $data (/tmp/data there) to Dom0, again and again, until end_sending. Each time is summed up
# by itself as it comes, so that nobody has to say before how much it will be.
begin_sending() {
  local give
  # shellcheck disable=SC2016 # the guest's shell does that
  give='rounds=0
    until [ -e /tmp/enough ]; do cat /tmp/data || exit; rounds=$((rounds + 1)); done
    echo $rounds >/tmp/rounds'
  # Bytes that are lost or come twice shift all that follows. What is short at the end has a line too.
  rm -f /tmp/sums
  socat "TCP-LISTEN:$dom0_takes,reuseaddr" "SYSTEM:split --bytes=$(wc -c <"$data") --filter=sha256sum >/tmp/sums,nofork" &
  taker=$!
  wait_for 20 "port $dom0_takes" eval "$(listens $dom0_takes)" && guest_exec "$1" "rm -f /tmp/enough /tmp/rounds
    echo '$give' >/tmp/give
    nc 10.7.0.1 $dom0_takes -e sh /tmp/give >/dev/null 2>&1 &" && return
  kill "$taker"
  return 1
}
taker_ended() { ! kill -0 "$taker" 2>/dev/null; }

# end_sending NAME: the guest ends with the time that it is at; as many came as it says, and each as it was sent.
end_sending() {
  local want got
  guest_exec "$1" ": >/tmp/enough"
  wait_for 600 "the end of what the guest sends" taker_ended || { kill "$taker"; return 1; }
  want="$(guest_exec "$1" "cat /tmp/rounds") $(checksum_of <"$data")"
  got=$(cut -d' ' -f1 /tmp/sums | uniq -c | awk '{ print $1, $2 }')
  echo "sent $want, arrived $got"
  [ "$want" = "$got" ]
}

# piece_of FILE MEBIBYTES: that much of FILE, again and again from its beginning where it is shorter. Busybox reads it too, and has
# a head that copies single bytes and sends them in small pieces.
piece_of() {
  left=$2
  whole=$(($(wc -c <"$1") / 1048576))
  while [ "$left" -gt "$whole" ]; do
    cat "$1"
    left=$((left - whole))
  done
  dd "if=$1" bs=1048576 "count=$left" 2>/dev/null
}
piece() { piece_of "$data" "$1"; }

# ---- what crosses at once

# whole_segments NAME BYTES FILTER COMMAND...: while the command runs, the TAP carries a segment of more than so many bytes.
whole_segments() {
  local vif log least=$2 filter=$3 watcher result
  vif=vif$(xl domid "$1").0
  log=$LOGS/${test_name:?}-tcpdump.log
  shift 3
  timeout 300 tcpdump -Z root -n -i "$vif" -c 1 "greater $least and tcp and $filter" >"$log" 2>&1 &
  watcher=$!
  wait_for 30 "tcpdump" grep -q "listening on" "$log" && "$@"
  result=$?
  wait "$watcher" || result=$?
  cat "$log"
  return "$result"
}

# many_flows NAME: TCP both ways, of so many flows that each of four queues should have some.
many_flows() {
  guest_exec "$1" "iperf3 -s -1 -D; until ${listening:?}; do sleep 0.1; done" || return
  timeout 120 iperf3 -P 16 -n 64K -c "$(guest_ip "$1")" >/dev/null
  return 0
}

# jumbo NAME: frames of 8900 bytes, both ways.
jumbo() {
  local vif
  vif=vif$(xl domid "$1").0
  ip link set "$vif" mtu 9000 && ip link set xenbr0 mtu 9000 && guest_exec "$1" "ip link set eth0 mtu 9000" || return
  ping -q -c 5 -M 'do' -s 8900 -W 20 "$(guest_ip "$1")" | grep ' 0% packet loss' &&
    guest_exec "$1" "ping -q -c 5 -s 8900 -W 20 10.7.0.1 | grep ' 0% packet loss'"
}

# ---- a TCP connection that lives through what a test does to it

# open_stream NAME, stream_part FIRST COUNT (MiB of $data), close_stream NAME: all of $data must have arrived.
open_stream() { begin_taking "$1" $(($(wc -c <"$data") / 1048576)) && exec {stream}>"/dev/tcp/$(guest_ip "$1")/$guest_takes"; }
stream_part() { tail -c "+$(($1 * 1048576 + 1))" "$data" | head -c "$(($2 * 1048576))" >&"$stream"; }
close_stream() {
  local want got
  exec {stream}>&-
  want=$(checksum_of <"$data")
  got=$(taken "$1")
  echo "sent $want, arrived $got"
  [ "$want" = "$got" ]
}

# begin_pings NAME, pings_go_on: answers come again, now; end_pings.
begin_pings() {
  ping -i 0.2 "$(guest_ip "$1")" >/tmp/pings 2>&1 &
  pinger=$!
}
answers() { grep -c 'bytes from' /tmp/pings; }
pings_go_on() {
  local before
  before=$(answers)
  more_answers() { [ "$(answers)" -ge $((before + 5)) ]; }
  wait_for 90 "five more answers to pings" more_answers
}
end_pings() {
  kill "$pinger"
  wait "$pinger" 2>/dev/null
}
