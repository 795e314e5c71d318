"""The contest's results as text. Pure."""
from . import figures, rows


def text(results):
    """`results` is [(Case, its lines by figures.compare())]."""
    cells = []
    shape = None
    for case, lines in results:
        if figures.one_way(case) != shape:
            shape = figures.one_way(case)
            cells += [()] * bool(cells) + [_head(shape)]
        cells.append((str(case),))
        cells += [_cells(shape, line) for line in lines]
    columns = max(len(line) for line in cells)
    widths = [max((len(line[column]) for line in cells if column < len(line) and len(line) > 1), default=0)
              for column in range(columns)]
    widths[0] = max(len(line[0]) for line in cells if line)
    shown = "\n".join(_aligned(line, widths) for line in cells)
    return f"{shown}\n\n{_remark(results)}"


def _head(one_way):
    own = ("Mframes/s", "Gbit/s", "ns a frame") if one_way else ("p50, ns", "p99, ns", "p99.9, ns")
    return ("one way" if one_way else "round trips", *own, "lowest to highest",
            *(f"of {title}" for title in rows.REFERENCES.values()), "goal")


def _cells(one_way, line):
    found = line["figures"]
    if one_way:
        rate = found["frames_per_second"]
        own = (f"{rate / 1e6:,.3f}", f"{found['gbit_per_second']:,.1f}", f"{1e9 / rate:,.1f}")
        spread = f"{line['lowest'] / 1e6:,.3f} to {line['highest'] / 1e6:,.3f}"
    else:
        own = tuple(f"{found[name]:,.0f}" for name in ("p50", "p99", "p999"))
        spread = f"{line['lowest']:,.0f} to {line['highest']:,.0f}"
    ratios = (f"{line['ratios'][of]:.2f}" if of in line["ratios"] else "-" for of in rows.REFERENCES)
    return (f"  {line['title']}{_aside(line)}", *own, spread, *ratios, _goals(line["goals"]))


def _aside(line):
    """What is to be known beside the figure: how the row was set up, and a `*` where nothing but disturbed runs is."""
    note = f" ({line['note']})" if line["note"] else ""
    return note + " *" * line["disturbed"]


def _goals(goals):
    met = {None: "not measured", True: "met", False: "missed"}
    return "; ".join(f"{goal['goal']}: {met[goal['met']]}" for goal in goals)


def _remark(results):
    lines = [line for _, found in results for line in found]
    disturbed = sum(line["disturbed"] for line in lines)
    remark = "Medians; the payload of every frame is written and read."
    if disturbed:
        remark += (f" * {disturbed} of {len(lines)} figures say little: in every run an end that polls had less than"
                   f" {figures.UNDISTURBED:.0%} of its processor.")
    return remark


def _aligned(line, widths):
    if len(line) < 2:
        return "".join(line)
    first, *numbers, goal = line
    shown = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:]))]
    return "  ".join([*shown, goal]).rstrip()
