"""The rows: who competes in which kind of case, and what ours must reach. How each is run: contenders.py."""
import fnmatch
import functools
from dataclasses import dataclass
from typing import Callable

from . import contenders
from .cases import BOTH_WAYS, ONE_WAY, PING, VIFS, WAKE

MEMIF, VIRTIO, RAW, OURS, OTHER = "memif", "virtio", "raw", "ours", "other"
ALONE, ACTIVE, IDLE = "alone", "active", "idle"  # ours all of them, compared with each other
# What figures are divided by: the best one of these parties.
BEST_PEER = "best_peer"
REFERENCES = {MEMIF: (MEMIF,), BEST_PEER: (MEMIF, VIRTIO), RAW: (RAW,)}
REFERENCES_OF_VIFS = {ALONE: (ALONE,)}
TITLES = {MEMIF: "memif", BEST_PEER: "best peer", RAW: "raw", ALONE: "one"}


def references(kind):
    return REFERENCES_OF_VIFS if kind == VIFS else REFERENCES


@dataclass(frozen=True)
class Goal:
    """What our figure divided by the reference's must be."""
    of: str
    ratio: float
    at_least: bool = True

    def met(self, ratio):
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def __str__(self):
        return f"{'>=' if self.at_least else '<='} {self.ratio:g} of {TITLES[self.of]}"


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    kind: str
    party: str
    program: str  # that has to be there
    commands: Callable  # (lab, case): a context with the commands of one run
    note: Callable = lambda case: ""  # what is to be said beside its figures
    fits: Callable = lambda case: True  # whether it can compete in the case
    polls: bool = True  # both ends all the time: less of a processor means that the run was disturbed
    quick: bool = True  # part of --quick


def _peer(name, title, party):
    """Its rows one way, both ways and of round trips."""
    return (Row(row, title, kind, party, "hush-dpdk", functools.partial(contenders.dpdk, name), contenders.dpdk_note,
                quick=kind != BOTH_WAYS)
            for row, kind in ((name, ONE_WAY), (f"{name}_both", BOTH_WAYS), (f"ping_{name}", PING)))


_memif, _memif_both, _ping_memif = _peer("memif", "DPDK memif", MEMIF)
_virtio, _virtio_both, _ping_virtio = _peer("virtio", "DPDK virtio, packed", VIRTIO)

def _ring(name, title, kib, quick):
    return Row(name, title, ONE_WAY, RAW, "hush-ring", functools.partial(contenders.ring, kib),
               fits=functools.partial(contenders.ring_fits, kib), quick=quick)


def _area(name, title, kib, role, port, party=OURS, quick=True, kind=ONE_WAY, **more):
    """Our library's end, and the running hush-backd with this port. more: as contenders.area has it."""
    return Row(name, title, kind, party, "hush-area", functools.partial(contenders.area, kib, role, port, **more),
               fits=functools.partial(contenders.area_fits, kib), polls=more.get("poll") != "auto", quick=quick)


def _vifs(name, title, party):
    return Row(name, title, VIFS, party, "hush-vifs", functools.partial(contenders.vifs, party == ALONE, party == ACTIVE), quick=False)


# In a case they run in this order, one after the other, round after round.
ROWS = (
    # Too small and too large both lose, and which is best differs from machine to machine: the best one is the limit.
    _ring("ring_64k", "raw ring of 64 KiB", 64, quick=False),
    _ring("ring_256k", "raw ring of 256 KiB", 256, quick=True),
    _ring("ring_1m", "raw ring of 1 MiB", 1024, quick=True),
    _ring("ring_4m", "raw ring of 4 MiB", 4096, quick=False),
    # As for the raw ring: small rings stay in the cache, large ones hold two bursts of long frames.
    _area("area_tx_256k", "area of 256 KiB, to Dom0", 256, "send", "sink"),
    _area("area_tx_1m", "area of 1 MiB, to Dom0", 1024, "send", "sink", quick=False),
    _area("area_tx_4m", "area of 4 MiB, to Dom0", 4096, "send", "sink", quick=False),
    _area("area_rx_256k", "area of 256 KiB, from Dom0", 256, "receive", "source"),
    _area("area_rx_1m", "area of 1 MiB, from Dom0", 1024, "receive", "source", quick=False),
    _area("area_rx_4m", "area of 4 MiB, from Dom0", 4096, "receive", "source", quick=False),
    # As hush-backd polls if nobody says otherwise; the application polls without end.
    _area("area_tx_1m_auto", "area of 1 MiB, to Dom0, auto", 1024, "send", "sink", quick=False, poll="auto"),
    _area("area_rx_1m_auto", "area of 1 MiB, from Dom0, auto", 1024, "receive", "source", quick=False, poll="auto"),
    # What it costs that a daemon after this one can go on: compare with the row of the same direction and length. No goals.
    _area("area_tx_1m_unkept", "area of 1 MiB, to Dom0, nothing kept", 1024, "send", "sink", OTHER, quick=False, kept=False),
    _area("area_rx_1m_unkept", "area of 1 MiB, from Dom0, nothing kept", 1024, "receive", "source", OTHER, quick=False, kept=False),
    _memif,
    _virtio,
    # Frames that are back, so each was carried twice: compared with each other, in cases of their own. No goals.
    Row("ring_both_1m", "two raw rings of 1 MiB", BOTH_WAYS, RAW, "hush-ring", functools.partial(contenders.rings, 1024),
        fits=functools.partial(contenders.ring_fits, 1024), quick=False),
    _area("area_both_1m", "area of 1 MiB, to Dom0 and back", 1024, "both", "echo", quick=False, kind=BOTH_WAYS),
    _memif_both,
    _virtio_both,
    Row("ping_spin", "raw, two words", PING, RAW, "hush-ping", contenders.spin),
    Row("ping_area", "area, echo in Dom0", PING, OURS, "hush-area", functools.partial(contenders.area, 256, "ping", "echo")),
    _ping_memif,
    _ping_virtio,
    Row("ping_eventfd", "raw, a pair of eventfds", WAKE, RAW, "hush-ping", contenders.eventfds, polls=False),
    Row("wake_area", "area, echo in Dom0", WAKE, OURS, "hush-area", functools.partial(contenders.area, 256, "ping", "echo"),
        polls=False),
    _vifs("vifs_one", "one vif, alone", ALONE),
    _vifs("vifs_active", "all of them active, together", ACTIVE),
    _vifs("vifs_idle", "one active, the others idle", IDLE),
)

# For rows of OURS, by kind, size and burst: issue 4.
GOALS = {
    (ONE_WAY, 64, 32): (Goal(MEMIF, 2.5), Goal(RAW, 0.8)),
    (ONE_WAY, 64, 1): (Goal(MEMIF, 3),),
    (ONE_WAY, 1500, 32): (Goal(BEST_PEER, 2.5), Goal(RAW, 0.9)),
    (ONE_WAY, 65536, 32): (Goal(RAW, 0.9),),
    (PING, 64, 1): (Goal(MEMIF, 0.4, at_least=False), Goal(RAW, 1.4, at_least=False)),
    (WAKE, 64, 1): (Goal(RAW, 1.1, at_least=False),),
}

# Of many vifs, by party: issue 4.
GOALS_OF_VIFS = {ACTIVE: (Goal(ALONE, 0.8),), IDLE: (Goal(ALONE, 0.95),)}


def goals(row, case):
    if case.kind == VIFS:
        return GOALS_OF_VIFS.get(row.party, ())
    return GOALS.get((case.kind, case.size, case.burst), ()) if row.party == OURS else ()


def chosen(pattern, quick=False, rows=ROWS):
    """The rows whose names match the pattern (of a shell; commas between several)."""
    patterns = pattern.split(",")
    return [row for row in rows
            if any(fnmatch.fnmatch(row.name, one) for one in patterns) and (row.quick or not quick)]
