"""Two back ends' figures side by side, for a person and as JSON. Pure."""
from . import figures
from .rows import EVENTS

BACKENDS = {"kernel": "kernel netback", "hush": "hush-backd"}


def compare(row, by_backend):
    """[{figure, title, kernel, hush, ratio, goal, met}] of a row; what was not measured is None."""
    lines = []
    for name, (title, digits) in figures.TITLES.items():
        values = {backend: by_backend.get(backend, {}).get(name) for backend in BACKENDS}
        if all(value is None for value in values.values()):
            continue
        goal = row.goal if name == row.figure else EVENTS if name == "events" else None
        ratio = _ratio(values["hush"], values["kernel"])
        lines.append({"figure": name, "title": title, "digits": digits, **values, "ratio": ratio,
                      "goal": str(goal) if goal else None,
                      "met": goal.met(ratio) if goal and ratio is not None else None})
    return lines


def _ratio(hush, kernel):
    return hush / kernel if kernel and hush is not None else None


def text(kind, rows):
    """`rows` is [(Row, its lines by compare())]."""
    cells = [(f"stock {kind.upper()} guest", *BACKENDS.values(), "ratio", "goal", "")]
    for row, lines in rows:
        cells.append((row.title, "", "", "", "", ""))
        cells += [_cells(line) for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(_aligned(line, widths) for line in cells)


def _cells(line):
    met = {None: "", True: "met", False: "missed"}[line["met"]]
    numbers = [_number(line[backend], line["digits"]) for backend in BACKENDS]
    return (f"  {line['title']}", *numbers, _number(line["ratio"], 2), line["goal"] or "", met)


def _number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _aligned(line, widths):
    first, *numbers, goal, met = line
    shown = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:]))]
    return "  ".join([*shown, goal.ljust(widths[-2]), met]).rstrip()
