"""Results as text. Pure."""
from .loads import name

HEAD = ("packets/s", "mode", "achieved", "app's CPU", "backd's", "us a packet", "p50, us", "p99", "p99.9",
        "app's notifies a packet", "backd's", "all a second", "sleeps a second", "needless", "waited")


def text(results):
    cells = [HEAD, *(_cells(point) for point in results["points"])]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    costs = ", ".join(f"{end} {cost / 1000:.1f} us" for end, cost in results["wake_cost_ns"].items())
    return "\n".join([*(_aligned(line, widths) for line in cells), "", f"A sleep costs, as measured: {costs}.",
                      *["* an end waited for its processor, in each round"] * any(not point["calm"] for point in results["points"]),
                      "", *map(goal_line, results["goals"])])


def goal_line(goal):
    if goal["met"] is None:
        return f"{goal['goal']}: not measured"
    return f"{goal['goal']}: {goal['found']:,.3g}, {'met' if goal['met'] else 'missed'}{' *' * goal['disturbed']}"


def _cells(point):
    return (name(point["load"]), point["mode"], f"{point['packets']:,.0f}",
            *(f"{point['cpu'][end]:.1%}" for end in ("application", "backd")), _number(point["cpu_us_a_packet"], 2),
            *(_number(point[part], 1) for part in ("p50_us", "p99_us", "p999_us")),
            *(_number(point["events_a_packet"][end], 4) for end in ("application", "backd")),
            f"{point['events_a_second']:,.0f}", f"{point['sleeps_a_second']:,.0f}", f"{point['needless']:,}",
            f"{point['waited']:.1%}{' ' if point['calm'] else '*'}")


def _number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _aligned(line, widths):
    first, second, *others = line
    return "  ".join([first.ljust(widths[0]), second.ljust(widths[1]),
                      *(cell.rjust(width) for cell, width in zip(others, widths[2:]))]).rstrip()
