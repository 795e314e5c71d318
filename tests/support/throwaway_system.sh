# shellcheck shell=bash
# A copy of this system that is thrown away: what is changed in it lies in memory. For scripts that have namespaces of their
# own (unshare --mount --net --pid --mount-proc --fork --kill-child). Use: . tests/support/throwaway_system.sh

# throwaway_system KERNEL: $system below $folder, with an own /dev, /proc and /run, and of kernels the named one alone, of which
# there is nothing yet but its names. $folder goes with this shell.
throwaway_system() {
  local name
  folder=$(mktemp -d) || return
  trap 'umount -R -l "$folder"; rmdir "$folder"' EXIT
  mount -t tmpfs -o mode=0755 tests "$folder" || return
  system=$folder/system
  mkdir "$folder/changes" "$folder/work" "$system"
  mount -t overlay -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" overlay "$system" || return
  make_dev "$system" && mount -t proc proc "$system/proc" && mount -t tmpfs boot "$system/boot" || return
  mkdir -p "$system/lib/modules" && mount -t tmpfs modules "$system/lib/modules" && mount -t tmpfs run "$system/run" || return
  mkdir "$system/lib/modules/$1"
  printf 'COMPRESS=gzip\nCOMPRESSLEVEL=1\n' >"$system/etc/initramfs-tools/conf.d/quick"
  for name in vmlinuz initrd.img; do touch "$system/boot/$name-$1"; done
}
# make_dev FOLDER: its /dev, with what is asked for there on a Xen guest.
make_dev() {
  mount -t tmpfs dev "$1/dev" && mkdir -p "$1/dev/net" "$1/dev/xen" && touch "$1/dev/xen/xenbus" && mknod -m 666 "$1/dev/null" c 1 3 &&
    mknod -m 666 "$1/dev/urandom" c 1 9 && mknod -m 666 "$1/dev/net/tun" c 10 200 && ln -s /proc/self/fd "$1/dev/fd"
}
in_system() { chroot "$system" "$@"; }
# installed_there PROGRAM-FOLDER: our programs, and then hush-install.
installed_there() { DESTDIR="$system" tools/install install --prefix /usr/local --bin "$1"; }
hush_install() { in_system /usr/local/sbin/hush-install "$@"; }
