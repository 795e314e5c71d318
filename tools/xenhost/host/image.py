"""The host's image: hypervisor, kernel, Dom0's disk and the bases of the two initramfs; built once, kept in the cache.

The folder's name holds a hash of everything that went into it, so another package version or another rule here makes
another image and nothing else does. Our own programs and scripts are not in it: each run brings its own (payload.py).
"""
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import cpio, libraries, modules, packages
from .say import Trouble, step

GUEST_PROGRAMS = ("usr/bin/iperf3", "usr/sbin/ethtool")
XENSTORE_PROGRAMS = ("read", "write", "list", "ls", "exists", "rm", "chmod", "watch")
# Documentation and what only an installed system needs.
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/perl",
          "usr/share/zoneinfo", "usr/share/initramfs-tools", "usr/lib/x86_64-linux-gnu/perl", "var/cache")


class Image:
    def __init__(self, folder):
        self.folder = folder
        self.xen = folder / "xen.elf"
        self.kernel = folder / "vmlinuz"
        self.disk = folder / "dom0.ext4"
        self.boot = folder / "boot.cpio"
        self.guest = folder / "guest.cpio"
        self._list = folder / "libraries.json"

    def libraries(self):
        """{"dom0": names, "guest": names}: the libraries that need not be brought."""
        return {name: set(found) for name, found in json.loads(self._list.read_text()).items()}

    def keep(self):
        """Holds the image against removal by another run, until this process ends."""
        self._held = open(self.folder / "in-use", "w", encoding="ascii")
        fcntl.flock(self._held, fcntl.LOCK_SH)

    def build(self, files):
        step(f"building the image (once, into {self.folder.parent})")
        with tempfile.TemporaryDirectory(prefix="building-", dir=self.folder.parent) as name:
            part = Path(name)
            tree = part / "tree"
            packages.unpack(files, tree)
            built = Image(part / "image")
            built.folder.mkdir()
            step("making the disk and the initramfs")
            built._boot_files(tree)
            built._prune(tree)
            built._boot_cpio(tree)
            guest_libraries = built._guest_cpio(tree)
            built._system_files(tree)
            built._make_disk(tree)
            names = {entry.name for entry in (tree / "usr/lib/x86_64-linux-gnu").iterdir()}
            built._list.write_text(json.dumps({"dom0": sorted(names), "guest": sorted(guest_libraries)}))
            built.folder.rename(self.folder)

    def _boot_files(self, tree):
        self.xen.write_bytes(gzip.decompress(next((tree / "boot").glob("xen-4*.gz")).read_bytes()))
        shutil.copy(next((tree / "boot").glob("vmlinuz-*")), self.kernel)

    def _prune(self, tree):
        modules.prune(tree)
        for name in UNUSED:
            shutil.rmtree(tree / name, ignore_errors=True)
        shutil.rmtree(tree / "boot")

    def _boot_cpio(self, tree):
        archive = cpio.Archive(self.boot)
        _busybox(archive, tree)
        _modules(archive, "modules/boot", modules.load_order(tree, modules.BOOT))
        archive.close()

    def _guest_cpio(self, tree):
        archive = cpio.Archive(self.guest)
        _busybox(archive, tree)
        common = modules.load_order(tree, modules.GUEST)
        _modules(archive, "modules/common", common)
        netfront = modules.load_order(tree, modules.GUEST_NETFRONT)
        _modules(archive, "modules/netfront", [file for file in netfront if file not in common])
        found = {}
        for name in (*GUEST_PROGRAMS, "usr/bin/xenstore-read"):
            archive.file(name, tree / name)
            found |= libraries.of(tree / name, tree)
        for name in XENSTORE_PROGRAMS[1:]:
            archive.link(f"usr/bin/xenstore-{name}", "xenstore-read")
        for soname, path in found.items():
            archive.file(f"lib/{soname}", path)
        archive.link("lib64", "lib")
        archive.close()
        return found.keys()

    def _system_files(self, tree):
        """What packages' installation scripts would have made, as far as anything here looks for it."""
        for name in ("passwd", "group"):
            shutil.copy(tree / f"usr/share/base-passwd/{name}.master", tree / f"etc/{name}")
        (tree / "etc/hostname").write_text("dom0\n", encoding="ascii")
        (tree / "etc/hosts").write_text("127.0.0.1 localhost dom0\n", encoding="ascii")
        (tree / "etc/mtab").symlink_to("/proc/self/mounts")
        for name, target in (("awk", "mawk"), ("sh", "dash")):
            if not os.path.lexists(tree / "usr/bin" / name):
                (tree / "usr/bin" / name).symlink_to(target)
        for name in ("proc", "sys", "dev", "run", "tmp", "root", "var/log/xen/console", "var/lib/xen", "boot"):
            (tree / name).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(tree / "var/run", ignore_errors=True)
        (tree / "var/run").symlink_to("/run")
        shutil.copy(self.kernel, tree / "boot/vmlinuz")

    def _make_disk(self, tree):
        # No journal, and room for logs and results: the disk is thrown away after each run.
        command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "root_owner=0:0", "-d", tree,
                   self.disk, "2G"]
        result = subprocess.run(command, capture_output=True, text=True, check=False,
                                env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
        if result.returncode:
            raise Trouble(f"mke2fs could not make Dom0's disk: {result.stderr.strip()}")


def _busybox(archive, tree):
    archive.file("bin/busybox", tree / "bin/busybox")
    archive.link("bin/sh", "busybox")
    for name in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "sbin", "usr/bin", "usr/sbin", "mnt"):
        archive.folder(name)
    # The kernel opens it for init before devtmpfs is there.
    archive.character_device("dev/console", 5, 1)


def _modules(archive, folder, files):
    """The modules' files under numbers, so that their order is their names' order."""
    for number, file in enumerate(files):
        archive.file(f"{folder}/{number:02}-{Path(file).name}", file)
    archive.folder(folder)


def provide(cache):
    """The image for the packages that apt offers now; built where it is not in the cache yet."""
    cache.mkdir(parents=True, exist_ok=True)
    wanted = packages.resolve(packages.DOM0)
    image = Image(cache / f"image-{_key(wanted)}")
    with open(cache / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step("waiting for another run that uses the cache")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.folder.exists():
            _sweep(cache)
            image.build(packages.download(wanted, cache / "packages"))
        image.keep()
    return image


def _key(wanted):
    rules = [Path(module.__file__).read_bytes() for module in (cpio, libraries, modules, packages)]
    rules.append(Path(__file__).read_bytes())
    inputs = [repr(wanted).encode(), *rules]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()[:12]


def _sweep(cache):
    """Removes images that no run holds, and what a killed build left."""
    for folder in [*cache.glob("image-*"), *cache.glob("building-*")]:
        with open(folder / "in-use", "w", encoding="ascii") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
