#!/usr/bin/env python3
"""tools/bench/load's reading of runs: what is a figure, goals, table, plot. Nothing is measured."""
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from common.host import Failed  # noqa: E402
from common.program import Load  # noqa: E402
from sweep import figures, loads, plot, table  # noqa: E402
from sweep.loads import SATURATION  # noqa: E402


def run(load, mode, packets=1000, cpu=0.5, events=(0, 0), sleeps=(0, 0), needless=(0, 0), waited=0.0, number=0):
    """Two seconds. Pairs: the application's, hush-backd's."""
    ends = {end: {"events_sent": events[at], "sleeps": sleeps[at], "needless": needless[at]}
            for at, end in enumerate(("application", "backd"))}
    times = {"p50": 20_000, "p99": 50_000, "p999": 90_000} if packets else {}
    return {"round": number, "load": load, "mode": mode, "frames": packets, "seconds": 2.0, "cpu_share": cpu, "peer_share": cpu,
            "waited": waited, **ends, **times}


GOOD = [run(load, mode, packets, cpu=1.0 if mode == "poll" else 0.5)
        for load, packets in ((0, 0), (10_000, 20_000), (100_000, 200_000), (SATURATION, 10**7)) for mode in loads.MODES]


def goals(runs):
    return [goal["met"] for goal in figures.results(runs)["goals"]]


def changed(one):
    return [one if (old["load"], old["mode"]) == (one["load"], one["mode"]) else old for old in GOOD]


class Loads(unittest.TestCase):
    def test_ten_from_idle_to_saturation_among_them_those_of_the_goals(self):
        self.assertEqual(len(loads.FULL), 10)
        self.assertEqual((loads.FULL[0], loads.FULL[-1]), (0, SATURATION))
        for load in (1_000, figures.AUTO_AT, *figures.CPU_AT):
            self.assertIn(load, loads.FULL)
        self.assertEqual(list(loads.FULL), sorted(loads.FULL))

    def test_each_mode_is_first_in_turn(self):
        turns = loads.turns((0, 10), ("event", "poll"), 2)
        self.assertEqual(turns, [(0, 0, "event"), (0, 0, "poll"), (0, 10, "event"), (0, 10, "poll"),
                                 (1, 0, "poll"), (1, 0, "event"), (1, 10, "poll"), (1, 10, "event")])

    def test_loads_have_words_for_the_program_and_names_for_people(self):
        self.assertEqual([loads.word(load) for load in (0, 1000, SATURATION)], ["0", "1000", "max"])
        self.assertEqual([loads.name(load) for load in (0, 1000, SATURATION)], ["idle", "1,000", "saturation"])


class Figures(unittest.TestCase):
    def test_what_a_run_comes_to(self):
        found = figures.of_run(run(1000, "auto", 2000, 0.1, events=(1500, 500), sleeps=(600, 1600), needless=(2, 10)))
        self.assertEqual((found["packets"], found["events_a_second"], found["sleeps_a_second"]), (1000, 1000, 1100))
        self.assertEqual(found["events_a_packet"], {"application": 0.75, "backd": 0.25})
        self.assertEqual((found["cpu_us_a_packet"], found["p50_us"], found["needless"]), (200, 20, 12))

    def test_an_event_belongs_to_a_sleep_of_the_other_end(self):
        one = run(1000, "auto", events=(11, 0), sleeps=(0, 9), needless=(0, 1))
        self.assertEqual(figures.events_a_sleep(one, "backd"), 1)  # the sleep that the run began in counts
        self.assertEqual(figures.events_a_sleep(one, "application"), 0)

    def test_idle_has_nothing_a_packet(self):
        found = figures.of_run(run(0, "poll", 0))
        self.assertEqual((found["p50_us"], found["cpu_us_a_packet"], found["events_a_packet"]["backd"]), (None, None, None))

    def test_disturbed_rounds_do_not_count_where_there_are_others(self):
        rounds = [run(1000, "auto", packets, waited=waited) for packets, waited in ((1000, 0.5), (2000, 0.01), (4000, 0))]
        [point] = figures.results(rounds)["points"]
        self.assertEqual((point["packets"], point["calm"], point["rounds"]), (1500, 2, 3))
        [point] = figures.results(rounds[:1])["points"]
        self.assertEqual((point["packets"], point["calm"]), (500, 0))

    def test_goals_that_are_met(self):
        self.assertEqual(goals(changed(run(100_000, "auto", 200_000, events=(1000, 0), sleeps=(0, 1000), needless=(5, 0)))),
                         [True] * 7)

    def test_goals_that_are_missed(self):
        self.assertEqual(goals(changed(run(0, "poll", 0, events=(1, 0))))[0], False)
        self.assertEqual(goals(changed(run(SATURATION, "auto", 10**7, events=(40, 40), sleeps=(40, 40))))[1], False)
        self.assertEqual(goals(changed(run(10_000, "auto", 20_000, events=(0, 3), sleeps=(1, 9))))[2], False)
        self.assertEqual(goals(changed(run(10_000, "auto", 20_000, events=(50, 0), sleeps=(0, 50), needless=(0, 1))))[3], False)
        self.assertEqual(goals(changed(run(100_000, "auto", 200_000, events=(0, 2001), sleeps=(2001, 0))))[4], False)
        self.assertEqual(goals(changed(run(10_000, "auto", 20_000, cpu=0.61)))[5], False)
        self.assertEqual(goals(changed(run(SATURATION, "auto", 10**7, cpu=0.61)))[6], False)

    def test_modes_are_compared_within_a_round(self):
        def rounds(*rates):
            return [run(SATURATION, mode, packets, number=number) for number, packets in enumerate(rates) for mode in loads.MODES]

        self.assertEqual(figures.cpu_ratio(rounds(10**6, 3 * 10**6), SATURATION), 1)
        slow = run(SATURATION, "auto", 10**6, number=1, waited=0.5)
        self.assertEqual(figures.cpu_ratio([*rounds(10**6, 3 * 10**6)[:-2], slow, rounds(1, 3 * 10**6)[-1]], SATURATION), 1)
        self.assertEqual(figures.cpu_ratio([run(SATURATION, "event", number=1), slow, run(SATURATION, "poll", number=1)], SATURATION),
                         0.001)
        self.assertIsNone(figures.cpu_ratio([slow], SATURATION))

    def test_what_was_not_measured_is_neither(self):
        found = goals([one for one in GOOD if one["mode"] == "event"])
        self.assertEqual(found, [None] * 7)


class Shown(unittest.TestCase):
    def shown(self, runs):
        return table.text(figures.results(runs) | {"wake_cost_ns": {"application": 15_000, "backd": 16_200}})

    def test_the_table_has_the_goals_below_the_figures(self):
        shown = self.shown(GOOD)
        self.assertIn("notifications in mode poll = 0: 0, met", shown)
        self.assertIn("application 15.0 us, backd 16.2 us", shown)
        self.assertNotIn("*", shown)

    def test_what_was_disturbed_in_each_round_is_marked(self):
        self.assertIn("50.0%*", self.shown([run(1000, "auto", waited=0.5)]))
        shown = self.shown(changed(run(SATURATION, "auto", 10**7, events=(40, 40), sleeps=(40, 40), waited=0.5)))
        self.assertIn("<= 30: 40, missed *", shown)
        self.assertIn("notifications in mode poll = 0: 0, met\n", shown)

    def test_the_plot_has_a_line_a_mode_and_idle_has_a_place(self):
        points = figures.results(GOOD)["points"]
        first, *_, last = plot.rows(points, "auto")
        self.assertEqual(first, (plot.IDLE, 1.0, None, None, None))
        self.assertEqual(last, (5 * 10**6, 1.0, 20, 50, plot.NONE))
        script = plot.script(("auto", "poll"), "data", "out.png")
        self.assertEqual(script.count("'data.poll' using 1:2"), 1)
        self.assertNotIn("event'", script)


class Asked(unittest.TestCase):
    def test_a_program_that_ends_is_told_from_one_that_answers(self):
        code = "print('{\"role\": \"ready\"}', flush=True); print('{\"n\": %d}' % len(input()), flush=True); raise SystemExit(3)"
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        program = Load(process, "it")
        try:
            self.assertEqual(program.answer(60), {"role": "ready"})
            self.assertEqual(program.ask(("auto", 10), 60), {"n": 7})
            with self.assertRaisesRegex(Failed, "it ended with status 3"):
                program.ask(("auto", 10), 60)
        finally:
            program.end()


if __name__ == "__main__":
    unittest.main()
