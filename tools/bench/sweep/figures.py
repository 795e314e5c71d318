"""From runs to figures a load and mode, beside the goals. Pure."""
import statistics

from .loads import SATURATION

ENDS = ("application", "backd")
OTHER = {"application": "backd", "backd": "application"}
POLL_EVENTS = 0  # in mode poll
AUTO_EVENTS_A_SECOND = 30  # in mode auto, of both ends, at saturation
AUTO_EVENTS_A_PACKET = 0.01  # in mode auto, of either end, at...
AUTO_AT = 100_000  # packets a second; the event index: 0.32
NEEDLESS = 0.01  # of the notifications in mode auto
CPU = 1.2  # in mode auto, of the better of poll and event...
CPU_AT = (10_000, SATURATION)  # packets a second
# Of a run, an end for its processor: more says more of the machine's other work than of ours. Who wakes 60,000 times a second
# waits 3 % by that alone.
WAITED = 0.07


def of_run(run):
    """A packet goes to hush-backd and comes back: each end sends it once."""
    packets, seconds = run["frames"], run["seconds"]
    sent = {end: run[end]["events_sent"] for end in ENDS}
    cpu = {"application": run["cpu_share"], "backd": run["peer_share"]}
    return {"packets": packets / seconds, "cpu": cpu,
            "cpu_us_a_packet": sum(cpu.values()) * seconds / packets * 1e6 if packets else None,
            **{f"{part}_us": run[part] / 1000 if part in run else None for part in ("p50", "p99", "p999")},
            "events_a_packet": {end: sent[end] / packets if packets else None for end in ENDS},
            "events_a_second": sum(sent.values()) / seconds,
            "sleeps_a_second": sum(run[end]["sleeps"] for end in ENDS) / seconds,
            "waited": run["waited"], "events": sum(sent.values()), "needless": sum(run[end]["needless"] for end in ENDS),
            "events_a_sleep": max(events_a_sleep(run, end) for end in ENDS)}


def events_a_sleep(run, end):
    """To this end, without the needless ones. Where it slept when the run began, that sleep was not counted in it."""
    return max(run[OTHER[end]]["events_sent"] - run[end]["needless"], 0) / (run[end]["sleeps"] + 1)


def middle(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def merged(all_rounds):
    """Medians of what the undisturbed rounds found, of all where there is none; and of all rounds the sums of what is counted, and
    the worst of what none may exceed."""
    calm = [one for one in all_rounds if one["waited"] <= WAITED]
    rounds = calm or all_rounds
    found = {key: middle(one[key] for one in rounds) for key in rounds[0] if not isinstance(rounds[0][key], dict)}
    for key in ("cpu", "events_a_packet"):
        found[key] = {end: middle(one[key][end] for one in rounds) for end in ENDS}
    return found | {**{key: sum(one[key] for one in all_rounds) for key in ("events", "needless")},
                    "events_a_sleep": max(one["events_a_sleep"] for one in all_rounds), "calm": len(calm),
                    "rounds": len(all_rounds)}


def results(runs):
    """{"points": [{"load", "mode", ...}], "goals": [...]}"""
    places = list(dict.fromkeys((run["load"], run["mode"]) for run in runs))
    points = [{"load": load, "mode": mode} | merged([of_run(run) for run in runs if (run["load"], run["mode"]) == (load, mode)])
              for load, mode in places]
    return {"points": points, "goals": goals(points, {load: cpu_ratio(runs, load) for load in CPU_AT})}


def goals(points, cpu_ratios):
    """[{"goal", "found", "met", "disturbed"}]; found and met are None where it was not measured. Disturbed: in each round, by the
    machine's other work."""
    at = {(point["load"], point["mode"]): point for point in points}
    auto = [point for point in points if point["mode"] == "auto"]
    polled = [point["events"] for point in points if point["mode"] == "poll"]

    def goal(text, found, most, at_load=None):
        return {"goal": text, "found": found, "met": None if found is None else found <= most,
                "disturbed": any(not point["calm"] for point in points if point["load"] == at_load)}

    full, busy = at.get((SATURATION, "auto")), at.get((AUTO_AT, "auto"))
    events = sum(point["events"] for point in auto)
    return [
        goal(f"notifications in mode poll = {POLL_EVENTS}", sum(polled) if polled else None, POLL_EVENTS),
        goal(f"in auto: notifications a second at saturation <= {AUTO_EVENTS_A_SECOND}",
             full and full["events_a_second"], AUTO_EVENTS_A_SECOND, SATURATION),
        goal("in auto: notifications a sleep, at any load <= 1",
             max((point["events_a_sleep"] for point in auto), default=None), 1),
        goal(f"in auto: needless ones of all notifications <= {NEEDLESS}",
             sum(point["needless"] for point in auto) / events if events else None, NEEDLESS),
        goal(f"in auto: notifications a packet of either end at {AUTO_AT:,} packets/s <= {AUTO_EVENTS_A_PACKET}",
             busy and max(busy["events_a_packet"].values()), AUTO_EVENTS_A_PACKET, AUTO_AT),
        *(goal(f"in auto: CPU a packet at {'saturation' if load == SATURATION else f'{load:,} packets/s'}, "
               f"of the better of poll and event <= {CPU}", cpu_ratios[load], CPU, load) for load in CPU_AT)]


def cpu_ratio(runs, load):
    """Of auto to the better of the others within a round, the median: the machine may be twice as fast in the next one. Disturbed
    rounds do not count where there are others. None: there was no round of all three."""
    rounds = {}
    for run in runs:
        if run["load"] == load:
            rounds.setdefault(run["round"], {})[run["mode"]] = of_run(run)
    whole = [one for one in rounds.values() if len(one) == 3 and all(of["cpu_us_a_packet"] for of in one.values())]
    calm = [one for one in whole if all(of["waited"] <= WAITED for of in one.values())]
    return middle(one["auto"]["cpu_us_a_packet"] / min(one[mode]["cpu_us_a_packet"] for mode in ("event", "poll"))
                  for one in calm or whole)
