"""The first second of a vif whose workload is known, beside that of one before it, of which nothing was."""
import statistics

from common.host import host
from common.program import load

from .run import PATIENCE, TAG, judge, rates, sender, set_up, watch
from .steps import STEPS
from .table import gigabits, goal_line

FIRST = 1.0  # seconds
WITHIN = 0.95  # of what the same stream has afterwards
STREAMS = [step for step in STEPS if step.load.startswith("stream")]


def results(lab, chosen, log, step):
    """{"streams": [{"stream", "unknown": figures, "known": figures}], "goals": [...]}, medians of all rounds."""
    lines = []
    for stream in STREAMS:
        rounds = []
        for number in range(chosen.rounds):
            step(f"{stream.name}, round {number + 1}: a vif of an unknown workload, and then one of the same")
            rounds.append(run(lab, stream, chosen.seconds, log))
        lines.append({"stream": stream.name, **{name: middle([one[name] for one in rounds]) for name in ("unknown", "known")}})
    return {"streams": lines, "goals": goals(lines)}


def run(lab, stream, seconds, log):
    """{"unknown": figures, "known": figures} of two vifs, one after the other. The second one learns from the first."""
    with host(TAG, lab.programs, lab.cpus[0], 1, log) as there:
        there.do("set", "default/workload", "bench")
        set_up(there, lab)
        unknown = first_second(there, lab, stream, seconds, log)
        # What it used is written down as it disconnects: its program has ended, in the middle of its traffic.
        there.do("detach", 1)
        there.do("attach", 1)
        return {"unknown": unknown, "known": first_second(there, lab, stream, seconds, log)}


def first_second(there, lab, stream, seconds, log):
    """{"ring", "last_ring": bytes, "switches", "first", "later": bytes a second in the first one, and from then on}"""
    with load(there, 1, sender(lab, 0, ["--offloads", *stream.words(seconds)]), log) as sends:
        areas = watch(there, sends, seconds + PATIENCE)
        judge(sends.lines[-1], there.queue(), lab.echo)
        samples = [line for line in sends.lines if line["role"] == "sample"]
        [step] = [line for line in sends.lines if line["role"] == "step"]
    return figures(samples, step, areas)


def figures(samples, step, areas):
    begin, cut = step["begin_ns"], step["begin_ns"] + FIRST * 1e9
    inside = [line for line in samples if begin <= line["at_ns"] < step["end_ns"]]
    early, late = ([line for line in inside if (line["at_ns"] < cut) == first] for first in (True, False))
    return {"ring": areas[0]["guest_tx"], "last_ring": areas[-1]["guest_tx"],
            "switches": areas[-1]["generation"] - 1,  # the first one's is 1
            "first": rates({"at_ns": begin, "bytes": 0, "bursts": 0}, early[-1])["rate"],
            "later": rates(late[0], late[-1])["rate"]}


def middle(rounds):
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return found | {"switches": max(one["switches"] for one in rounds),
                    "ratio": statistics.median(one["first"] / one["later"] for one in rounds)}


def goals(lines):
    worst, switches = min(line["known"]["ratio"] for line in lines), max(line["known"]["switches"] for line in lines)
    return [{"goal": f"a known workload's first second, of its later ones >= {WITHIN}", "found": worst, "met": worst >= WITHIN},
            {"goal": "switches of a known workload = 0", "found": switches, "met": switches == 0}]


def text(results):
    shown = [f"{'the first second of a stream':30}{'ring, KiB':>14}{'Gbit/s, 1st':>13}{'later':>10}{'ratio':>8}{'switches':>10}"]
    for line in results["streams"]:
        for name in ("unknown", "known"):
            one = line[name]
            ring = f"{one['ring'] // 1024:.0f} to {one['last_ring'] // 1024:.0f}"
            shown.append(f"{line['stream'] + ', ' + name:30}{ring:>14}{gigabits(one['first']):>13}{gigabits(one['later']):>10}"
                         f"{one['ratio']:>8.3f}{one['switches']:>10}")
    return "\n".join([*shown, "", *map(goal_line, results["goals"])])
