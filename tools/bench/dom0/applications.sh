# shellcheck shell=bash disable=SC2154
# Of the script that reads this: guest, pair, traffic_seconds, windows.
# How the rows of applications are measured, by one program in the guest (area_programs) and what answers it in Dom0. The program
# that measures tells the emulator's counter its window. measure_application ROW FOLDER writes FOLDER/ROW.json as rows.sh does,
# without counters: what crossed is what the program counted.

declare -A guest_role=([tx]=send [rx]=receive [ping]=ping) dom0_role=([tx]=receive [rx]=send [ping]=echo)
declare -A port_of=([tx]=sink [rx]=source [ping]=echo) # what takes the place of dom0_role's program in hush-backd

# run_in_guest COMMAND...: until end_in_guest. What it says is in app.out; its stdin ends with app.hold. A shell stays above it, as
# the bench's programs die with who started them.
run_in_guest() {
  guest_exec "$guest" "rm -f /tmp/app.*; mkfifo /tmp/app.in; sleep 10000 >/tmp/app.in & echo \$! >/tmp/app.hold
    { $* </tmp/app.in >/tmp/app.out 2>/tmp/app.err & echo \$! >/tmp/app.pid; wait \$!; echo \$? >/tmp/app.status; } &"
}
# in_guest_until PATTERN: its output has that, or it ended.
in_guest_until() {
  GUEST_EXEC_TIMEOUT=1200 guest_exec "$guest" "until grep -q $1 /tmp/app.out || [ -e /tmp/app.status ]; do sleep 1; done
    grep $1 /tmp/app.out || { cat /tmp/app.err; exit 1; }"
}
end_in_guest() {
  guest_exec "$guest" "kill \$(cat /tmp/app.hold /tmp/app.pid) 2>/dev/null; until [ -e /tmp/app.status ]; do sleep 0.1; done"
}
run_in_dom0() {
  "$@" >"$out" 2>"$LOGS/$pair-dom0.log" &
  answers=$!
}
end_in_dom0() { kill "$answers" 2>/dev/null; wait "$answers" 2>/dev/null; }
said_in_dom0() { grep -q seconds "$out" || ! kill -0 "$answers" 2>/dev/null; }

# Each prints the line of the program that measured.
by_vchan() {
  local way=$1 id path mark_guest=--mark mark_dom0=
  id=$(xl domid "$guest") path=/local/domain/$id/data/vchan
  [ "$way" != tx ] || { mark_guest='' mark_dom0=--mark; }
  # shellcheck disable=SC2086 # one word or none
  run_in_guest hush-vchan "${guest_role[$way]}" --path "$path" --serve 0 $plan $mark_guest &&
    wait_node 60 "$path/event-channel" '?*' || return
  # shellcheck disable=SC2086 # a list of words
  run_in_dom0 hush-vchan "${dom0_role[$way]}" --path "$path" --join "$id" $plan $mark_dom0
  if [ "$way" = tx ]; then wait_for 1200 "hush-vchan in Dom0" said_in_dom0; cat "$out"; else in_guest_until seconds; fi
  end_in_guest
  end_in_dom0
  xenstore-rm "$path"
}
by_bell() {
  local id path
  id=$(xl domid "$guest") path=/local/domain/$id/data/bell
  # shellcheck disable=SC2086 # a list of words
  run_in_guest hush-bell ping --path data/bell --serve 0 $plan --mark && wait_node 60 "$path" '?*' || return
  # shellcheck disable=SC2086 # a list of words
  run_in_dom0 hush-bell pong --port "$(xenstore-read "$path")" --join "$id" $plan
  in_guest_until seconds
  end_in_guest
  end_in_dom0
  xenstore-rm "$path"
}
by_unkept() { by_library "$@"; }
by_library() {
  local way=$1 vif line
  vif=vif$(xl domid "$guest").0
  { hushctl set port "${port_of[$way]}" --default && hushctl set port-frame "$size" --default &&
    hushctl set port-batch "$burst" --default; } >/dev/null || return
  xl network-attach "$guest" "mac=$(guest_mac "$guest")" bridge=xenbr0 || return
  # shellcheck disable=SC2086 # a list of words
  run_in_guest hush-xen-area "${guest_role[$way]}" --wait $plan --mark || return
  line=$(in_guest_until seconds) || { echo "$line" >&2; return 1; }
  if [ "$way" = tx ]; then
    guest_exec "$guest" "kill \$(cat /tmp/app.pid)" && line=$(in_guest_until sum) || return
    [ "$(jq .sum <<<"$line")" = "$(hushctl show --json "$vif" | jq '.queues[0].port_sum')" ] ||
      { echo "what the sink has read is not what was sent: $line" >&2; return 1; }
  fi
  [ "$way" != ping ] || hushctl show --json "$vif" >"$folder/$row.show"
  end_in_guest
  xl network-detach "$guest" 0 && wait_for 60 "the vif to go" vif_gone "$vif" || return
  echo "$line"
}

measure_application() {
  local row=$1 folder=$2 size=64 burst=32 number=$windows out plan line
  case $row in
    app64k_*) size=65536 burst=1 ;;
    app_ping) burst=1 ;;
  esac
  out=$(mktemp)
  plan="--cpu 0 --size $size --burst $burst --warm-up 0.2 --seconds $traffic_seconds"
  line=$("by_$pair" "${row##*_}" | tail -n 1)
  rm "$out"
  jq -e '(.wrong // 0) == 0 and .seconds > 0' >/dev/null <<<"$line" || { echo "no figure: $line"; return 1; }
  windows=$((windows + 1))
  jq --argjson number "$number" '{traffic: (. + {frames_per_second: (.frames / .seconds), microseconds: ((.p50 // 0) / 1000)}),
    window: {nanoseconds: (.seconds * 1e9), files: {"program/packets": .frames, "program/bytes": .bytes}}, $number}' \
    <<<"$line" >"$folder/$row.json"
}
