"""The rows, in the order in which they are measured and shown. How each is measured: dom0/rows.sh."""
import fnmatch
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """What a figure of ours divided by the kernel's must be."""
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

    def goal(self, pair, figure):
        """Of a pair in that figure, or None."""
        return self.goals.get(pair) if figure == self.figure else EVENTS if (pair, figure) == ("hush", "events") else None


TCP = {"hush": Goal(1.0, True), "area": Goal(1.5, True)}
UDP = {"hush": Goal(1.5, True)}
# With wake-ups.
PING = {"hush": Goal(1.25, False)}
EVENTS = Goal(0.5, False)

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
)


def chosen(pattern, quick=False):
    """The rows whose names match the pattern (of a shell; commas between several)."""
    patterns = pattern.split(",")
    return [row for row in ROWS
            if any(fnmatch.fnmatch(row.name, one) for one in patterns) and (row.quick or not quick)]
