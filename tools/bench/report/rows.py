"""The rows, in the order in which they are measured and shown. How each is measured: dom0/rows.sh."""
import fnmatch
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """What a figure of ours divided by that of the base must be."""
    ratio: float
    at_least: bool

    def met(self, ratio):
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio

    def __str__(self):
        return f"{'>=' if self.at_least else '<='} {self.ratio:g}"


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    figure: str  # the row's own figure, a name in figures.TITLES
    goals: dict = field(default_factory=dict)  # of that figure, by the pair's name
    quick: bool = False  # part of --quick
    base: str = "kernel"  # the base of the pairs that it is measured with (pairs.py)

    def measured_with(self, pair):
        return pair.base == self.base and fnmatch.fnmatch(self.name, pair.rows)

    def goal(self, pair, figure):
        """Of a pair in that figure, or None."""
        return self.goals.get(pair) if figure == self.figure else EVENTS if (pair, figure) == ("hush", "events") else None


TCP = {"hush": Goal(1.0, True), "area": Goal(1.5, True), "front": Goal(0.9, True)}
UDP = {"hush": Goal(1.5, True), "front": Goal(1.0, True), "direct": Goal(5, True)}
# With wake-ups.
PING = {"hush": Goal(1.25, False)}
EVENTS = Goal(0.5, False)
MESSAGES = {"library": Goal(1.5, True)}
BYTES = {"library": Goal(1.3, True)}
TRIP = {"library": Goal(0.8, False)}

ROWS = (
    Row("tcp_tx", "TCP guest to Dom0", "mbit_per_second", TCP, quick=True),
    Row("tcp_rx", "TCP Dom0 to guest", "mbit_per_second", TCP, quick=True),
    Row("tcp4_tx", "TCP guest to Dom0, 4 streams", "mbit_per_second", TCP),
    Row("tcp4_rx", "TCP Dom0 to guest, 4 streams", "mbit_per_second", TCP),
    Row("udp64_tx", "UDP 64 B guest to Dom0", "packets_per_second", UDP, quick=True),
    Row("udp64_rx", "UDP 64 B Dom0 to guest", "packets_per_second", UDP, quick=True),
    Row("udp1400_tx", "UDP 1400 B guest to Dom0", "packets_per_second"),
    Row("udp1400_rx", "UDP 1400 B Dom0 to guest", "packets_per_second"),
    Row("iperf_udp64_tx", "UDP 64 B guest to Dom0, iperf3", "packets_per_second"),
    Row("iperf_udp64_rx", "UDP 64 B Dom0 to guest, iperf3", "packets_per_second"),
    Row("ping", "ping from Dom0", "milliseconds", PING, quick=True),
    Row("app64_tx", "64 B frames, guest to Dom0", "frames_per_second", MESSAGES, base="vchan"),
    Row("app64_rx", "64 B frames, Dom0 to guest", "frames_per_second", MESSAGES, base="vchan"),
    Row("app64k_tx", "64 KiB frames, guest to Dom0", "frames_per_second", BYTES, base="vchan"),
    Row("app64k_rx", "64 KiB frames, Dom0 to guest", "frames_per_second", BYTES, base="vchan"),
    Row("app_ping", "round trip of 64 B, both sleep", "microseconds", TRIP, base="vchan"),
)


def chosen(pattern, quick=False):
    """The rows whose names match the pattern (of a shell; commas between several)."""
    patterns = pattern.split(",")
    return [row for row in ROWS
            if any(fnmatch.fnmatch(row.name, one) for one in patterns) and (row.quick or not quick)]
