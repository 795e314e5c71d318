"""Results as text. Pure."""

HEAD = ("step", "adaptive", "ring found", "best fixed", "ratio", "switches", "grows, ms", "shrinks, ms",
        "average ring, KiB", "stalls", "stalled")


def text(results):
    cells = [HEAD, *(_cells(line) for line in results["steps"])]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lengths = sorted({kib for line in results["steps"] for kib in line["fixed"]})
    shown = [_aligned(line, widths) for line in cells]
    if lengths:
        shown += ["", *_fixed(results["steps"], lengths)]
    return "\n".join([*shown, "", *map(goal_line, results["goals"])])


def gigabits(rate):
    return f"{rate * 8 / 1e9:,.3f}" if rate else "-"


def _cells(line):
    times = {name: ", ".join(f"{at:,.0f}" for at in line[name]) or "-" for name in ("grown_ms", "shrunk_ms")}
    return (line["step"], gigabits(line["rate"]) + " Gbit/s" * bool(line["rate"]),
            f"{line['ring']} KiB" if line["ring"] else "-", f"{line['best']} KiB" if line["best"] else "-",
            f"{line['ratio']:.3f}" if line["ratio"] else "-", str(line["switches"]), times["grown_ms"],
            times["shrunk_ms"], f"{line['area'] / 1024:,.0f}", f"{line['waits']:,.0f}", f"{line['waited']:.0%}")


def _fixed(lines, lengths):
    """All fixed lengths, in slices of one stream: median Gbit/s (lowest, highest), and of bursts how long one took."""
    cells = [("Gbit/s in slices", *(f"{kib} KiB" for kib in lengths))]
    for line in lines:
        if line["best"]:
            cells.append((line["step"], *(_range(line, kib) for kib in lengths)))
        if line["burst_ms"]:
            cells.append((f"{line['step']}, ms each", *(_ms(line["fixed_burst_ms"].get(kib)) for kib in lengths)))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [_aligned(line, widths) for line in cells]


def _range(line, kib):
    if kib not in line["fixed"]:
        return "-"
    digits = 3 if line["burst_ms"] else 0
    median, low, high = (f"{line[of][kib] * 8 / 1e9:.{digits}f}" for of in ("fixed", "lowest", "highest"))
    return f"{median} ({low}, {high})"


def _ms(value):
    return f"{value:.2f}" if value else "-"


def goal_line(goal):
    if goal["met"] is None:
        return f"{goal['goal']}: not measured"
    return f"{goal['goal']}: {goal['found']:,.3g}, {'met' if goal['met'] else 'missed'}"


def _aligned(line, widths):
    first, *others = line
    return "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
