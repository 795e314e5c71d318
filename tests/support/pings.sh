# shellcheck shell=bash
# Needs tools/simxen/host.sh.
# pings N COUNT [PING-ARGUMENT...]: guest N's first COUNT, to Dom0 where nothing else is said, are answered, once and in order. With -c,
# ping itself waits for the last two round trips only.
# The shell reads each answer as it comes: awk may be mawk, which waits until a pipe has 4096 bytes for it.
pings() {
  local line last=0 wrong='' pinger number=$1 count=$2
  shift 2
  [ $# -gt 0 ] || set -- 10.7.0.1
  while [ "$last" != "$count" ] && [ -z "$wrong" ] && read -r line; do
    [[ $line =~ bytes\ from\ .*\ icmp_seq=([0-9]+) ]] || continue # and not "Destination Host Unreachable"
    last=$((last + 1))
    [ "${BASH_REMATCH[1]}" = "$last" ] || wrong="answer $last is that of ping ${BASH_REMATCH[1]}"
  done < <(exec ip netns exec "$(host_ns "$number")" timeout 30 stdbuf -oL ping -n -i 0.02 "$@")
  pinger=$!
  kill "$pinger" 2>/dev/null
  wait "$pinger"
  [ "$last" = "$count" ] && [ -z "$wrong" ] && return
  echo "$last answers of $count; $wrong"
  return 1
}
