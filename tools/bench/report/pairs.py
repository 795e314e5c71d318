"""Which back end with which front end: what is measured, in that order, in one boot. dom0/measure starts them."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    name: str
    title: str


KERNEL = Pair("kernel", "kernel netback")  # with the stock front end; what the others are compared with
PAIRS = (
    KERNEL,
    Pair("hush", "hush-backd"),  # with the stock front end
    Pair("netif", "both ours, netif"),
    Pair("area", "both ours, area"),
)


def chosen(names):
    """The pairs of those names (commas between them), in the order of PAIRS; ValueError for an unknown one."""
    wanted = names.split(",")
    unknown = set(wanted) - {pair.name for pair in PAIRS}
    if unknown:
        raise ValueError(f"there is no pair {' or '.join(sorted(unknown))}; there are {' '.join(pair.name for pair in PAIRS)}")
    return [pair for pair in PAIRS if pair.name in wanted]
