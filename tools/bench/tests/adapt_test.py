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


def run(contender, sent, areas, fits=True):
    return {"contender": contender, "steps": [line(0, sent, fits), line(10, 0, fits)], "areas": areas,
            "samples": [{"at_ns": at * SECOND, "offered": at * 4, "bytes": at * 2, "waits": at} for at in range(3)]}


GROWN = run("adaptive", 960, [area(0, 1, 256), area(0.1, 2, 1024), area(5, 2, 1024), area(15, 3, 256)])
FIXED = run("4096 KiB", 1000, [area(0, 1, 4096)])


class Figures(unittest.TestCase):
    def test_switches_are_told_with_their_times_since_the_step_began(self):
        first, second = figures.of_run(GROWN)
        self.assertEqual((first["switches"], first["grown_ms"], first["shrunk_ms"]), (1, [100.0], []))
        self.assertEqual((second["switches"], second["grown_ms"], second["shrunk_ms"]), (1, [], [5000.0]))

    def test_goals_that_are_met(self):
        found = figures.results(TWO, [GROWN, FIXED])
        self.assertEqual((found["steps"][0]["best"], found["steps"][0]["ratio"]), ("4096 KiB", 0.96))
        self.assertEqual([goal["met"] for goal in found["goals"]], [True] * 5)

    def test_goals_that_are_missed(self):
        slow = run("adaptive", 900, [area(0, 1, 256), area(0.3, 2, 2048), area(0.4, 3, 4096), area(0.5, 4, 8192)])
        found = figures.results(TWO, [slow, FIXED])
        self.assertEqual([goal["met"] for goal in found["goals"]], [False, False, False, None, False])

    def test_a_length_that_a_frame_does_not_fit_in_is_not_the_best(self):
        short = run("64 KiB", 9000, [area(0, 1, 64)], fits=False)
        self.assertEqual(figures.results(TWO, [GROWN, FIXED, short])["steps"][0]["best"], "4096 KiB")

    def test_without_fixed_lengths_there_is_no_ratio(self):
        found = figures.results(TWO, [GROWN])
        self.assertEqual([goal["met"] for goal in found["goals"]], [None, None, True, True, True])


class Shown(unittest.TestCase):
    def test_the_table_has_the_goals_beside_the_figures(self):
        shown = table.text(figures.results(TWO, [GROWN, FIXED]))
        self.assertIn("0.960", shown)
        self.assertIn("grows within 200 ms: 100, met", shown)

    def test_the_plot_has_rates_and_rings_over_time(self):
        rates, areas = plot.rows(GROWN)
        self.assertEqual(rates[0], (1.0, 4 * 8 / 1e9, 2 * 8 / 1e9, 1.0))
        self.assertEqual(areas[1], (0.1, 1024.0))
        self.assertIn("set label 'idle'", plot.script(GROWN, ["64 KiB", "idle"], "data", "out.svg"))


if __name__ == "__main__":
    unittest.main()
