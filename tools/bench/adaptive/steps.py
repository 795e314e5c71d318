"""The steps of the load, and who carries it. Pure."""
from dataclasses import dataclass

BURST = 700 << 10  # bytes
BURST_EACH = 20  # ms


@dataclass(frozen=True)
class Step:
    name: str
    load: str  # as hush-steps reads it, without its seconds

    def words(self, seconds):
        return ["--step", f"{self.load}:{seconds}"]

    @property
    def sends(self):
        return self.load != "idle"


# Its end shrinks what the bursts needed.
STEPS = (Step("idle", "idle"), Step("64 B", "stream:64"), Step("1500 B", "stream:1500"), Step("64 KiB", "stream:65536"),
         Step("bursts", f"bursts:1500:{BURST}:{BURST_EACH}"), Step("idle again", "idle"))


@dataclass(frozen=True)
class Contender:
    """`kib`: of each ring, whatever the traffic is; None: they follow it."""
    kib: int | None

    @property
    def name(self):
        return f"{self.kib} KiB" if self.kib else "adaptive"

    @property
    def first_kib(self):
        """The shortest that takes all frames of the steps."""
        return self.kib or 256


ADAPTIVE = Contender(None)
FIXED = (64, 128, 256, 512, 1024, 2048, 4096)
