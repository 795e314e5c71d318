"""What one run brings along: our programs, this folder's scripts, the caller's script, and the guests' initramfs."""
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from . import cpio, libraries
from .say import Trouble

HERE = Path(__file__).resolve().parent.parent
LIBRARIES = "usr/lib/x86_64-linux-gnu"
NEEDED = "hush-exec"  # Dom0's commands in guests (../programs)
# Programs that a guest gets too: all others run in Dom0.
IN_GUEST = (NEEDED, "hush-frontd", "hush-contract-peer", "hush-contract", "hush-liar", "hush-udp", "hush-frame-udp", "hush-xen-area",
            "hush-vchan", "hush-bell")


class Payload:
    """`programs` is the folder of a build's executables; those named hush* are brought."""

    def __init__(self, image, programs, scratch):
        if not (programs / NEEDED).is_file():
            raise Trouble(f"there is no {programs / NEEDED}, by which Dom0 reaches its guests: build it "
                          f"(cmake --preset release && cmake --build --preset release --target {NEEDED})")
        self._image = image
        self._scratch = scratch
        self._programs = [_stripped(program, scratch) for program in sorted(programs.glob("hush*")) if program.is_file()]

    def boot_initramfs(self):
        """Dom0's initramfs: the cached base and the first script."""
        own = self._scratch / "boot-own.cpio"
        archive = cpio.Archive(own)
        archive.file("init", HERE / "dom0/boot")
        archive.close()
        path = self._scratch / "boot.cpio"
        cpio.concatenate(path, [self._image.boot, own])
        return path

    def archive(self, script, added, environment):
        """The tar that Dom0 unpacks over its disk."""
        guest = self._guest_initramfs()
        path = self._scratch / "payload.tar"
        with tarfile.open(path, "w") as tar:
            for source in (HERE / "dom0").iterdir():
                tar.add(source, f"usr/lib/hushring/{source.name}", filter=_root)
            for program in self._programs:
                tar.add(program, f"usr/local/bin/{program.name}", filter=_root)
            for soname, file in self._brought_libraries(self._programs, "dom0").items():
                tar.add(file, f"{LIBRARIES}/{soname}", filter=_root)
            tar.add(guest, "boot/guest.cpio", filter=_root)
            for source in added:
                tar.add(source, f"payload/{source.resolve().name}", filter=_root)
            if script is not None:
                tar.add(script, f"payload/{script.name}", filter=_root)
            _text(tar, "usr/lib/hushring/environment", environment)
        return path

    def _guest_initramfs(self):
        own = self._scratch / "guest-own.cpio"
        archive = cpio.Archive(own)
        for source in (HERE / "guest").iterdir():
            archive.file("init" if source.name == "init" else f"usr/bin/{source.name}", source)
        programs = [program for program in self._programs if program.name in IN_GUEST]
        for program in programs:
            archive.file(f"usr/bin/{program.name}", program)
        for soname, file in self._brought_libraries(programs, "guest").items():
            archive.file(f"lib/{soname}", file)
        archive.close()
        path = self._scratch / "guest.cpio"
        cpio.concatenate(path, [self._image.guest, own])
        return path

    def _brought_libraries(self, programs, where):
        """What the programs load and the image lacks. Libraries that it has are its own Debian's: those are used."""
        there = self._image.libraries()[where]
        needed = {}
        for program in programs:
            try:
                needed |= libraries.of(program)
            except FileNotFoundError as missing:
                raise Trouble(str(missing)) from missing
        return {soname: file.resolve() for soname, file in needed.items() if soname not in there}


def _stripped(program, scratch):
    """A copy without debugging symbols: those are most of the size, and the emulated disk is slow."""
    target = scratch / "programs" / program.name
    target.parent.mkdir(exist_ok=True)
    stripped = shutil.which("strip") and subprocess.run(["strip", "-o", target, program], check=False,
                                                        capture_output=True).returncode == 0
    if not stripped:
        shutil.copy(program, target)
    return target


def _root(member):
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _text(tar, name, text):
    member = tarfile.TarInfo(name)
    data = text.encode()
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
