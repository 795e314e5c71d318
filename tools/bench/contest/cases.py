"""What the contenders compete in."""
from dataclasses import dataclass

ONE_WAY, BOTH_WAYS, PING, WAKE, VIFS = "one_way", "both_ways", "ping", "wake", "vifs"
TO_DOM0, FROM_DOM0 = "to Dom0", "from Dom0"

SIZES = (64, 256, 1500, 65536)
BURSTS = (1, 8, 32)
MANY = 256  # vifs


@dataclass(frozen=True)
class Case:
    kind: str
    size: int = 64  # bytes of a frame
    burst: int = 1  # frames
    vifs: int = 1  # that there are, where a row has many
    way: str = ""  # of VIFS
    mode: str = ""  # the same: poll-mode of hush-backd

    @property
    def is_rate(self):
        """Frames a second are its figure, not the time of a round trip."""
        return self.kind in (ONE_WAY, BOTH_WAYS, VIFS)

    def __str__(self):
        return {ONE_WAY: f"{bytes_of(self.size)}, burst {self.burst}",
                BOTH_WAYS: f"{bytes_of(self.size)}, burst {self.burst}, both ways",
                VIFS: f"{self.vifs} vifs, {bytes_of(self.size)}, burst {self.burst}, {self.way}, mode {self.mode}",
                PING: f"ping-pong {bytes_of(self.size)}, both poll",
                WAKE: "ping-pong, both sleep"}[self.kind]


def bytes_of(size):
    return f"{size // 1024} KiB" if size % 1024 == 0 else f"{size} B"


def cases(sizes, bursts, vifs=MANY):
    """In the order in which they are measured and shown."""
    return [*(Case(kind, size, burst) for kind in (ONE_WAY, BOTH_WAYS) for size in sizes for burst in bursts),
            Case(PING), Case(WAKE),
            *(Case(VIFS, 64, 32, vifs, way, mode) for mode in ("auto", "poll") for way in (TO_DOM0, FROM_DOM0))]
