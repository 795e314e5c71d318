# shellcheck shell=bash disable=SC2154,SC2317
# Stories of a vif that changes hands between the kernel's front end and hush-frontd. Sourced by run. The kernel's is
# played by fake_netfront: it handshakes and lets go as Linux's does, and its interface carries nothing.

host_sysfs() { echo "$host_run/sys"; }
kernel_up() { # a vif that the kernel drives, with an address, a route and a length of its own
  host_attach 1 || return 1
  host_start kernel 1 tests/scenario/fake_netfront "$(host_sysfs)" "$(host_mac 1)" "$host_bin/hush-odd-front"
  host_wait kernel '^drives it' || return 1
  eventually states_are "4 4" || return 1
  in_guest link set eth0 mtu 1400 up && in_guest addr add 10.7.0.2/24 dev eth0 && in_guest addr add fd07::2/64 dev eth0 nodad &&
    in_guest route add default via 10.7.0.1 metric 70
}
in_guest() { ip -n "$(host_ns 1)" "$@"; }
states() { in_domain 0 sh -c 'xenstore-read /local/domain/1/device/vif/0/state backend/vif/1/0/state' | tr '\n' ' '; }
states_are() { [ "$(states)" = "$1 " ]; }
# What the guest's interface has, whatever it is.
belongings() { { in_guest -br addr show "${1:-eth0}" | tr -s ' ' | cut -d' ' -f3-; in_guest route show default; } | sed 's/fe80[^ ]*//; s/linkdown//; s/ *$//'; }
kind_of() { in_guest -d -o link show "$1" | grep -o -E ' (bridge|tun) ' | tr -d ' '; }
taker() { # taker [OPTION...]: hush-frontd, which takes the vif over; it serves when this returns
  host_start frontd-1 1 "$host_bin/hush-frontd" --path netif --queues 1 --sysfs "$(host_sysfs)" --take-over "$@"
  host_wait frontd-1 serving
}

story_take_over() { # with all that its interface had, and back on SIGTERM
  local had
  host_up 1 || return 1
  kernel_up || return 1
  had=$(belongings)
  check refuses-without-being-told gives_up "say --take-over" --sysfs "$(host_sysfs)"
  taker --give-back || return 1
  check addresses-and-routes-moved same "$had" "$(belongings)"
  check is-a-tap same "$(kind_of eth0)" tun
  check mac-and-length same "$(in_netns 1 cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu | tr '\n' ' ')" "$(host_mac 1) 1400 "
  check ping pings 1 50
  in_guest addr add 10.7.0.99/24 dev eth0
  had=$(belongings)
  host_stop frontd-1
  check ends-cleanly same $? 0
  check kernel-drives-again eventually states_are "4 4"
  check is-the-kernels same "$(kind_of eth0)" bridge
  check addresses-and-routes-came-back same "$had" "$(belongings)"
  taker --tap hush0 || return 1
  check under-another-name same "${had//eth0/hush0}" "$(belongings hush0)"
  check ping-under-another-name pings 1 50
  host_stop frontd-1
  check is-not-given-back same "$(states)" "6 6 "
}
# gives_up PATTERN OPTION...: hush-frontd ends with status 1 and one line like it.
gives_up() {
  local said pattern=$1
  shift
  said=$(in_domain 1 "$host_bin/hush-frontd" --path netif --log-level warn "$@" 2>&1)
  if [ "$? $(wc -l <<<"$said")" = "1 1" ] && grep -q -e "$pattern" <<<"$said"; then return; fi
  echo "$said"
  return 1
}

story_take_over_fails() { # the back end does not answer: the kernel's driver goes on
  local had
  host_up 1 || return 1
  kernel_up || return 1
  had=$(belongings)
  host_signal backd STOP
  check back-end-hangs gives_up "does not close within 10 s, it is in state Connected; the kernel's driver keeps the vif" \
    --sysfs "$(host_sysfs)" --take-over
  check nothing-has-changed same "$(states)$(belongings)" "4 4 $had"
  host_signal backd CONT
  # It answers once, and then no more.
  cp "$host_pids/backd" "$(host_sysfs)/stop"
  check back-end-does-not-come-back gives_up "does not come back within 10 s, it is in state Closed; the kernel's driver has it again" \
    --sysfs "$(host_sysfs)" --take-over
  check kernels-has-all-of-it same "$(belongings)" "$had"
  rm "$(host_sysfs)/stop"
  host_signal backd CONT
  check kernel-connects eventually states_are "4 4"
  # A TAP cannot have the name of another interface.
  in_guest link add taken type bridge
  check no-tap gives_up "cannot create interface taken" --sysfs "$(host_sysfs)" --take-over --tap taken
  check kernel-connects-again eventually states_are "4 4"
  check kernels-has-it-again same "$(belongings)" "$had"
}

story_take_over_anew() { # a device that comes again is the kernel's first
  host_up 1 || return 1
  kernel_up || return 1
  taker || return 1
  check detach host_detach 1
  check waits host_wait frontd-1 "waiting for the device"
  # The kernel has seen it, and takes it.
  host_attach 1 && echo vif-0 >"$(host_sysfs)/bus/xen/drivers/vif/bind" || return 1
  check serves-again eventually is_serving_twice
  check ping pings 1 50
}
is_serving_twice() { [ "$(grep -c ': serving' "$host_logs/frontd-1.log")" = 2 ]; }

# Of all vifs of the guest, those that come later too.
story_several_vifs() {
  local held name
  host_up 1 || return 1
  ip -n "$(host_ns 0)" addr add 10.7.1.1/24 dev xenbr0
  held=$(host_holdings)
  host_start frontd-1 1 "$host_bin/hush-frontd" --device all --tap lan%d --up --queues 1 --log-level debug || return 1
  host_attach 1 && host_wait frontd-1 'lan0 .*: serving' || return 1
  in_guest addr add 10.7.0.2/24 dev lan0
  host_forwards 1
  check first pings 1 20 -I lan0 10.7.0.1
  host_attach 1 mac=00:16:3e:00:01:01 && host_wait frontd-1 'lan1 .*: serving' || return 1
  in_guest addr add 10.7.1.2/24 dev lan1
  check second pings 1 20 -I lan1 10.7.1.1
  check first-goes-on pings 1 20 -I lan0 10.7.0.1
  check mac same "$(in_netns 1 cat /sys/class/net/lan1/address)" 00:16:3e:00:01:01
  host_signal frontd-1 USR1
  host_wait frontd-1 '"vif":"lan1 ' || return 1
  check detach-first host_detach 1 0
  check second-goes-on pings 1 20 -I lan1 10.7.1.1
  # xl gives it the next number; lan0 and its address stay, as over each detach.
  host_attach 1 && host_wait frontd-1 'lan2 .*: serving' || return 1
  check the-detached-ones-interface-stays in_guest link show lan0
  for name in 1 2; do check "connected-$name" eventually same "$(in_domain 0 xenstore-read "backend/vif/1/$name/state")" 4; done
  host_stop frontd-1
  check ends-cleanly same $? 0
  check closed same "$(in_domain 0 sh -c 'xenstore-read /local/domain/1/device/vif/1/state /local/domain/1/device/vif/2/state' | tr '\n' ' ')" "6 6 "
  check detach-second host_detach 1 1
  check detach-third host_detach 1 2
  check nothing-left same "$held" "$(host_holdings)"
}

story_several_vifs_fail() { # one cannot be driven
  local had
  host_up 1 || return 1
  kernel_up && host_attach 1 mac=00:16:3e:00:01:01 || return 1
  had=$(belongings)
  in_guest link add lan1 type bridge
  check names-need-their-number same "$(in_domain 1 "$host_bin/hush-frontd" --device 0,1 --tap lan 2>&1 | grep -c 'must have %d')" 1
  check named-so-all-or-none gives_up "cannot create interface lan1" --sysfs "$(host_sysfs)" --device 0,1 --tap lan%d --take-over
  check kernel-has-its-one-again eventually states_are "4 4"
  check kernels-has-all-of-it same "$(belongings)" "$had"
  # Of all, those that can be. The kernel's is not asked for.
  in_guest link delete lan1
  mkdir "$(host_sysfs)/bus/xen/devices/vif-1" # the kernel has seen it, and drives another
  host_start frontd-1 1 "$host_bin/hush-frontd" --device all --tap lan%d --up --queues 1 --sysfs "$(host_sysfs)"
  check one-is-refused host_wait frontd-1 'vif-0 is left alone until it is attached anew: .*--take-over'
  check the-other-serves host_wait frontd-1 'lan1 .*: serving'
  check kernels-is-as-it-was same "$(states)" "4 4 "
  # What a killed one has left is not the price of another one's failure.
  host_signal frontd-1 KILL
  host_stop frontd-1
  had=$(in_netns 1 cat /sys/class/net/lan1/ifindex)
  in_guest link add lan2 type bridge
  check again-all-or-none gives_up "cannot create interface lan2" --sysfs "$(host_sysfs)" --device 1,2 --tap lan%d
  check the-interface-of-a-killed-one-stays same "$(in_netns 1 cat /sys/class/net/lan1/ifindex)" "$had"
  host_start frontd-1 1 "$host_bin/hush-frontd" --device 1 --tap lan%d --up --queues 1 --sysfs "$(host_sysfs)"
  check the-next-goes-on host_wait frontd-1 'lan1 .*: serving'
  host_stop frontd-1
  check ends-cleanly same $? 0
  check then-it-goes no_interface lan1
}
