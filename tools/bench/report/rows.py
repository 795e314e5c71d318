"""The rows, in the order in which they are measured and shown. How each is measured: dom0/rows.sh."""
import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What hush-backd's figure divided by the kernel netback's must be."""
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
    goal: Goal | None = None
    quick: bool = False  # part of --quick


FASTER = Goal(1.0, True)
UDP = Goal(1.5, True)
# With wake-ups; the figure for a back end that polls is for later.
PING = Goal(1.25, False)
EVENTS = Goal(0.5, False)

ROWS = (
    Row("tcp_tx", "TCP guest to Dom0", "mbit_per_second", FASTER, quick=True),
    Row("tcp_rx", "TCP Dom0 to guest", "mbit_per_second", FASTER, quick=True),
    Row("tcp4_tx", "TCP guest to Dom0, 4 streams", "mbit_per_second", FASTER),
    Row("tcp4_rx", "TCP Dom0 to guest, 4 streams", "mbit_per_second", FASTER),
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
