"""Where a window's instructions went: by part of the system, and by function."""
import bisect
from collections import Counter, defaultdict

XEN = range(0xffff82d000000000, 0xffff830000000000)
KERNEL = 0xffffffff80000000
USER = 1 << 47
FRAME = 21  # bits of 2 MiB: memory is told apart in pieces of that size


class Memory:
    """Whose memory an instruction lies in. Dom0's is what it ran in before there was a guest; a guest's kernel, at the
    same virtual addresses as Dom0's, is found in memory that Dom0 was not seen in; anything else is whose is nearest."""

    def __init__(self, before_guests, later):
        dom0 = {block.haddr >> FRAME for block in before_guests if block.vaddr not in XEN}
        guests = {block.haddr >> FRAME for block in later if block.vaddr >= KERNEL} - dom0
        self._frames = sorted([(frame, True) for frame in dom0] + [(frame, False) for frame in guests])

    def is_dom0(self, haddr):
        frame = haddr >> FRAME
        at = bisect.bisect_left(self._frames, (frame,))
        near = self._frames[max(at - 1, 0):at + 1]
        return min(near, key=lambda found: abs(found[0] - frame))[1]


class Profile:
    """Instructions by part, and by function within the part."""

    def __init__(self):
        self.parts = defaultdict(Counter)

    def add(self, part, function, instructions):
        self.parts[part][function] += instructions

    def total(self, part=None):
        chosen = self.parts if part is None else [part]
        return sum(self.parts[name].total() for name in chosen)


class Symbols:
    """All that is needed to name an instruction. `program` is hush-backd, or None."""

    def __init__(self, xen, dom0, guest, program=None):
        self.xen = xen
        self.dom0 = dom0
        self.guest = guest
        self.program = program

    def place(self, block, memory):
        """The part and the function."""
        if block.vaddr in XEN:
            return "hypervisor", self.xen.name(block.vaddr)
        if block.vaddr < USER:
            return self._of_program(block, memory)
        if memory.is_dom0(block.haddr):
            return "Dom0 kernel", self.dom0.name(block.vaddr)
        return "guest kernel", self.guest.name(block.vaddr)

    def _of_program(self, block, memory):
        own = self.program.name(block.vaddr) if self.program else None
        if own:
            return "hush-backd", own
        return "Dom0 programs" if memory.is_dom0(block.haddr) else "guest programs", "all"


def of_window(blocks, memory, symbols):
    profile = Profile()
    for block in blocks:
        profile.add(*symbols.place(block, memory), block.instructions)
    return profile


def text(profile, nanoseconds, packets, functions=25):
    """For a person. `packets` is how many crossed the vif in the window: instructions are shown for each."""
    busy = profile.total()
    idle = max(nanoseconds - busy, 0)
    lines = [f"{nanoseconds / 1e9:.3f} s, {packets} packets; instructions by part:", "",
             f"  {'part':<16} {'share':>7} {'a packet':>10}"]
    ordered = sorted(profile.parts, key=profile.total, reverse=True)
    for part in ordered:
        lines.append(_line(part, profile.total(part), busy + idle, packets, 16))
    lines.append(_line("idle", idle, busy + idle, packets, 16))
    for part in ordered:
        lines += ["", f"{part}: {len(profile.parts[part])} functions, the largest"]
        for function, count in profile.parts[part].most_common(functions):
            if count * 1000 >= busy:
                lines.append(_line(function, count, busy + idle, packets, 60))
    return "\n".join(lines)


def comparison(base, ours, unit, functions=20):
    """Two profiles of one row, each with how many units (packets or megabytes) its window had. "Common" is the smaller
    count of each function: about what a unit costs whoever the back end is."""
    (base_profile, base_units), (our_profile, our_units) = base, ours
    parts = sorted({*base_profile.parts, *our_profile.parts}, key=base_profile.total, reverse=True)
    lines = [f"Instructions a {unit}:", "", f"  {'part':<16} {'base':>11} {'ours':>11} {'common':>11}"]
    grown = []
    totals = Counter()
    for part in parts:
        each = {name: (base_profile.parts[part][name] / base_units, our_profile.parts[part][name] / our_units)
                for name in {*base_profile.parts[part], *our_profile.parts[part]}}
        sums = {"base": sum(one for one, _ in each.values()), "ours": sum(other for _, other in each.values()),
                "common": sum(map(min, each.values()))}
        totals.update(sums)
        lines.append(_sums(part, sums))
        grown += [(other - one, part, name) for name, (one, other) in each.items()]
    lines += [_sums("all", totals), "", "ours costs more (+) or less (-):"]
    grown.sort()
    chosen = grown[:-functions - 1:-1] + grown[:functions]
    lines += [f"  {more:>+12.1f}  {part:<16} {name}" for more, part, name in chosen]
    return "\n".join(lines)


def _sums(part, sums):
    return f"  {part:<16} {sums['base']:11.1f} {sums['ours']:11.1f} {sums['common']:11.1f}"


def _line(name, count, total, packets, width):
    return f"  {name[:width]:<{width}} {100 * count / total:6.2f}% {count / max(packets, 1):10.1f}"
