"""Results as text. Pure."""

HEAD = ("step", "adaptive", "lowest to highest", "best fixed", "", "ratio", "switches", "grows, ms", "shrinks, ms",
        "average ring, KiB", "stalls", "stalled")


def text(results):
    cells = [HEAD, *(_cells(line) for line in results["steps"])]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    names = list(results["steps"][0]["fixed"])
    shown = [_aligned(line, widths) for line in cells]
    if names:
        shown += ["", *_fixed(results["steps"], names)]
    return "\n".join([*shown, "", *map(_goal, results["goals"])])


def gigabits(rate):
    return f"{rate * 8 / 1e9:,.3f}" if rate else "-"


def _cells(line):
    times = {name: ", ".join(f"{at:,.0f}" for at in line[name]) or "-" for name in ("grown_ms", "shrunk_ms")}
    return (line["step"], gigabits(line["rate"]) + " Gbit/s" * bool(line["rate"]),
            f"{gigabits(min(line['rates']))} to {gigabits(max(line['rates']))}" if line["rate"] else "-",
            gigabits(line["fixed"][line["best"]]) if line["best"] else "-", line["best"] or "",
            f"{line['ratio']:.3f}" if line["ratio"] else "-", str(line["switches"]), times["grown_ms"],
            times["shrunk_ms"], f"{line['area'] / 1024:,.0f}", f"{line['waits']:,.0f}", f"{line['waited']:.0%}")


def _fixed(lines, names):
    """All fixed lengths: Gbit/s, and of bursts how long one took."""
    cells = [("Gbit/s", *names, "adaptive")]
    for line in lines:
        if line["best"]:
            cells.append((line["step"], *(gigabits(line["fixed"][name]) for name in names), gigabits(line["rate"])))
        if line["burst_ms"]:
            cells.append((f"{line['step']}, ms each", *(_ms(line["fixed_burst_ms"][name]) for name in names),
                          _ms(line["burst_ms"])))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [_aligned(line, widths) for line in cells]


def _ms(value):
    return f"{value:.2f}" if value else "-"


def _goal(goal):
    if goal["met"] is None:
        return f"{goal['goal']}: not measured"
    return f"{goal['goal']}: {goal['found']:,.3g}, {'met' if goal['met'] else 'missed'}"


def _aligned(line, widths):
    first, *others = line
    return "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
