"""From runs to figures a step, beside the goals. Pure."""
import statistics

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


def rings(run, step):
    """KiB of guest_tx, at the step's begin and at its end."""
    seen = [area["guest_tx"] // 1024 for area in run["areas"] if step["begin_ns"] <= area["at_ns"] < step["end_ns"]]
    return {"first_kib": seen[0] if seen else None, "ring_kib": seen[-1] if seen else None}


def of_run(run):
    """[a step's figures]"""
    found = []
    for step in run["steps"]:
        changes = moves(run, step)
        grown = [at for at, before, after in changes if after > before]
        shrunk = [at for at, before, after in changes if after < before]
        found.append({"rate": rate(step), "switches": len(changes), "grown_ms": grown, "shrunk_ms": shrunk,
                      "area": average_area(run, step["begin_ns"], step["end_ns"]), "ms": (step["end_ns"] - step["begin_ns"]) / 1e6,
                      **rings(run, step), "waits": step["waits"],
                      "waited": step["waited_ns"] / (step["end_ns"] - step["begin_ns"]),
                      "burst_ms": step["in_bursts_ns"] / step["bursts"] / 1e6 if step["bursts"] else None})
    return found


def middle(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def results(steps, runs, slices, fixed):
    """{"steps": [{"step", "rate", "fixed": {KiB: rate}, "best", "ring", "ratio", ...}], "area", "largest", "goals"}.
    slices: {step's name: [a slice's figures]}; fixed: all lengths, KiB."""
    found = [of_run(run) for run in runs]
    lines = [of_step(step, [run[at] for run in found], slices.get(step.name, [])) for at, step in enumerate(steps)]
    area = statistics.mean(average_area(run, run["steps"][0]["begin_ns"], run["steps"][-1]["end_ns"]) for run in runs)
    largest = max(fixed) * 1024 if fixed else None
    return {"steps": lines, "area": area, "largest": largest, "goals": goals(lines, area, largest)}


def of_step(step, runs, slices):
    lengths = sorted({one["kib"] for one in slices})
    fixed = {kib: middle(one["rate"] for one in slices if one["kib"] == kib) for kib in lengths}
    best = max(fixed, key=fixed.get) if fixed else None
    ring = statistics.mode(run["ring_kib"] for run in runs) if runs[0]["ring_kib"] else None
    before = statistics.mode(run["first_kib"] for run in runs) if runs[0]["first_kib"] else None
    grown = longest([run["grown_ms"] for run in runs])
    return {"step": step.name, "rate": middle(run["rate"] for run in runs), "rates": [run["rate"] for run in runs],
            "fixed": fixed, "lowest": {kib: min(one["rate"] for one in slices if one["kib"] == kib) for kib in lengths},
            "highest": {kib: max(one["rate"] for one in slices if one["kib"] == kib) for kib in lengths},
            "fixed_burst_ms": {kib: middle(one["burst_ms"] for one in slices if one["kib"] == kib) for kib in lengths},
            "best": best, "ring": ring,
            "ratio": ratio(fixed, best, before, ring, grown[-1] / runs[0]["ms"] if grown else 0),
            "switches": max(run["switches"] for run in runs), "grown_ms": grown,
            "shrunk_ms": longest([run["shrunk_ms"] for run in runs]),
            "area": statistics.mean(run["area"] for run in runs), "waits": middle(run["waits"] for run in runs),
            "waited": middle(run["waited"] for run in runs), "burst_ms": middle(run["burst_ms"] for run in runs)}


def ratio(fixed, best, before, ring, late):
    """What goes through the ring that was found, of what goes through the best one; `late`, the part of the step before
    it had grown, counts for the ring before. None: not among those that were compared."""
    if best is None or ring not in fixed:
        return None
    found = fixed[ring] / fixed[best]
    return found if not late else None if before not in fixed else found * (1 - late) + fixed[before] / fixed[best] * late


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
    return [goal(f"throughput in the ring that it found, of that in the best fixed length, in each step >= {THROUGHPUT}", ratio,
                 ratio and ratio >= THROUGHPUT),
            goal(f"average ring of the longest fixed one <= {AREA}", share, share and share <= AREA),
            goal(f"grows within {GROWS} ms", grown, grown and grown <= GROWS),
            goal(f"shrinks within {SHRINKS:,} ms", shrunk, shrunk and shrunk <= SHRINKS),
            goal(f"switches a step <= {SWITCHES}", switches, switches <= SWITCHES)]
