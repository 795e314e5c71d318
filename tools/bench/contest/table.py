"""The contest's results as text. Pure."""
import itertools

from . import figures, rows
from .cases import BOTH_WAYS, ONE_WAY, PING, VIFS, WAKE

HEADS = {ONE_WAY: "one way", BOTH_WAYS: "both ways: frames that are back", PING: "round trips", WAKE: "round trips",
         VIFS: "many vifs, one data thread"}


def text(results):
    """`results` are Results (turns.py)."""
    parts = [_part(head, list(found)) for head, found in itertools.groupby(results, lambda result: HEADS[result.case.kind])]
    return "\n\n".join([*parts, _remark(results)])


def _part(head, results):
    """Aligned in itself: parts have different columns."""
    cells = [_head(head, results[0].case)]
    for result in results:
        cells.append((f"{result.case} (spin {result.spin} ns)",))
        cells += [_cells(result.case, line) for line in result.lines]
    widths = [max((len(line[column]) for line in cells if column < len(line)), default=0)
              for column in range(max(len(line) for line in cells))]
    return "\n".join(_aligned(line, widths) for line in cells)


def _head(head, case):
    own = ("Mframes/s", "Gbit/s", "ns a frame") if case.is_rate else ("p50, ns", "p99, ns", "p99.9, ns")
    return (head, *own, "lowest to highest", *(f"of {rows.TITLES[of]}" for of in rows.references(case.kind)), "goal")


def _cells(case, line):
    found = line["figures"]
    if case.is_rate:
        rate = found["frames_per_second"]
        own = (f"{rate / 1e6:,.3f}", f"{found['gbit_per_second']:,.1f}", f"{1e9 / rate:,.1f}")
        spread = f"{line['lowest'] / 1e6:,.3f} to {line['highest'] / 1e6:,.3f}"
    else:
        own = tuple(f"{found[name]:,.0f}" for name in ("p50", "p99", "p999"))
        spread = f"{line['lowest']:,.0f} to {line['highest']:,.0f}"
    ratios = (f"{line['ratios'][of]:.2f}" if of in line["ratios"] else "-" for of in rows.references(case.kind))
    return (f"  {line['title']}{_aside(line)}", *own, spread, *ratios, _goals(line["goals"]))


def _aside(line):
    """What is to be known beside the figure: how the row was set up, and a `*` where no run counts."""
    note = f" ({line['note']})" if line["note"] else ""
    return note + " *" * line["doubtful"]


def _goals(goals):
    met = {None: "not measured", True: "met", False: "missed"}
    return "; ".join(f"{goal['goal']}: {met[goal['met']]}" for goal in goals)


def _remark(results):
    lines = [line for result in results for line in result.lines]
    doubtful = sum(line["doubtful"] for line in lines)
    remark = "Medians; the payload of every frame is written and read."
    if doubtful:
        remark += (f" * {doubtful} of {len(lines)} figures say little: in every run an end that polls had less than"
                   f" {figures.UNDISTURBED:.0%} of its processor, or the two were not where they were for the others.")
    return remark


def _aligned(line, widths):
    if len(line) < 2:
        return "".join(line)
    first, *numbers, goal = line
    shown = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:]))]
    return "  ".join([*shown, goal]).rstrip()
