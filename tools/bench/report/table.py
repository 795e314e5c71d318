"""The pairs' figures side by side, for a person and as JSON. Pure."""
from . import figures
from .pairs import KERNEL


def compare(row, by_pair):
    """[{figure, title, digits, pairs: {name: {value, ratio, goal, met}}}] of a row; what was not measured is None. The
    ratio is over the kernel's figure."""
    lines = []
    for name, (title, digits) in figures.TITLES.items():
        values = {pair: found.get(name) for pair, found in by_pair.items()}
        if any(value is not None for value in values.values()):
            kernel = values.get(KERNEL.name)
            lines.append({"figure": name, "title": title, "digits": digits,
                          "pairs": {pair: _cell(row.goal(pair, name), value, None if pair == KERNEL.name else kernel)
                                    for pair, value in values.items()}})
    return lines


def _cell(goal, value, kernel):
    ratio = value / kernel if kernel and value is not None else None
    return {"value": value, "ratio": ratio, "goal": str(goal) if goal else None,
            "met": goal.met(ratio) if goal and ratio is not None else None}


def text(kind, pairs, rows):
    """`rows` is [(Row, its lines by compare())]; a column for each of `pairs`, and behind it its ratio and goal."""
    head = [f"{kind.upper()} guest"]
    for pair in pairs:
        head += [pair.title] if pair == KERNEL else [pair.title, "ratio", "goal", ""]
    cells = [head]
    for row, lines in rows:
        cells.append([row.title, *[""] * (len(head) - 1)])
        cells += [_cells(pairs, line) for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(_aligned(line, widths) for line in cells)


def _cells(pairs, line):
    cells = [f"  {line['title']}"]
    for pair in pairs:
        cell = line["pairs"].get(pair.name, _cell(None, None, None))
        cells.append(_number(cell["value"], line["digits"]))
        if pair != KERNEL:
            cells += [_number(cell["ratio"], 2), cell["goal"] or "", {None: "", True: "met", False: "missed"}[cell["met"]]]
    return cells


def _number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _aligned(line, widths):
    first, *others = line
    return "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
