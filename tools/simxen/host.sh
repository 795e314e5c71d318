# shellcheck shell=bash
# A simulated Xen host in network namespaces, with hush-backd: for tools/demo and the tests that source it.
#
# Set before: host_tag (a short name: two hosts of one name cannot be), host_bin (where the programs are).
# Then: host_up DOMAINS; host_guest N; ...; host_down. Dom0 is the namespace hush-$host_tag-0, guest N is
# hush-$host_tag-N, with the address 10.7.0.(N+1); Dom0 has 10.7.0.1 on the bridge xenbr0.
# host_up clears what an earlier host of the same name left; host_down leaves nothing and is safe to call twice.
# The functions say on stderr what failed, and return non-zero.

: "${host_tag:?}" "${host_bin:?}"
host_tag+=${HUSH_HOST_SUFFIX:-} # so that two checkouts can test at the same time
export SIMXEN_DIR=/run/hushring-sim/$host_tag
host_logs=$SIMXEN_DIR.logs
host_run=$SIMXEN_DIR.run # hush-backd's run directory
host_pids=$SIMXEN_DIR.pids

host_ns() { echo "hush-$host_tag-$1"; }
# Sets host_words to the words that run a command in domain N. Our own programs of a sanitizer build
# (HUSH_INSTRUMENTED=yes) get the library of that build; the unmodified ones cannot.
host_words() { # host_words N COMMAND...
  host_words=("$host_bin/simxen" run --domain "$1" --netns "$(host_ns "$1")")
  if [ "${HUSH_INSTRUMENTED:-no}" = yes ] && [[ $2 == "$host_bin"/* ]]; then host_words+=(--instrumented); fi
  shift
  host_words+=(-- "$@")
}
in_domain() { # in_domain N COMMAND...: in its namespace, with its identity towards Xen; bounded
  local host_words
  host_words "$@"
  timeout 120 "${host_words[@]}"
}
in_netns() { # in_netns N COMMAND...: in its namespace only
  local domain=$1
  shift
  ip netns exec "$(host_ns "$domain")" "$@"
}
host_hushctl() { "$host_bin/hushctl" --run-dir "$host_run" "$@"; }

# host_start NAME DOMAIN COMMAND...: in the background, its output in $host_logs/NAME.log; host_stop ends it.
host_start() {
  local name=$1 host_words
  shift
  host_words "$@"
  : >"$host_logs/$name.log" # before the program starts: host_wait may look first
  # simxen becomes the program (exec), so the number is the program's own.
  "${host_words[@]}" >"$host_logs/$name.log" 2>&1 </dev/null &
  echo $! >"$host_pids/$name"
}

# host_wait NAME PATTERN: until the program's log has a line like it. Fails when the program ends before, or in
# $host_patience (30) seconds.
host_wait() {
  local name=$1 pattern=$2 pid
  pid=$(cat "$host_pids/$name")
  if timeout "${host_patience:-30}" grep -q -m 1 -e "$pattern" <(exec tail -q -s 0.05 --pid="$pid" -n +1 -f "$host_logs/$name.log"); then
    return 0
  fi
  echo "$name never said '$pattern'; its log ends with:" >&2
  tail -n 10 "$host_logs/$name.log" >&2
  return 1
}

# host_signal NAME SIGNAL: to the program itself, not to the shell around it.
host_signal() { kill -s "$2" "$(cat "$host_pids/$1")" 2>/dev/null; }

# host_stop NAME: TERM, and its exit status; KILL after 20 s.
host_stop() {
  local name=$1 pid
  [ -f "$host_pids/$name" ] || return 0
  pid=$(cat "$host_pids/$name")
  rm -f "$host_pids/$name"
  { # the shell's own notices of what was killed are no news
    kill -TERM "$pid"
    host_reap "$pid" 20
  } 2>/dev/null
}

# host_end NAME: until it ends by itself, and its exit status; KILL after 30 s.
host_end() {
  local name=$1 pid
  pid=$(cat "$host_pids/$name")
  rm -f "$host_pids/$name"
  host_reap "$pid" 30 2>/dev/null
}
# host_reap PID SECONDS: until it has ended, and its exit status; KILL after so long.
host_reap() {
  timeout "$2" tail -s 0.05 --pid="$1" -f /dev/null || kill -KILL "$1"
  wait "$1"
}

host_clear() {
  local name
  # Front ends first: one that ends closes its vif, for which it waits three seconds where no back end answers.
  for name in "$host_pids"/frontd-* "$host_pids"/*; do
    [ -e "$name" ] && host_stop "$(basename "$name")"
  done
  if [ -d "$SIMXEN_DIR" ]; then "$host_bin/simxen" down >/dev/null 2>&1; fi
  ip netns list | awk -v p="^hush-$host_tag-[0-9]+$" '$1 ~ p { print $1 }' | while read -r name; do
    ip netns pids "$name" | xargs -r kill -KILL 2>/dev/null
    ip netns del "$name"
  done
  rm -rf "$host_pids" "$host_run"
  return 0
}

# host_up DOMAINS [BACKD-OPTION...]: simxen, the real xenstored (or $host_store), a bridge in Dom0, hush-backd.
host_up() {
  local domains=$1 number
  shift
  host_clear
  rm -rf "$host_logs"
  mkdir -p "$(dirname "$SIMXEN_DIR")" "$host_logs" "$host_pids" "$host_run"
  "$host_bin/simxen" up --store "${host_store:-xenstored}" --domains "$domains" >"$host_logs/simxen.log" 2>&1 || {
    cat "$host_logs/simxen.log" >&2
    return 1
  }
  for number in $(seq 0 "$domains"); do host_netns "$number" || return 1; done
  ip -n "$(host_ns 0)" link add xenbr0 type bridge || return 1
  ip -n "$(host_ns 0)" addr add 10.7.0.1/24 dev xenbr0
  ip -n "$(host_ns 0)" link set xenbr0 up
  host_backd "$@"
}

host_netns() { ip netns add "$(host_ns "$1")" && ip -n "$(host_ns "$1")" link set lo up; }
# host_create N: one more domain.
host_create() { "$host_bin/simxen" create "$1" >>"$host_logs/simxen.log" 2>&1 && host_netns "$1"; }

# host_backd [OPTION...]: hush-backd in Dom0, ready when this returns; with $host_keeper, below hush-keeper.
host_backd() { host_begin_backd "$@" && host_wait backd ready; }
host_begin_backd() { # the same, not waited for
  host_start backd 0 ${host_keeper:+"$host_bin/hush-keeper"} "$host_bin/hush-backd" --run-dir "$host_run" --profiles "$host_run/profiles.sqlite" "$@"
}

host_mac() { printf '00:16:3e:00:00:%02x\n' "$(($1 + 1))"; }
# host_attach N [ARGUMENT...]: a vif for domain N, by the real xl and vif-bridge. Bounded: once in some ten thousand calls xl hangs
# when all is done, in libxenstore's xs_close (a reader that pthread_cancel did not end).
host_attach() {
  local number=$1
  shift
  timeout 120 "$host_bin/simxen" attach --netns "$(host_ns 0)" "$number" "mac=$(host_mac "$number")" bridge=xenbr0 "$@" \
    >>"$host_logs/xl.log" 2>&1 || {
    echo "xl network-attach $number failed:" >&2
    tail -n 5 "$host_logs/xl.log" >&2
    return 1
  }
}
# host_detach N [DEVID]
host_detach() {
  timeout 120 "$host_bin/simxen" detach --netns "$(host_ns 0)" "$1" "${2:-0}" >>"$host_logs/xl.log" 2>&1 || {
    echo "xl network-detach $1 failed:" >&2
    tail -n 5 "$host_logs/xl.log" >&2
    return 1
  }
}

# host_front N: hush-frontd in domain N, which has a vif: connected and with its address when this returns.
# $host_path: the path that it may take (auto or netif); $host_area_ring: KiB of each ring of its areas;
# $host_queues: its queues.
host_front() {
  host_start "frontd-$1" "$1" "$host_bin/hush-frontd" --tap eth0 --up --path "${host_path:-auto}" \
    --area-ring "${host_area_ring:-256}" --queues "${host_queues:-1}"
  host_wait "frontd-$1" serving || return 1
  ip -n "$(host_ns "$1")" addr replace "10.7.0.$(($1 + 1))/24" dev eth0
}

# host_holdings: what all domains hold in Xen's sense, as one line to compare with an earlier one: mapped pages,
# shared pages, ports. The same before and after means that nothing leaked.
host_holdings() {
  "$host_bin/simxen" list --json | python3 -c '
import json, sys
world = json.load(sys.stdin)
print("maps", len(world["maps"]), *("domain%d: shares %d ports %d" % (d["domid"], d["shared_pages"], len(d["ports"]))
                                    for d in world["domains"]), sep="; ")'
}

# host_guest N: both, and the bridge forwards, if it has the vif.
host_guest() { host_attach "$1" && host_front "$1" && host_forwards "$1"; }
# host_forwards N: until the bridge does, which is a moment after the carrier of its port. What a guest asks before is lost,
# and it asks for a MAC once a second.
host_forwards() {
  local end=$((SECONDS + 30)) state
  while state=$(in_netns 0 cat "/sys/class/net/vif$1.0/brport/state" /sys/class/net/xenbr0/operstate 2>/dev/null); do
    [ "$state" != $'3\nup' ] || return 0
    [ "$SECONDS" -lt "$end" ] || { echo "the bridge does not forward to vif$1.0" >&2; return 1; }
  done
  return 0
}

host_down() {
  host_clear
  rm -rf "$host_logs"
  rmdir --ignore-fail-on-non-empty "$(dirname "$SIMXEN_DIR")" 2>/dev/null
}
