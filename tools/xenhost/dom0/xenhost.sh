# shellcheck shell=bash
# For scripts in Dom0: guests, commands in them, waiting. Use: . /usr/lib/hushring/xenhost.sh
# Each function says on stderr what failed and returns non-zero; none ends the script.

xenhost_guests=/run/xenhost/guests # NAME/{number,config}
mkdir -p "$xenhost_guests"

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "waited $seconds s in vain: $what" >&2
      return 1
    fi
    sleep 0.2
  done
}

# wait_node SECONDS PATH PATTERN: until the xenstore node's value matches (a glob). Woken by the store's own watch; ends
# early where the node is a domain's and that domain goes.
wait_node() {
  local seconds=$1 path=$2 pattern=$3 value="" result=1 events watcher domain=""
  [[ $path =~ ^/local/domain/[0-9]+ ]] && domain=${BASH_REMATCH[0]}
  # The first event comes at once: it is the watch's registration.
  exec {events}< <(exec timeout "$seconds" xenstore-watch "$path" 2>/dev/null)
  watcher=$!
  # Every few seconds without an event too: a domain may go without one.
  while read -r -t 5 -u "$events" _ || [ $? -gt 128 ]; do
    value=$(xenstore-read "$path" 2>/dev/null)
    # shellcheck disable=SC2053 # a pattern is what is wanted
    [[ $value == $pattern ]] && result=0 && break
    [ -z "$domain" ] || xenstore-exists "$domain" || break
  done
  exec {events}<&-
  kill "$watcher" 2>/dev/null
  [ $result = 0 ] || echo "waited up to $seconds s in vain for $path to be '$pattern'; it is '$value'" >&2
  return $result
}

# start_guest NAME [pv|pvh] [netfront|hushfront] [CONFIG-LINE...]: created by stock xl, up when this returns.
# A CONFIG-LINE such as 'memory=512' or "vif=['...']" replaces what is written here; "vif=[]" makes a guest without.
# With hushfront no kernel front end is loaded: /dev/xen/* is there for a program.
start_guest() {
  local name=$1 kind=${2:-pv} front=${3:-netfront} folder=$xenhost_guests/$1 line
  shift $(($# < 3 ? $# : 3))
  declare -A config=(
    [name]="\"$name\"" [type]="\"$kind\"" [kernel]='"/boot/vmlinuz"' [ramdisk]='"/boot/guest.cpio"'
    [memory]=256 [vcpus]=1 [on_crash]='"destroy"' [on_reboot]='"restart"' [on_poweroff]='"destroy"'
    [vif]="['bridge=xenbr0,mac=$(guest_mac "$name")']"
    [extra]="\"console=hvc0 loglevel=4 panic=1 hush.front=$front hush.ip=$(guest_ip "$name")/24\""
  )
  # Emulated rdtscp does not work under this qemu (README.md); a native counter needs none.
  [ "$kind" = pvh ] && config[tsc_mode]='"native"'
  for line in "$@"; do config[${line%%=*}]=${line#*=}; done
  for line in "${!config[@]}"; do echo "$line=${config[$line]}"; done >"$folder/config"
  if ! xl create "$folder/config" >"$folder/xl.log" 2>&1; then
    echo "xl create of guest $name failed:" >&2
    cat "$folder/xl.log" >&2
    return 1
  fi
  guest_ready "$name"
}

# guest_ready NAME: until the guest's agent answers (also after a reboot, which makes a new domain of the same name). The
# emulated processor now and then lets a PVH guest triple-fault while it boots (QEMU's SVM: it runs at an address of the
# hypervisor's); xl takes that for a reboot, and its successor is waited for, twice at most.
guest_ready() {
  local id tries
  for tries in 1 2 3; do
    wait_for 120 "the domain $1" xl domid "$1" || return
    id=$(xl domid "$1")
    wait_node "${GUEST_BOOT_TIMEOUT:-240}" "/local/domain/$id/data/agent" ready && return
    if xenstore-exists "/local/domain/$id"; then break; fi
    echo "guest $1: domain $id went while it booted (try $tries)" >&2
  done
  echo "guest $1 did not come up; its console ends with:" >&2
  tail -n 15 "/var/log/xen/console/guest-$1.log" >&2
  return 1
}

# reboot_guest NAME: by xl reboot; up again, as a new domain, when this returns.
reboot_guest() {
  local name=$1 old
  old=$(xl domid "$name") || return
  xl reboot "$name" || return
  wait_for 180 "the new domain of $name" is_another "$name" "$old" && guest_ready "$name"
}
is_another() {
  local now
  now=$(xl domid "$1") && [ "$now" != "$2" ]
}

# Who asks for a guest's number, MAC or address first gives it one.
guest_number() {
  local folder=$xenhost_guests/$1
  if [ ! -e "$folder/number" ]; then
    mkdir -p "$folder"
    find "$xenhost_guests" -mindepth 1 -maxdepth 1 | wc -l >"$folder/number"
  fi
  cat "$folder/number"
}
guest_mac() { printf '00:16:3e:00:00:%02x\n' "$(($(guest_number "$1") + 1))"; }
guest_ip() { echo "10.7.0.$(($(guest_number "$1") + 1))"; }

# guest_exec NAME COMMAND: a shell command (2040 bytes at most) in the guest; its output and status are this function's.
# It goes through xenstore, so it needs no network. GUEST_EXEC_TIMEOUT (seconds, default 180) bounds it. (tools/xenhost/programs)
guest_exec() { hush-exec run "$1" -- "${*:2}"; }

# guest_network NAME: until eth0 is there (again) with its address, and carries. For after a network-attach.
guest_network() {
  guest_exec "$1" "network $(guest_ip "$1")/24"
}

# stop_guest NAME: at once, as a power cut.
stop_guest() {
  xl destroy "$1"
}
