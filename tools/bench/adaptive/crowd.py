"""Many pairs of which few are busy: with a budget that all together would like to exceed, and with an ample one."""
import contextlib
import statistics
import time

from common.host import Failed, host
from common.program import load, until_ended

from .run import PATIENCE, TAG
from .steps import BURST
from .table import gigabits

BUSY = 4
AMPLE = 1024  # MiB
PAGE = 4096
WITHIN = 0.95  # of the throughput without want
LOOK_EACH = 0.1  # seconds
AREA_LIMIT = 8448  # KiB, as built in
# All want long rings at first; then most of them rest, and what they had is wanted by the busy ones.
ALL = f"bursts:1500:{BURST}:400"
BUSY_LOAD = f"bursts:65536:{BURST}:20"


def results(lab, chosen, log, step):
    runs = {}
    for number in range(chosen.rounds):
        for budget in (AMPLE, chosen.budget):
            step(f"round {number + 1}: {chosen.pairs} pairs, {BUSY} of them busy, a budget of {budget} MiB")
            runs.setdefault(budget, []).append(run(lab, chosen, budget, log))
    rates = {budget: statistics.median(one["rate"] for one in of) for budget, of in runs.items()}
    most = max(one["most"] for one in runs[chosen.budget])
    ratio = rates[chosen.budget] / rates[AMPLE]
    return {"pairs": chosen.pairs, "busy": BUSY, "budget": chosen.budget, "rates": rates, "ratio": ratio,
            "most_mapped": most, "most_mapped_ample": max(one["most"] for one in runs[AMPLE]),
            "samples": sum(one["samples"] for one in runs[chosen.budget]), "within": ratio >= WITHIN,
            "never_over": most <= chosen.budget << 20}


def text(found):
    met = {True: "met", False: "missed"}
    return "\n".join([
        f"{found['pairs']} pairs, {found['busy']} of them busy",
        f"  budget {AMPLE} MiB: {gigabits(found['rates'][AMPLE])} Gbit/s, at most "
        f"{found['most_mapped_ample'] / 2**20:.1f} MiB mapped",
        f"  budget {found['budget']} MiB: {gigabits(found['rates'][found['budget']])} Gbit/s, at most "
        f"{found['most_mapped'] / 2**20:.1f} MiB mapped in {found['samples']} samples",
        f"the busy ones' throughput, of that without want >= {WITHIN}: {found['ratio']:.3f}, {met[found['within']]}",
        f"never over the budget: {met[found['never_over']]}"])


def run(lab, chosen, budget, log):
    """{"rate": bytes a second of the busy ones, "most": bytes that were mapped at most, "samples"}"""
    with host(TAG, lab.programs, lab.cpus[0], chosen.pairs, log) as there, contextlib.ExitStack() as stack:
        there.do("set", "area-budget", budget)
        for key, value in {"port": "sink", "area-limit": AREA_LIMIT, "area-shrink-after": lab.shrink_after,
                           "area-cooldown": lab.cooldown}.items():
            there.do("set", f"default/{key}", value)
        loads = []
        for domain in range(1, chosen.pairs + 1):
            there.do("attach", domain)
            rest = BUSY_LOAD if domain <= BUSY else "idle"
            # The first ones to come wait for the last ones: a busy one is measured when all are there.
            words = [lab.programs / "hush-steps", "--cpu", lab.cpus[1], "--ring", 0, "--offloads",
                     "--step", f"{ALL}:{chosen.seconds}", "--step", f"{rest}:{chosen.seconds}"]
            loads.append(stack.enter_context(load(there, domain, words, log)))
        most, samples = watch(there, loads, chosen)
        last = [[line for line in one.lines if line["role"] == "step"][-1] for one in loads[:BUSY]]
        for domain, one in enumerate(loads, 1):
            queue = there.queue(domain)
            if queue is None or queue["port_sum"] != one.lines[-1]["sum"]:
                raise Failed(f"what vif{domain}.0 has read is not what was sent")
    return {"rate": sum(step["bytes"] / (step["end_ns"] - step["begin_ns"]) * 1e9 for step in last), "most": most,
            "samples": samples}


def watch(there, loads, chosen):
    """(bytes mapped at most, of how many samples)"""
    seen = []
    for _ in until_ended(loads, 2 * chosen.seconds + PATIENCE):
        seen.append(there.mapped_pages() * PAGE)
        time.sleep(LOOK_EACH)
    return max(seen), len(seen)
