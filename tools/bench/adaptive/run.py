"""One run: the load in a guest, and hush-backd looked at, or told what to do, meanwhile."""
import time

from common.host import Failed, host
from common.program import load, until_ended

from .steps import OFFLOADS_KIB, SLICE

TAG = "adapt"  # of its simulated host
LOOK_EACH = 0.025  # seconds
SWITCH = 0.3  # seconds that the command for one and the switch itself take, at most in the usual case
PATIENCE = 60  # seconds, for all that a run does beside its traffic
# So that the longest rings that are compared fit in: twice 32 MiB and a page, in KiB.
AREA_LIMIT = 65604


def adaptive(lab, steps, seconds, log):
    """{"steps": the program's lines, "samples": the same, "areas": what hush-backd was seen to use, "sender": the
    program's account}. Raises Failed where a frame was lost, doubled or changed."""
    with host(TAG, lab.programs, lab.cpus[0], 1, log) as there:
        set_up(there, lab)
        words = sender(lab, OFFLOADS_KIB, (word for step in steps for word in step.words(seconds)))
        with load(there, 1, words, log) as sends:
            areas = watch(there, sends, len(steps) * seconds + PATIENCE)
            lines = sends.lines
            judge(lines[-1], there.queue(), lab.echo)
    by_role = {role: [line for line in lines if line["role"] == role] for role in ("sample", "step")}
    return {"steps": by_role["step"], "samples": by_role["sample"], "areas": areas, "sender": lines[-1]}


def sliced(lab, step, fixed, cycles, log):
    """[{"kib", "rate": bytes a second, "burst_ms"}]: one stream, in rings of each fixed length in turn, `cycles` times.
    A run for each length would compare moments of the machine: it may be several times as fast in one as in the next."""
    found = []
    with host(TAG, lab.programs, lab.cpus[0], 1, log) as there:
        set_up(there, lab)
        there.do("set", "default/area-rx", OFFLOADS_KIB)
        first = min(fixed)
        there.do("set", "default/area-tx", first)
        seconds = cycles * len(fixed) * (SLICE + SWITCH) + 1
        with load(there, 1, sender(lab, first, step.words(seconds)), log) as sends:
            # On a slow machine the stream ends before the last cycles.
            spans = [span for cycle in range(cycles) for span in one_cycle(there, sends, fixed[::-1 if cycle % 2 else 1])]
            for _ in until_ended([sends], PATIENCE + seconds):
                time.sleep(LOOK_EACH)
            judge(sends.lines[-1], there.queue(), lab.echo)
            samples = [line for line in sends.lines if line["role"] == "sample"]
    for kib, begin, end in spans:
        inside = [line for line in samples if begin <= line["at_ns"] < end]
        if len(inside) > 1:
            found.append({"kib": kib, **rates(inside[0], inside[-1])})
    return found


def set_up(there, lab):
    for key, value in {"port": "echo" if lab.echo else "sink", "area-limit": AREA_LIMIT,
                       "area-shrink-after": lab.shrink_after, "area-cooldown": lab.cooldown}.items():
        there.do("set", f"default/{key}", value)
    there.do("attach", 1)


def sender(lab, ring, steps):
    return [lab.programs / "hush-steps", "--cpu", lab.cpus[1], "--ring", ring, *(["--echo"] if lab.echo else []), *steps]


def one_cycle(there, sends, fixed):
    """[(KiB, begin, end)], ns, of the slices of one cycle."""
    spans = []
    for kib in fixed:
        there.do("set", "default/area-tx", kib)
        deadline = time.monotonic() + PATIENCE
        while (queue := there.queue()) is None or queue["guest_tx"]["ring_bytes"] != kib * 1024:
            if sends.has_ended():
                return spans
            if time.monotonic() > deadline:
                raise Failed(f"no area of {kib} KiB came to be")
        begin = time.monotonic_ns()
        time.sleep(SLICE)
        spans.append((kib, begin, time.monotonic_ns()))
    return spans


def rates(before, after):
    bursts = after["bursts"] - before["bursts"]
    return {"rate": (after["bytes"] - before["bytes"]) / (after["at_ns"] - before["at_ns"]) * 1e9,
            "burst_ms": (after["in_bursts_ns"] - before["in_bursts_ns"]) / bursts / 1e6 if bursts else None}


def watch(there, sends, patience):
    """[{"at_ns", "generation", "guest_tx", "guest_rx"}], rings in bytes, until the load has ended."""
    seen = []
    for _ in until_ended([sends], patience):
        at, queue = time.monotonic_ns(), there.queue()
        if queue:
            seen.append({"at_ns": at, "generation": queue["area"]["generation"],
                         **{ring: queue[ring]["ring_bytes"] for ring in ("guest_tx", "guest_rx")}})
        time.sleep(LOOK_EACH)
    return seen


def judge(sender, queue, echo):
    """Was all that was sent read, once and whole? An echo shows the order too."""
    if sender["connects"] != 1:
        raise Failed("the connection was lost")
    if echo and (sender["echo"] != sender["frames"] or sender["wrong"]):
        raise Failed(f"of {sender['frames']} frames {sender['echo']} came back, {sender['wrong']} of them wrong")
    if not echo and (queue is None or queue["port_sum"] != sender["sum"]):
        raise Failed("what the sink has read is not what was sent")
