"""How a run of each contender is set up: contexts that give the commands of its two processes.

A measured program prints JSON lines, touches its peer until SIGTERM, then ends its stdout, and goes when its stdin
ends (area_programs/process.hpp). The first line of the one that measures is the figure:
{"frames", "bytes", "seconds", "wrong", "cpu_share"} one way and both ways, {"frames", "seconds", "p50", "p99", "p999",
"cpu_share"} of round trips in ns; the other one's line has its "cpu_share"."""
import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import pair
from .cases import BOTH_WAYS, ONE_WAY, PING, TO_DOM0, WAKE, bytes_of

HEAD_PAGE = 4096  # of the raw ring's memory
BENCH = Path(__file__).resolve().parents[1]
LARGEST_SEGMENT = 32768  # of a DPDK buffer: its lengths have 16 bits


@dataclass(frozen=True)
class Command:
    """`there`: a path that exists once the next command may be started; `files`: descriptors to be handed over."""
    words: list
    measures: bool
    there: Path | None = None
    files: tuple = ()


@dataclass(frozen=True)
class Lab:
    """What all runs have in common."""
    programs: Path
    cpus: tuple  # of the one that is started first, and of the other
    seconds: float
    warm_up: float

    def words(self, program, role, place, case, *more):
        return [str(self.programs / program), role, "--cpu", str(self.cpus[place]), "--size", str(case.size), "--burst",
                str(case.burst), "--seconds", str(self.seconds), "--warm-up", str(self.warm_up), *map(str, more)]


@contextlib.contextmanager
def ring(kib, lab, case):
    with _memory(HEAD_PAGE + kib * 1024) as (path, file):
        yield [Command(lab.words("hush-ring", "receive", 0, case, "--memory", path), True, files=(file,)),
               Command(lab.words("hush-ring", "send", 1, case, "--memory", path), False, files=(file,))]


@contextlib.contextmanager
def rings(kib, lab, case):
    """One there and one back."""
    with _memory(HEAD_PAGE + kib * 1024) as (there, file), _memory(HEAD_PAGE + kib * 1024) as (back, other):
        more, files = ("--memory", there, "--back", back), (file, other)
        yield [Command(lab.words("hush-ring", "echo", 0, case, *more), False, files=files),
               Command(lab.words("hush-ring", "both", 1, case, *more), True, files=files)]


def ring_fits(kib, case):
    """Two frames and their lengths."""
    return (case.size + 8) * 2 <= kib * 1024


@contextlib.contextmanager
def spin(lab, case):
    with _memory(HEAD_PAGE) as (path, file):
        yield [Command(lab.words("hush-ping", "pong", 0, case, "--memory", path), False, files=(file,)),
               Command(lab.words("hush-ping", "ping", 1, case, "--memory", path), True, files=(file,))]


@contextlib.contextmanager
def eventfds(lab, case):
    there, back = files = os.eventfd(0), os.eventfd(0)
    try:
        yield [Command(lab.words("hush-ping", "pong", 0, case, "--to", back, "--from", there), False, files=files),
               Command(lab.words("hush-ping", "ping", 1, case, "--to", there, "--from", back), True, files=files)]
    finally:
        os.close(there)
        os.close(back)


# What DPDK's two ends do, and which of them measures.
DPDK_ENDS = {ONE_WAY: ("receive", "send", 0), BOTH_WAYS: ("echo", "both", 1), PING: ("pong", "ping", 1)}


@contextlib.contextmanager
def dpdk(peer, lab, case):
    segment, descriptors = dpdk_buffers(case.size)
    with tempfile.TemporaryDirectory(prefix="hush-bench-") as folder:
        socket = Path(folder) / "socket"
        more = ("--peer", peer, "--socket", socket, "--segment", segment, "--descriptors", descriptors)
        first, second, measures = DPDK_ENDS[case.kind]
        yield [Command(lab.words("hush-dpdk", first, 0, case, *more), measures == 0, there=socket),
               Command(lab.words("hush-dpdk", second, 1, case, *more), measures == 1)]


def dpdk_buffers(size):
    """(bytes of a buffer, descriptors of a ring). Frames of 64 KiB in the largest buffers there are, and in a ring with
    room for two bursts of 32: 1024 descriptors would be 32 MiB, far more than a core's cache."""
    return (LARGEST_SEGMENT, 128) if size > 2048 else (2048, 1024)


def dpdk_note(case):
    segment, descriptors = dpdk_buffers(case.size)
    count = -(-case.size // segment)
    return f"{descriptors} descriptors" + (f", {count} segments of {bytes_of(segment)}" if count > 1 else "")


@contextlib.contextmanager
def area(kib, role, port, lab, case, kept=True, poll="poll"):
    """One end is the running hush-backd, so there is one command: `role` of hush-area, in domain 1. kept: what is in progress, in
    files that outlive it, as always. poll: hush-backd's poll-mode."""
    wakes = case.kind == WAKE
    batch = min(case.burst, 64)
    with _host("area_host", lab.programs.resolve(), port, max(case.size, 14), batch, lab.cpus[0],
               "event" if wakes else poll, *["unkept"] * (not kept)) as (process, socket):
        words = lab.words("hush-area", role, 1, case, "--ring", kib, "--peer", process, "--control", socket)
        yield [Command([*_in_guest(lab), *words, *["--wait"] * wakes], True)]


def area_fits(kib, case):
    """A record is at most half of the ring: common/area/README.md."""
    return case.size + 16 <= kib * 1024 // 2


VIFS_RING = 16  # KiB


@contextlib.contextmanager
def vifs(alone, all_busy, lab, case):
    """hush-vifs in domain 1 drives all vifs of it, one where it is `alone`; all have traffic, or the first one. The same program,
    host and length of ring for all of them."""
    count = 1 if alone else case.vifs
    busy = count if all_busy else 1
    role, port = ("send", "sink") if case.way == TO_DOM0 else ("receive", "source")
    with _host("vifs_host", lab.programs.resolve(), port, case.size, case.burst, lab.cpus[0], case.mode, VIFS_RING, count,
               busy) as (process, socket):
        words = lab.words("hush-vifs", role, 1, case, "--ring", VIFS_RING, "--vifs", count, "--busy", busy, "--control", socket)
        # In mode auto its data thread may sleep: then what it had of its processor says nothing.
        yield [Command([*_in_guest(lab), *words, *["--peer", process] * (case.mode == "poll")], True)]


def _in_guest(lab):
    return ["env", f"SIMXEN_DIR={_simxen_directory()}", str(lab.programs / "simxen"), "run", "--domain", "1", "--"]


def _simxen_directory():
    return "/run/hushring-sim/bench" + os.environ.get("HUSH_HOST_SUFFIX", "")


@contextlib.contextmanager
def _host(script, *words):
    """(hush-backd's process, its control socket)"""
    # Silent: its own complaints go where those of the programs go, in the ready line's place.
    host = subprocess.Popen([str(word) for word in (BENCH / script, *words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        for line in host.stdout:
            if line.startswith("ready "):
                yield line.split()[1:]
                break
            said.append(line.strip())
        else:
            raise pair.Failed(said[-1] if said else "the simulated host could not be set up")
    finally:
        host.stdin.close()
        host.stdout.close()
        host.wait()


@contextlib.contextmanager
def _memory(size):
    """Memory for two processes: (its path in both, its descriptor). Nothing is left of it, however they end."""
    file = os.memfd_create("hush-bench")
    try:
        os.ftruncate(file, size)
        yield f"/proc/self/fd/{file}", file
    finally:
        os.close(file)
