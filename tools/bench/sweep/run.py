"""The runs: one guest and one connection for all of them, and what both ends say of each."""
import contextlib
import time

from common.host import Failed, host
from common.program import load

from .loads import name, turns, word

TAG = "load"  # of its simulated host
RING = 1024  # KiB, both ways, whatever is sent: what a switch costs is not measured here
WARM_UP = 0.3  # seconds: whoever learns from what came has learned
STALL = 60_000  # ms: on a busy machine an end that polls may get no processor for more than the built-in second
PATIENCE = 60  # seconds, for what a run does beside its traffic


@contextlib.contextmanager
def connected(chosen, log):
    """(the host, the program in its guest, {end: what a sleep costs there, ns})"""
    with host(TAG, chosen.bin, chosen.cpus[0], 1, log) as there:
        for key, value in {"port": "echo", "area-tx": RING, "area-rx": RING, "area-stall": STALL}.items():
            there.do("set", f"default/{key}", value)
        there.do("attach", 1)
        words = [chosen.bin / "hush-load", "--cpu", chosen.cpus[1], "--ring", RING, "--peer", there.backd,
                 *(["--random"] if chosen.random else [])]
        with load(there, 1, words, log) as sends:
            costs = {"application": sends.answer(PATIENCE)["wake_cost_ns"],
                     "backd": there.ask(command="show", vif="vif1.0")["vif"]["polling"]["wake_cost_ns"]}
            yield there, sends, costs


def sweep(chosen, loads, log, step):
    """({end: what a sleep costs}, [{"round", "load", "mode", ...}]). Raises Failed where a frame was lost, late by seconds, or
    another one than was sent."""
    found = []
    with connected(chosen, log) as (there, sends, costs):
        for number, packets, mode in turns(loads, chosen.modes, chosen.rounds):
            step(f"round {number + 1} of {chosen.rounds}: {name(packets)}, mode {mode}")
            found.append({"round": number, "load": packets, "mode": mode} | one(there, sends, mode, packets, chosen.seconds))
    return costs, found


def one(there, sends, mode, packets, seconds):
    set_mode(there, mode)
    carried(sends, mode, packets, min(WARM_UP, seconds))
    before = counts(there)
    line = carried(sends, mode, packets, seconds)
    after = counts(there)
    return {"application": {key: line[key] for key in ("events_sent", "events_received", "sleeps", "needless")},
            "backd": {key: after[key] - before[key] for key in before}, **line}


def set_mode(there, mode):
    there.do("set", "default/poll-mode", mode)
    deadline = time.monotonic() + PATIENCE
    while there.ask(command="show", vif="vif1.0")["vif"]["polling"]["mode"] != mode:
        if time.monotonic() > deadline:
            raise Failed(f"hush-backd did not take mode {mode}")
        time.sleep(0.01)


def carried(sends, mode, packets, seconds):
    return sends.ask((mode, word(packets), seconds), seconds + PATIENCE)


def counts(there):
    """hush-backd's, since the vif came up. `stats` reads counters and disturbs no data thread."""
    [of] = there.ask(command="stats", vif="vif1.0")["vifs"]
    to, back = of["guest_tx"], of["guest_rx"]
    return {"frames": to["packets"], "events_sent": to["notifies_sent"] + back["notifies_sent"] + back["notifies_late"],
            "sleeps": of["polls"]["sleeps"], "needless": of["polls"]["needless_events"]}
