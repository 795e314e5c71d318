"""What is measured, in that order, in one boot: which back end with which front end, or how applications in two domains meet.
dom0/measure starts them."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    name: str
    title: str
    base: str = "kernel"  # the name of the pair that it is compared with
    rows: str = "*"  # a pattern: of the rows of that base, which it has
    on_netback: bool = False  # needs the kernel's back end


KERNEL = Pair("kernel", "kernel netback", on_netback=True)  # with the stock front end
VCHAN = Pair("vchan", "libxenvchan", "vchan")
PAIRS = (
    KERNEL,
    Pair("hush", "hush-backd"),  # with the stock front end
    Pair("netif", "both ours, netif"),
    Pair("area", "both ours, area"),
    Pair("front", "netback, hush-frontd", on_netback=True),
    Pair("direct", "netback, our library", rows="udp64_*", on_netback=True),  # no IP stack in the guest
    VCHAN,
    Pair("bell", "event channel", "vchan", "app_ping"),  # nothing but that, as the limit of a round trip
    Pair("library", "our library", "vchan"),  # and the running hush-backd with a port that measures
    Pair("unkept", "nothing kept", "vchan", "app64*"),  # the same without files for the daemon after this one: what those cost
)
BASES = (KERNEL, VCHAN)


def chosen(names):
    """The pairs of those names (commas between them), in the order of PAIRS; ValueError for an unknown one."""
    wanted = names.split(",")
    unknown = set(wanted) - {pair.name for pair in PAIRS}
    if unknown:
        raise ValueError(f"there is no pair {' or '.join(sorted(unknown))}; there are {' '.join(pair.name for pair in PAIRS)}")
    return [pair for pair in PAIRS if pair.name in wanted]
