#!/usr/bin/env python3
"""tools/bench/adapt's reading of runs: switches, times, averages, goals, table, plot. Nothing is measured."""
import sys
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from adaptive import figures, learned, plot, steps, table  # noqa: E402

SECOND = 10**9
KIB = 1024
TWO = (steps.Step("64 KiB", "stream:65536"), steps.Step("idle", "idle"))


def line(begin, sent, fits=True):
    return {"begin_ns": begin * SECOND, "end_ns": (begin + 10) * SECOND, "bytes": sent, "fits": fits, "waits": 3,
            "waited_ns": SECOND, "bursts": 0, "in_bursts_ns": 0}


def area(seconds, generation, kib):
    return {"at_ns": int(seconds * SECOND), "generation": generation, "guest_tx": kib * KIB}


def run(areas):
    return {"steps": [line(0, 960), line(10, 0)], "areas": areas,
            "samples": [{"at_ns": at * SECOND, "offered": at * 4, "bytes": at * 2, "waits": at} for at in range(3)]}


def slices(**rates):
    return {"64 KiB": [{"kib": int(kib[1:]), "rate": rate, "burst_ms": None} for kib, found in rates.items() for rate in found]}


FIXED = (256, 1024, 4096)
GROWN = run([area(0, 1, 256), area(0.1, 2, 1024), area(5, 2, 1024), area(15, 3, 256)])
SLICES = slices(_256=[50, 40, 60], _1024=[97, 10, 98], _4096=[100, 100, 30])


class Figures(unittest.TestCase):
    def test_switches_are_told_with_their_times_since_the_step_began(self):
        first, second = figures.of_run(GROWN)
        self.assertEqual((first["switches"], first["grown_ms"], first["shrunk_ms"]), (1, [100.0], []))
        self.assertEqual((second["switches"], second["grown_ms"], second["shrunk_ms"]), (1, [], [5000.0]))

    def test_goals_that_are_met(self):
        found = figures.results(TWO, [GROWN], SLICES, FIXED)
        first = found["steps"][0]
        self.assertEqual((first["best"], first["ring"], first["fixed"]), (4096, 1024, {256: 50, 1024: 97, 4096: 100}))
        # A hundredth of the step was before it had grown.
        self.assertAlmostEqual(first["ratio"], 0.99 * 0.97 + 0.01 * 0.50)
        self.assertEqual([goal["met"] for goal in found["goals"]], [True] * 5)

    def test_goals_that_are_missed(self):
        slow = run([area(0, 1, 256), area(0.3, 2, 1024), area(0.4, 3, 2048), area(0.5, 4, 4096)])
        found = figures.results(TWO, [slow], slices(_256=[50], _1024=[100], _4096=[90]), FIXED)
        self.assertEqual([goal["met"] for goal in found["goals"]], [False, False, False, None, False])

    def test_a_ring_that_was_not_compared_has_no_ratio(self):
        found = figures.results(TWO, [GROWN], slices(_256=[50], _4096=[90]), FIXED)
        self.assertIsNone(found["steps"][0]["ratio"])

    def test_without_fixed_lengths_there_is_no_ratio(self):
        found = figures.results(TWO, [GROWN], {}, ())
        self.assertEqual([goal["met"] for goal in found["goals"]], [None, None, True, True, True])

    def test_long_frames_are_not_sent_into_short_rings(self):
        self.assertEqual(steps.lengths(TWO[0], (64, 256, 1024)), (256, 1024))
        self.assertEqual(steps.lengths(steps.Step("64 B", "stream:64"), (64, 256)), (64, 256))


def first_second(first, later, rings=((0, 1, 1024),)):
    """What is found of a stream of three seconds, of so many bytes a second."""
    samples = [{"at_ns": at * SECOND // 2, "bytes": first * at // 2 if at <= 2 else first + later * (at - 2) // 2, "bursts": 0}
               for at in range(1, 7)]
    return learned.figures(samples, {"begin_ns": 0, "end_ns": 3 * SECOND + 1}, [area(*ring) for ring in rings])


class Learned(unittest.TestCase):
    def test_the_first_second_is_compared_with_those_behind_it(self):
        found = first_second(480, 960, ((0, 1, 256), (0.2, 2, 1024)))
        self.assertEqual((found["ring"], found["last_ring"], found["switches"]), (256 * KIB, 1024 * KIB, 1))
        self.assertEqual((round(found["first"]), round(found["later"])), (480, 960))

    def test_goals(self):
        def met(known):
            return [goal["met"] for goal in learned.goals([{"known": learned.middle([known])}])]

        self.assertEqual(met(first_second(940, 960)), [True, True])
        self.assertEqual(met(first_second(700, 960)), [False, True])
        self.assertEqual(met(first_second(960, 960, ((0, 1, 256), (1, 2, 1024)))), [True, False])

    def test_the_table_has_both_vifs(self):
        line = {"stream": "64 B", **{name: learned.middle([first_second(940, 960)]) for name in ("unknown", "known")}}
        shown = learned.text({"streams": [line], "goals": learned.goals([line])})
        self.assertIn("64 B, known", shown)
        self.assertIn(">= 0.95: 0.979, met", shown)


class Shown(unittest.TestCase):
    def test_the_table_has_the_goals_beside_the_figures(self):
        shown = table.text(figures.results(TWO, [GROWN], SLICES, FIXED))
        self.assertIn("0.965", shown)
        self.assertIn("grows within 200 ms: 100, met", shown)

    def test_the_plot_has_rates_and_rings_over_time(self):
        rates, areas = plot.rows(GROWN)
        self.assertEqual(rates[0], (1.0, 4 * 8 / 1e9, 2 * 8 / 1e9, 1.0))
        self.assertEqual(areas[1], (0.1, 1024.0))
        self.assertIn("set label 'idle'", plot.script(GROWN, ["64 KiB", "idle"], "data", "out.png"))


if __name__ == "__main__":
    unittest.main()
