# shellcheck shell=bash
# Completion of hushctl for bash.
_hushctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words
  [ "${COMP_WORDS[COMP_CWORD > 1 ? COMP_CWORD - 2 : 0]-}" = profile ] && before="profile $before"
  case $before in
    profile) words="list show set forget" ;;
    "profile show" | "profile set" | "profile forget")
      words=$(hushctl profile list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
    hushctl) words="list show stats stalls areas set unset load log-level area-budget capture capture-stop profile upgrade doctor version --json --help" ;;
    show | stats | stalls | capture | capture-stop | --vif)
      words=$(hushctl list 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
    set | unset)
      words="rate max-queues offload-checksum offload-segmentation scatter-gather multicast-control rx-stall-timeout
        rx-drain-timeout grant-budget workload area-limit area-stall area-min area-max area-tx area-rx area-shrink-after
        area-cooldown poll-mode poll-min poll-max port port-frame port-batch wire" ;;
    log-level) words="trace debug info warn error --unset" ;;
    *) words="--vif --domain --mac --default --json --run-dir --timeout" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _hushctl hushctl
