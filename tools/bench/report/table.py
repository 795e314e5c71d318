"""The pairs' figures side by side, for a person and as JSON. Pure."""
from . import figures
from .pairs import BASES


def compare(row, by_pair):
    """[{figure, title, digits, pairs: {name: {value, ratio, goal, met}}}] of a row; what was not measured is None. The
    ratio is over the figure of the row's base."""
    lines = []
    for name, (title, digits) in figures.TITLES.items():
        values = {pair: found.get(name) for pair, found in by_pair.items()}
        if any(value is not None for value in values.values()):
            base = values.get(row.base)
            lines.append({"figure": name, "title": title, "digits": digits,
                          "pairs": {pair: _cell(row.goal(pair, name), value, None if pair == row.base else base)
                                    for pair, value in values.items()}})
    return lines


def _cell(goal, value, base):
    ratio = value / base if base and value is not None else None
    return {"value": value, "ratio": ratio, "goal": str(goal) if goal else None,
            "met": goal.met(ratio) if goal and ratio is not None else None}


def text(kind, pairs, rows):
    """`rows` is [(Row, its lines by compare())]; a table for each base, in it a column for each of `pairs`, and behind it its ratio
    and goal."""
    tables = []
    for base in BASES:
        compared = [(row, lines) for row, lines in rows if row.base == base.name and lines]
        if compared:
            tables.append(_table(kind, [pair for pair in pairs if pair.base == base.name], compared))
    return "\n\n".join(tables)


def _table(kind, pairs, rows):
    head = [f"{kind.upper()} guest"]
    for pair in pairs:
        head += [pair.title] if pair.name == pair.base else [pair.title, "ratio", "goal", ""]
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
        if pair.name != pair.base:
            cells += [_number(cell["ratio"], 2), cell["goal"] or "", {None: "", True: "met", False: "missed"}[cell["met"]]]
    return cells


def _number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _aligned(line, widths):
    first, *others = line
    return "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
