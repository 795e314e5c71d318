"""The kernel's modules: which are kept in Dom0, and in what order the small systems without modprobe load theirs."""
import shutil
import subprocess

from . import libraries

# Kept in Dom0's image: all of networking and Xen, and the devices that the emulated machine has. The rest (some 350 MB
# of drivers) would only make the image slow to build.
KEPT = ("kernel/net", "kernel/lib", "kernel/crypto", "kernel/arch/x86/crypto", "kernel/fs/ext4", "kernel/fs/jbd2",
        "kernel/fs/mbcache.ko", "kernel/fs/overlayfs", "kernel/drivers/xen", "kernel/drivers/virtio",
        "kernel/drivers/char/virtio_console.ko", "kernel/drivers/block/virtio_blk.ko",
        "kernel/drivers/block/xen-blkback", "kernel/drivers/block/xen-blkfront.ko", "kernel/drivers/block/loop.ko",
        "kernel/drivers/net/xen-netback", "kernel/drivers/net/xen-netfront.ko", "kernel/drivers/net/tun.ko",
        "kernel/drivers/net/tap.ko", "kernel/drivers/net/veth.ko", "kernel/drivers/net/dummy.ko",
        "kernel/drivers/net/ifb.ko", "kernel/drivers/net/macvlan.ko", "kernel/drivers/net/macvtap.ko",
        "kernel/drivers/vhost")
# Loaded by Dom0's initramfs, and by a guest's.
BOOT = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
GUEST = ("xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "tun", "af_packet")
GUEST_NETFRONT = ("xen-netfront",)


def version(tree):
    return next((tree / "lib/modules").iterdir()).name


def prune(tree):
    """Throws away the modules that are not kept, and writes the lists that modprobe wants."""
    root = tree / "lib/modules" / version(tree)
    whole = root / "kernel"
    aside = root / "all"
    whole.rename(aside)
    for name in KEPT:
        source = aside / name.removeprefix("kernel/")
        if source.exists():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
    shutil.rmtree(aside)
    _kmod(tree, "depmod", "-b", tree, version(tree))


def load_order(tree, names):
    """The modules' files, what a module needs before the module itself. A name that is built in has none."""
    files = []
    for name in names:
        shown = _kmod(tree, "modprobe", "-d", tree, "-S", version(tree), "--show-depends", name)
        for line in shown.splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


def _kmod(tree, command, *arguments):
    """The tree's own kmod, so that the machine needs none."""
    argv = libraries.in_tree(tree, "--argv0", command, tree / "bin/kmod", *arguments)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
