"""From runs to figures a step, beside the goals. Pure."""
import statistics

from .steps import ADAPTIVE

THROUGHPUT = 0.95  # of the best fixed length, in each step
AREA = 0.25  # of the longest fixed one, on average
GROWS = 200  # ms from the step's begin
SHRINKS = 10_000  # ms from the step's begin
SWITCHES = 2  # a step


def rate(step):
    """Bytes a second; None: its frames do not fit in."""
    return step["bytes"] / (step["end_ns"] - step["begin_ns"]) * 1e9 if step["fits"] else None


def moves(run, step):
    """[(ms since the step's begin, bytes of guest_tx before, after)] of its switches; 0 bytes apart: of guest_rx only."""
    areas = run["areas"]
    return [((after["at_ns"] - step["begin_ns"]) / 1e6, before["guest_tx"], after["guest_tx"])
            for before, after in zip(areas, areas[1:])
            if after["generation"] != before["generation"] and step["begin_ns"] <= after["at_ns"] < step["end_ns"]]


def average_area(run, begin, end):
    """Bytes of guest_tx over the time from begin to end; 0: it was not looked at."""
    seen = [area["guest_tx"] for area in run["areas"] if begin <= area["at_ns"] < end]
    return statistics.mean(seen) if seen else 0


def of_run(run):
    """[a step's figures]"""
    found = []
    for step in run["steps"]:
        changes = moves(run, step)
        grown = [at for at, before, after in changes if after > before]
        shrunk = [at for at, before, after in changes if after < before]
        found.append({"rate": rate(step), "switches": len(changes), "grown_ms": grown, "shrunk_ms": shrunk,
                      "area": average_area(run, step["begin_ns"], step["end_ns"]), "waits": step["waits"],
                      "waited": step["waited_ns"] / (step["end_ns"] - step["begin_ns"]),
                      "burst_ms": step["in_bursts_ns"] / step["bursts"] / 1e6 if step["bursts"] else None})
    return found


def middle(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def results(steps, runs):
    """{"steps": [{"step", "adaptive", "fixed": {name: rate}, "best", "ratio", ...}], "area", "largest", "goals"}."""
    by_name = {}
    for run in runs:
        by_name.setdefault(run["contender"], []).append(of_run(run))
    adaptive = by_name[ADAPTIVE.name]
    fixed = {name: found for name, found in by_name.items() if name != ADAPTIVE.name}
    lines = [of_step(step, [run[at] for run in adaptive],
                     {name: [run[at] for run in found] for name, found in fixed.items()})
             for at, step in enumerate(steps)]
    area = statistics.mean(average_area(run, run["steps"][0]["begin_ns"], run["steps"][-1]["end_ns"])
                           for run in runs if run["contender"] == ADAPTIVE.name)
    largest = max((run["areas"][0]["guest_tx"] for run in runs if run["contender"] != ADAPTIVE.name), default=None)
    return {"steps": lines, "area": area, "largest": largest, "goals": goals(lines, area, largest)}


def of_step(step, adaptive, fixed):
    rates = {name: middle(run["rate"] for run in found) for name, found in fixed.items()}
    known = {name: found for name, found in rates.items() if found}
    best = max(known, key=known.get) if step.sends and known else None
    own = middle(run["rate"] for run in adaptive)
    return {"step": step.name, "rate": own, "rates": [run["rate"] for run in adaptive], "fixed": rates,
            "fixed_burst_ms": {name: middle(run["burst_ms"] for run in found) for name, found in fixed.items()},
            "best": best, "ratio": own / known[best] if best else None,
            "switches": max(run["switches"] for run in adaptive),
            "grown_ms": longest([run["grown_ms"] for run in adaptive]),
            "shrunk_ms": longest([run["shrunk_ms"] for run in adaptive]),
            "area": statistics.mean(run["area"] for run in adaptive), "waits": middle(run["waits"] for run in adaptive),
            "waited": middle(run["waited"] for run in adaptive), "burst_ms": middle(run["burst_ms"] for run in adaptive)}


def longest(times):
    """Of all runs' times the list that begins last."""
    return max((found for found in times if found), key=lambda found: found[0], default=[])


def goals(lines, area, largest):
    """[{"goal", "found", "met"}]; met is None where it was not measured."""
    def goal(text, found, met):
        return {"goal": text, "found": found, "met": None if found is None else met}

    ratio = min((line["ratio"] for line in lines if line["ratio"]), default=None)
    grown = max((line["grown_ms"][0] for line in lines if line["grown_ms"]), default=None)
    shrunk = max((line["shrunk_ms"][-1] for line in lines if line["shrunk_ms"]), default=None)
    switches = max(line["switches"] for line in lines)
    share = area / largest if largest else None
    return [goal(f"throughput of the best fixed length, in each step >= {THROUGHPUT}", ratio,
                 ratio and ratio >= THROUGHPUT),
            goal(f"average ring of the longest fixed one <= {AREA}", share, share and share <= AREA),
            goal(f"grows within {GROWS} ms", grown, grown and grown <= GROWS),
            goal(f"shrinks within {SHRINKS:,} ms", shrunk, shrunk and shrunk <= SHRINKS),
            goal(f"switches a step <= {SWITCHES}", switches, switches <= SWITCHES)]
