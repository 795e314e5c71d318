"""The file that the counter (plugin/counter.cpp) writes: what ran in each window."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A block of code: where the program sees it, where it lies in the machine's memory, and how often it was entered."""
    vaddr: int
    haddr: int
    size: int
    entries: int

    @property
    def instructions(self):
        return self.size * self.entries


def windows(path):
    """The blocks of each window, in order (none without a file); the first is the time from power-on to the first guest."""
    found = []
    if not path.exists():
        return found
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == "window":
                found.append([])
            else:
                found[-1].append(Block(int(words[0], 16), int(words[1], 16), int(words[2]), int(words[3])))
    return found
