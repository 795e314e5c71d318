"""From the lines of runs to figures, and to what a row's figures are beside the others'. Pure."""
import statistics

from . import rows
from .cases import ONE_WAY, RING_SIZE

UNDISTURBED = 0.93  # of a processor, for each of two ends that poll


class Wrong(Exception):
    """A run whose figure says nothing, and why."""


def of_run(case, row, lines):
    """{figures of one run, "cpu_share", "disturbed"}; `lines` are those of its commands, in their order."""
    measured = next(line for line in lines if line["role"] in ("receiver", "ping"))
    if measured.get("wrong"):
        raise Wrong(f"{measured['wrong']} of {measured['frames']} frames were not what was sent")
    share = min(line["cpu_share"] for line in lines)
    found = {"cpu_share": share, "disturbed": row.polls and share < UNDISTURBED}
    if one_way(case):
        found |= {"frames_per_second": measured["frames"] / measured["seconds"],
                  "gbit_per_second": measured["bytes"] * 8 / measured["seconds"] / 1e9}
    else:
        found |= {name: measured[name] for name in ("p50", "p99", "p999")}
    return found


def one_way(case):
    return case.kind in (ONE_WAY, RING_SIZE)


def main(case):
    """The figure that ratios are of."""
    return "frames_per_second" if one_way(case) else "p50"


def summary(runs):
    """{"figures": {name: median}, "counted": the runs that they are of, "disturbed": whether those were, "runs": all}.
    Runs that were disturbed count only where there are no others."""
    counted = [run for run in runs if not run["disturbed"]] or runs
    names = counted[0].keys() - {"cpu_share", "disturbed"}
    return {"figures": {name: statistics.median(run[name] for run in counted) for name in sorted(names)},
            "counted": counted, "disturbed": counted[0]["disturbed"], "runs": runs}


def compare(case, measured):
    """`measured` is [(Row, its summary)]. [{row, title, its summary, ratios: {reference: number}, goals}]"""
    name = main(case)
    values = {}
    for row, found in measured:
        values.setdefault(row.party, found["figures"][name])
    peers = [values[party] for party in rows.PEERS if party in values]
    if peers:
        values[rows.BEST_PEER] = max(peers) if one_way(case) else min(peers)
    if case.kind == RING_SIZE:
        values = {}  # there the rows are all of one party
    return [_line(case, row, found, values) for row, found in measured]


def _line(case, row, found, values):
    name = main(case)
    ratios = {of: found["figures"][name] / values[of] for of in rows.REFERENCES if values.get(of)}
    goals = [{"goal": str(goal), "met": goal.met(ratios[goal.of]) if goal.of in ratios else None}
             for goal in rows.goals(row, case)]
    spread = [run[name] for run in found["counted"]]
    return {"row": row.name, "title": row.title, **found, "counted": len(spread), "lowest": min(spread),
            "highest": max(spread), "ratios": ratios, "goals": goals}
