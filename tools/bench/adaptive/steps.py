"""The steps of the load, and the fixed lengths of rings beside which it is carried. Pure."""
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

    @property
    def frame(self):
        return int(self.load.split(":")[1]) if self.sends else 0


# Its end shrinks what the bursts needed.
STEPS = (Step("idle", "idle"), Step("64 B", "stream:64"), Step("1500 B", "stream:1500"), Step("64 KiB", "stream:65536"),
         Step("bursts", f"bursts:1500:{BURST}:{BURST_EACH}"), Step("idle again", "idle"))


FIXED = (64, 128, 256, 512, 1024, 2048, 4096)  # KiB
# Each fixed length is used for so long at a time, again and again, under one stream.
SLICE = 0.4  # seconds
LONGEST_OF_SHORT = 32 << 10  # bytes of a frame that all fixed lengths take; longer ones want the offloads' ring
OFFLOADS_KIB = 256


def lengths(step, fixed):
    """Those of the fixed lengths, KiB, that a frame of the step fits in."""
    return fixed if step.frame <= LONGEST_OF_SHORT else tuple(kib for kib in fixed if kib >= OFFLOADS_KIB)
