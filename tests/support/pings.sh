# shellcheck shell=bash
# Needs tools/simxen/host.sh.
# pings N COUNT: guest N's first COUNT are answered, once and in order. With -c, ping itself waits for the last two round trips only.
pings() {
  in_netns "$1" timeout 30 stdbuf -oL ping -i 0.02 10.7.0.1 | awk -v count="$2" '
    /icmp_seq=/ { split($0, at, "icmp_seq="); if (at[2] + 0 != ++last || last == count + 0) exit }
    END { exit at[2] + 0 != last || last < count + 0 }'
}
