"""From the lines of runs to figures, and to what a row's figures are beside the others'. Pure."""
import statistics

from . import rows

UNDISTURBED = 0.93  # of a processor, for each of two ends that poll
SAME_PLACE = 1.5  # how far the round trips of two runs' spins may be apart


class Wrong(Exception):
    """A run whose figure says nothing, and why."""


def of_run(case, row, lines, spins):
    """One run: {its figures, "cpu_share", "disturbed", "spins"}. `lines` are those of its commands, `spins` the round
    trips of two words before it and after it, in ns."""
    measured = next(line for line in lines if line["role"] in ("receiver", "ping"))
    if measured.get("wrong"):
        raise Wrong(f"{measured['wrong']} of {measured['frames']} frames were not what was sent")
    share = min(line["cpu_share"] for line in lines)
    found = {"cpu_share": share, "disturbed": row.polls and share < UNDISTURBED, "spins": spins}
    if case.is_rate:
        return found | {"frames_per_second": measured["frames"] / measured["seconds"],
                        "gbit_per_second": measured["bytes"] * 8 / measured["seconds"] / 1e9}
    return found | {name: measured[name] for name in ("p50", "p99", "p999")}


def names(case):
    """Of a case's figures; ratios are of the first."""
    return ("frames_per_second", "gbit_per_second") if case.is_rate else ("p50", "p99", "p999")


def place(runs):
    """Where most of a case's runs were, as the round trip of a spin: a virtual machine's processors are near each other
    at one time and distant at another, and everything is several times slower then."""
    return statistics.median_low([spin for run in runs for spin in run["spins"]])


def counts(run, spin):
    """Whether a run is comparable with those at the place `spin`."""
    moved = any(max(one, spin) > min(one, spin) * SAME_PLACE for one in run["spins"])
    return not run["disturbed"] and not moved


def summary(case, runs, spin):
    """A row's {"figures": {name: median}, "lowest", "highest", "counted": of how many runs, "doubtful", "runs"}. Where
    no run counts, all stand in for those that do: then it is doubtful."""
    counted = [run for run in runs if counts(run, spin)]
    used = counted or runs
    first = [run[names(case)[0]] for run in used]
    return {"figures": {name: statistics.median(run[name] for run in used) for name in names(case)},
            "lowest": min(first), "highest": max(first), "counted": len(counted), "doubtful": not counted, "runs": runs}


def compare(case, measured):
    """`measured` is [(Row, its summary)]. [{row, title, its summary, ratios: {reference: number}, goals}]"""
    better = max if case.is_rate else min
    values = {}
    for of, parties in rows.references(case.kind).items():
        found = [_main(case, summed) for row, summed in measured if row.party in parties]
        if found:
            values[of] = better(found)
    return [_line(case, row, summed, values) for row, summed in measured]


def _main(case, summed):
    return summed["figures"][names(case)[0]]


def _line(case, row, summed, values):
    ratios = {of: _main(case, summed) / value for of, value in values.items()}
    goals = [{"goal": str(goal), "met": goal.met(ratios[goal.of]) if goal.of in ratios else None}
             for goal in rows.goals(row, case)]
    return {"row": row.name, "title": row.title, **summed, "ratios": ratios, "goals": goals}
