# shellcheck shell=bash disable=SC2317,SC2154 # stories are called by name; the host's variables are host.sh's
# What an admin does with hushctl and with the settings in xenstore. For tests/scenario/run.

# json FILTER COMMAND...: does the JSON that the command prints fulfil a Python expression over `a`?
json() {
  local filter=$1
  shift
  "$@" | python3 -c 'import json, sys; a = json.load(sys.stdin); sys.exit(not eval(sys.argv[1]))' "$filter"
}
status_of() { "$@" >/dev/null 2>&1; echo $?; }
# setting KEY: "value source", as vif1.0 has it now.
setting() {
  host_hushctl show -j vif1.0 |
    python3 -c 'import json, sys; print(*[s["value"] + " " + s["source"] for s in json.load(sys.stdin)["settings"] if s["key"] == sys.argv[1]])' "$1"
}
setting_is() { [ "$(setting "$1")" = "$2" ]; }
store() { in_domain 0 "xenstore-$1" "${@:2}"; } # store read PATH
store_is() { [ "$(store read "$1" 2>/dev/null)" = "$2" ]; }
# One line on stderr, nothing on stdout, and this exit code.
refused() { # refused CODE COMMAND...
  local code=$1 said
  shift
  said=$("$@" 2>&1 >/dev/null)
  [ "$?:$(wc -l <<<"$said")" = "$code:1" ] && [ -n "$said" ]
}

story_settings() {
  local name own=backend/vif/1/0/hushring mac
  host_up 1 || return 1
  host_guest 1 || return 1
  name=$(store read /local/domain/1/name) mac=$(host_mac 1)
  check nothing-set setting_is rate "0,0 built in"
  check set-default host_hushctl set rate 4000000,50000 --default
  check default-holds setting_is rate "4000000,50000 hushring/default/rate"
  check set-domain host_hushctl set rate 5000000,50000 --domain "$name"
  check domain-is-stronger setting_is rate "5000000,50000 hushring/domain/$name/rate"
  check set-mac host_hushctl set rate 6000000,50000 --mac "${mac^^}"
  check mac-is-stronger setting_is rate "6000000,50000 hushring/mac/${mac//:/-}/rate"
  check by-number store write hushring/vif/1/0/rate 7000000,50000
  check number-is-stronger eventually setting_is rate "7000000,50000 hushring/vif/1/0/rate"
  check set-says-before-and-after json \
    "a['vifs'][0]['before']['value'] == '7000000,50000' and a['vifs'][0]['after'] == {'value': '0,0', 'source': '$own/rate'}" \
    host_hushctl set -j rate 0,0 --vif vif1.0
  check own-is-strongest setting_is rate "0,0 $own/rate"
  check unset host_hushctl unset rate --vif vif1.0
  check back-to-number setting_is rate "7000000,50000 hushring/vif/1/0/rate"
  check remove-by-hand store rm hushring/vif
  check back-to-mac eventually setting_is rate "6000000,50000 hushring/mac/${mac//:/-}/rate"
  check unset-mac host_hushctl unset rate --mac "$mac"
  check unset-domain host_hushctl unset rate --domain "$name"
  check unset-default host_hushctl unset rate --default
  check back-to-built-in setting_is rate "0,0 built in"

  check bad-by-hand store write hushring/default/max-queues many
  check bad-is-said host_wait backd "hushring/default/max-queues is 'many' and is ignored"
  check good-by-hand store write hushring/default/rx-stall-timeout 1234
  check good-holds eventually setting_is rx-stall-timeout "1234 hushring/default/rx-stall-timeout"
  check bad-is-said-once same "$(grep -c "'many'" "$host_logs/backd.log")" 1
  check bad-value refused 2 host_hushctl set rate fast --vif vif1.0
  check bad-key refused 2 host_hushctl set colour red --default
  check bad-mac refused 2 host_hushctl set rate 0,0 --mac nonsense
  check no-such-vif refused 3 host_hushctl set rate 0,0 --vif vif9.9
  check no-place same "$(status_of host_hushctl set rate 0,0)" 2

  check log-level json "a['after'] == {'value': 'debug', 'source': 'hushring/log-level'}" host_hushctl log-level -j debug
  check log-level-back json "a['after'] == {'value': 'info', 'source': '--log-level'}" host_hushctl log-level -j --unset
  check bad-log-level refused 2 host_hushctl log-level loud

  check switch-off host_hushctl set offload-checksum 0 --mac "$mac"
  check own-key host_hushctl set max-queues 1 --vif vif1.0
  host_stop frontd-1
  host_detach 1 && host_attach 1 && host_front 1 || return 1
  check own-key-went-with-the-vif same "$(status_of store read $own/max-queues)" 1
  check no-checksums-offered store_is backend/vif/1/0/feature-no-csum-offload 1
  check no-segments-offered store_is backend/vif/1/0/feature-gso-tcpv4 0
  check nor-used json "not any(a['features']['in_use'][f] for f in ('ipv4_csum', 'ipv6_csum', 'gso_tcpv4', 'gso_tcpv6'))" \
    host_hushctl show -j vif1.0
  check ping pings 1 20
  check tcp-out tcp 1 8
  check tcp-in tcp 1 8 -R
}

# Each is answered, show perhaps with "no such vif".
read_all() {
  [[ $(status_of host_hushctl show -j vif1.0) == [03] ]] && host_hushctl stats -j && host_hushctl stalls -j
}

story_hushctl() {
  local rounds=0 readers
  host_up 1 || return 1
  host_guest 1 || return 1
  pings 1 10 || return 1
  check list-as-xl bash -c "[[ \$('$host_bin/hushctl' --run-dir '$host_run' list) == *'Idx'*'Mac Addr.'*'tx-/rx-ring-ref'*'BE-path'*vif1.0*/local/domain/0/backend/vif/1/0* ]]"
  check list-json json "a[0]['mac'] == '$(host_mac 1)' and a[0]['bridge'] == 'xenbr0' and len(a[0]['queues']) == 1 and a[0]['fault'] == ''" \
    host_hushctl list -j
  check show-json json "a['handshake']['frontend'] == 'Connected' and a['queues'][0]['state'] == 'serving' and a['features']['in_use']['sg']" \
    host_hushctl show -j vif1.0
  check show-indexes json "(lambda r: 0 < r['req_cons'] <= r['req_prod'] and r['rsp_prod'] <= r['req_cons'])(a['queues'][0]['guest_tx'])" \
    host_hushctl show -j vif1.0
  check show host_hushctl show vif1.0
  check stats-json json "sum(a[0]['guest_tx']['batch_sizes']) == a[0]['guest_tx']['batches'] > 0 and len(a[0]['ethtool']) == 5" \
    host_hushctl stats -j vif1.0
  check stats-watch json "'packets' in a['rates'][0]['guest_rx']" bash -c \
    "timeout 60 '$host_bin/hushctl' --run-dir '$host_run' stats -j -w 0.1 vif1.0 | head -n 1"
  check stalls json "a == []" host_hushctl stalls -j
  check version json "a['hushctl'] == a['hush-backd']" host_hushctl version -j
  check no-such-vif refused 3 host_hushctl show vif9.9
  check no-such-command same "$(status_of host_hushctl explode)" 2
  check no-daemon refused 3 "$host_bin/hushctl" --run-dir "$host_run/none" stats
  check rude-clients python3 - "$host_run/backd.sock" <<'PYTHON'
import json, socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(sys.argv[1])
    return s
def ask(request):
    s = connect()
    s.sendall(request + b"\n")
    return json.loads(s.makefile().readline())
rude = [connect() for _ in range(100)]
rude[-1].sendall(b'{"command":"li')
endless = connect()
try:
    for _ in range(100): endless.sendall(b"x" * 65536)
    sys.exit("an endless line was read to its end")
except OSError: pass
for odd in (b'{"command":5}', b'{"command":"stats","vif":[1]}', b'{"command":"set","key":{},"value":7,"default":"x"}',
            b'{"command":"capture","vif":null,"file":{}}', b'{}', b'[]', b'\xff', b'{"command":"log-level","value":[]}'):
    answer = ask(odd)
    if "error" not in answer and b"stats" not in odd and b"log" not in odd: sys.exit(f"{odd} was answered {answer}")
if len(ask(b'{"command":"list"}')["vifs"]) != 1: sys.exit("no list afterwards")
PYTHON
  check still-there kill -0 "$(cat "$host_pids/backd")"
  # Readers all the while that vifs come and go: none may harm the daemon, none may see half a vif.
  while read_all; do :; done >/dev/null 2>&1 &
  readers=$!
  while [ $rounds -lt 3 ]; do
    host_stop frontd-1
    if ! { host_detach 1 && host_attach 1 && host_front 1; }; then break; fi
    rounds=$((rounds + 1))
  done
  check teardown-under-readers same "$rounds" 3
  check readers-were-answered kill "$readers"
  check serves-afterwards pings 1 10
}

story_load() { # what a file says, all or, where a line makes no sense, nothing
  local file=$host_run/settings
  host_up 1 || return 1
  host_guest 1 || return 1
  check no-file refused 1 host_hushctl load "$file"
  printf '%s\n' '# all of this host' '' 'set rate 4000000,50000 --default' '  set area-max 1024 --domain dom1' \
    'area-budget 64' 'log-level debug' 'profile set web tx=512 rx=256' >"$file"
  check load host_hushctl load "$file"
  check default-holds setting_is rate "4000000,50000 hushring/default/rate"
  check domain-holds setting_is area-max "1024 hushring/domain/dom1/area-max"
  check budget-holds json "a['budget']['bytes'] == 64 << 20" host_hushctl areas -j
  check level-holds store_is hushring/log-level debug
  check profile-holds json "a['pinned']['guest_tx'] == 512 << 10" host_hushctl profile show -j web
  check again host_hushctl load "$file"
  printf '%s\n' 'set rate 5000000,50000 --default' 'detach vif1.0' >"$file"
  check no-such-command refused 2 host_hushctl load "$file"
  check line-is-named grep -q "$file:2: 'detach vif1.0'" <<<"$(host_hushctl load "$file" 2>&1)"
  printf '%s\n' 'set rate 5000000,50000 --default' 'show vif1.0' >"$file"
  check nothing-to-look-at refused 2 host_hushctl load "$file"
  printf '%s\n' 'set rate 5000000,50000 --default' 'set rate 1,1' >"$file"
  check no-place refused 2 host_hushctl load "$file"
  check nothing-was-done setting_is rate "4000000,50000 hushring/default/rate"
  printf '%s\n' 'set rate 5000000,50000 --default' 'set area-max lots --default' 'set rate 6000000,50000 --default' >"$file"
  check bad-value same "$(host_hushctl load "$file" >/dev/null 2>&1; echo $?)" 2
  check bad-line-is-named grep -q "$file:2: 'set area-max lots --default' (above)" <<<"$(host_hushctl load "$file" 2>&1)"
  check what-is-before-it-is-done setting_is rate "5000000,50000 hushring/default/rate"
}

story_doctor() { # on machines that are made of files; and on this one, with the daemon
  local root=$host_logs/root
  host_up 0 || return 1
  doctor() { host_hushctl --json doctor --root "$root"; }
  wrong() { json "{c['name'] for c in a['checks'] if not c['ok']} == set('$1'.split())" doctor; }
  mkdir -p "$root"/{sys/hypervisor,proc/xen,dev/xen,dev/net,etc/xen/scripts,etc/modprobe.d,run/xenstored} \
    "$root"/sys/class/net/xenbr0/bridge
  echo xen >"$root/sys/hypervisor/type"
  touch "$root"/dev/xen/{gntdev,evtchn,gntalloc,xenbus} "$root/dev/net/tun"
  echo 'install xen-netback /bin/false' >"$root/etc/modprobe.d/hushring.conf"
  install -m 755 /dev/null "$root/etc/xen/scripts/vif-bridge"
  check all-well wrong ""
  check all-well-code same "$(status_of doctor)" 0
  mkdir -p "$root/sys/bus/xen-backend/drivers/vif/vif-1-0"
  check kernel-netback wrong kernel-netback
  check kernel-netback-fix json "any('modprobe -r xen-netback' in c['text'] for c in a['checks'])" doctor
  check exit-code same "$(status_of doctor)" 6
  rm -r "$root/sys/bus" "$root/dev/xen"
  check no-dev-xen wrong "/dev/xen/gntdev /dev/xen/evtchn /dev/xen/gntalloc /dev/xen/xenbus xenstored"
  mkdir "$root/dev/xen"
  touch "$root"/dev/xen/{gntdev,evtchn,gntalloc,xenbus}
  rm -r "$root/sys/class/net"
  check no-bridge wrong bridge
  check no-bridge-fix json "any('ip link add xenbr0 type bridge' in c['text'] for c in a['checks'])" doctor
  host_stop backd
  check no-daemon wrong "bridge hush-backd"
}
