#!/usr/bin/env python3
"""tools/bench/adapt's reading of runs: switches, times, averages, goals, table, plot. Nothing is measured."""
import sys
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from adaptive import figures, plot, steps, table  # noqa: E402

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
