"""What the contenders compete in."""
from dataclasses import dataclass

ONE_WAY, PING, WAKE = "one_way", "ping", "wake"

SIZES = (64, 256, 1500, 65536)
BURSTS = (1, 8, 32)


@dataclass(frozen=True)
class Case:
    kind: str
    size: int = 64  # bytes of a frame
    burst: int = 1  # frames

    def __str__(self):
        return {ONE_WAY: f"{bytes_of(self.size)}, burst {self.burst}",
                PING: f"ping-pong {bytes_of(self.size)}, both poll",
                WAKE: "ping-pong, both sleep"}[self.kind]


def bytes_of(size):
    return f"{size // 1024} KiB" if size % 1024 == 0 else f"{size} B"


def cases(sizes, bursts):
    """In the order in which they are measured and shown."""
    return [*(Case(ONE_WAY, size, burst) for size in sizes for burst in bursts), Case(PING), Case(WAKE)]
