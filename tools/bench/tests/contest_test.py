#!/usr/bin/env python3
"""tools/bench/area's reading of runs (figures, ratios, goals, table), its care for processes. Nothing is measured."""
import sys
import tempfile
import types
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from contest import cases, contenders, figures, pair, rows, table, turns  # noqa: E402

SMALL = cases.Case(cases.ONE_WAY, 64, 32)
BOTH = cases.Case(cases.BOTH_WAYS, 64, 32)
PING = cases.Case(cases.PING)
MANY = cases.Case(cases.VIFS, 64, 32, 256, cases.TO_DOM0, "auto")
AREA = rows.Row("area", "area", cases.ONE_WAY, rows.OURS, "none", None)
PING_AREA = rows.Row("ping_area", "area", cases.PING, rows.OURS, "none", None)


def row(name):
    return next(found for found in rows.ROWS if found.name == name)


def one_way(frames, share=1.0, wrong=0):
    return [{"role": "receiver", "frames": frames, "bytes": frames * 64, "seconds": 2.0, "wrong": wrong,
             "cpu_share": 1.0},
            {"role": "sender", "frames": frames, "cpu_share": share}]


def round_trips(p50):
    return [{"role": "pong", "frames": 9, "cpu_share": 1.0},
            {"role": "ping", "frames": 9, "seconds": 1.0, "p50": p50, "p99": p50 * 2, "p999": p50 * 3,
             "cpu_share": 1.0}]


def summary(case, found, runs, spins=()):
    """Of a Row's runs, each as its lines; `spins`: those of each run, where they are not 300 ns."""
    spins = spins or [300] * len(runs)
    judged = [figures.of_run(case, found, lines, (spin, spin)) for lines, spin in zip(runs, spins)]
    return figures.summary(case, judged, figures.place(judged))


def compared(case, by_row):
    """The lines of {Row: its only run}."""
    return figures.compare(case, [(found, summary(case, found, [run]) | {"note": ""}) for found, run in by_row.items()])


class Figures(unittest.TestCase):
    def test_a_rate_is_of_the_receivers_frames_and_time(self):
        run = figures.of_run(SMALL, row("ring_1m"), one_way(4_000_000), (300, 300))
        self.assertEqual(run["frames_per_second"], 2e6)
        self.assertAlmostEqual(run["gbit_per_second"], 1.024)

    def test_frames_that_are_not_what_was_sent_are_no_figure(self):
        with self.assertRaises(figures.Wrong):
            figures.of_run(SMALL, row("ring_1m"), one_way(9, wrong=1), (300, 300))

    def test_disturbed_runs_count_only_where_there_are_no_others(self):
        found = summary(SMALL, row("memif"), [one_way(100, 0.5), one_way(20), one_way(40), one_way(60)])
        self.assertEqual((found["figures"]["frames_per_second"], found["doubtful"], found["counted"]), (20, False, 3))
        found = summary(SMALL, row("memif"), [one_way(100, 0.5), one_way(20, 0.5), one_way(40, 0.9)])
        self.assertEqual((found["figures"]["frames_per_second"], found["doubtful"], found["counted"]), (20, True, 0))

    def test_runs_while_the_processors_were_elsewhere_do_not_count(self):
        found = summary(SMALL, row("memif"), [one_way(20), one_way(40), one_way(900), one_way(60)],
                        [560, 550, 150, 480])
        self.assertEqual((found["figures"]["frames_per_second"], found["highest"], found["counted"]), (20, 30, 3))

    def test_a_run_during_which_they_were_moved_does_not_count(self):
        run = figures.of_run(SMALL, row("memif"), one_way(20), (560, 150))
        self.assertFalse(figures.counts(run, 560))
        self.assertFalse(figures.counts(run, 150))

    def test_who_sleeps_is_not_disturbed(self):
        lines = round_trips(9000)
        lines[1]["cpu_share"] = 0.1
        self.assertFalse(figures.of_run(cases.Case(cases.WAKE), row("ping_eventfd"), lines, (300, 300))["disturbed"])

    def test_ratios_and_goals_of_ours(self):
        found = compared(SMALL, {row("ring_256k"): one_way(90), row("ring_1m"): one_way(100), row("memif"): one_way(20),
                                 row("virtio"): one_way(25), AREA: one_way(75)})
        ours = found[-1]
        self.assertEqual(ours["ratios"], {"memif": 3.75, "best_peer": 3.0, "raw": 0.75})  # of the best ring
        self.assertEqual([(goal["goal"], goal["met"]) for goal in ours["goals"]],
                         [(">= 2.5 of memif", True), (">= 0.8 of raw", False)])
        self.assertEqual(found[0]["goals"], [])

    def test_both_ways_are_compared_with_each_other_and_have_no_goals(self):
        found = compared(BOTH, {row("ring_both_1m"): one_way(100), row("area_both_1m"): one_way(60), row("memif_both"): one_way(20),
                                row("virtio_both"): one_way(30)})
        self.assertEqual(found[1]["figures"]["gbit_per_second"], 60 * 64 * 8 / 2.0 / 1e9)  # of what is back, counted once
        self.assertEqual([line["ratios"] for line in found[1:3]], [{"memif": 3.0, "best_peer": 2.0, "raw": 0.6},
                                                                   {"memif": 1.0, "best_peer": 20 / 30, "raw": 0.2}])
        self.assertEqual([line["goals"] for line in found], [[]] * 4)

    def test_a_frame_that_came_back_wrong_is_no_figure(self):
        with self.assertRaises(figures.Wrong):
            figures.of_run(BOTH, row("memif_both"), one_way(9, wrong=1), (300, 300))

    def test_the_best_of_round_trips_is_the_shortest(self):
        found = compared(PING, {row("ping_spin"): round_trips(300), PING_AREA: round_trips(390),
                                row("ping_memif"): round_trips(1000), row("ping_virtio"): round_trips(800)})
        self.assertEqual(found[1]["ratios"]["best_peer"], 390 / 800)
        self.assertTrue(all(goal["met"] for goal in found[1]["goals"]))

    def test_many_vifs_are_compared_with_one(self):
        found = compared(MANY, {row("vifs_one"): one_way(100), row("vifs_active"): one_way(81), row("vifs_idle"): one_way(94)})
        self.assertEqual([line["ratios"] for line in found], [{"alone": 1.0}, {"alone": 0.81}, {"alone": 0.94}])
        self.assertEqual([[(goal["goal"], goal["met"]) for goal in line["goals"]] for line in found],
                         [[], [(">= 0.8 of one", True)], [(">= 0.95 of one", False)]])

    def test_without_a_peer_there_is_no_ratio(self):
        [ours] = compared(SMALL, {AREA: one_way(75)})
        self.assertEqual(ours["ratios"], {})
        self.assertEqual([goal["met"] for goal in ours["goals"]], [None, None])


class Rows(unittest.TestCase):
    def test_names_are_told_apart(self):
        names = [found.name for found in rows.ROWS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([found.name for found in rows.chosen("ring_*,ping_*", quick=True)],
                         ["ring_256k", "ring_1m", "ping_spin", "ping_area", "ping_memif", "ping_virtio", "ping_eventfd"])

    def test_goals_are_for_cases_that_exist(self):
        there = {(case.kind, case.size, case.burst) for case in cases.cases(cases.SIZES, cases.BURSTS)}
        self.assertLessEqual(rows.GOALS.keys(), there)

    def test_one_way_and_both_ways_do_not_compete(self):
        chosen = types.SimpleNamespace(rows=rows.chosen("*_1m,memif*,virtio*"), sizes=(64,), bursts=(1, 32), vifs=3)
        self.assertEqual([(str(case), [found.name for found in competing]) for case, competing in turns.planned(chosen)],
                         [(f"64 B, burst {burst}{ways}", names) for ways, names in
                          (("", ["ring_1m", "area_tx_1m", "area_rx_1m", "memif", "virtio"]),
                           (", both ways", ["ring_both_1m", "area_both_1m", "memif_both", "virtio_both"])) for burst in (1, 32)])

    def test_of_a_pair_one_end_measures(self):
        lab = contenders.Lab(Path("bin"), (0, 1), 1.0, 0.1)
        for name, case, roles in (("ring_1m", SMALL, [("receive", True), ("send", False)]),
                                  ("ring_both_1m", BOTH, [("echo", False), ("both", True)]),
                                  ("memif", SMALL, [("receive", True), ("send", False)]),
                                  ("memif_both", BOTH, [("echo", False), ("both", True)]),
                                  ("ping_virtio", PING, [("pong", False), ("ping", True)])):
            with row(name).commands(lab, case) as commands:
                self.assertEqual([(command.words[1], command.measures) for command in commands], roles)

    def test_many_vifs_compete_both_ways_in_both_modes(self):
        chosen = types.SimpleNamespace(rows=rows.chosen("vifs_*"), sizes=(64,), bursts=(32,), vifs=3)
        self.assertEqual([(str(case), [found.name for found in competing]) for case, competing in turns.planned(chosen)],
                         [(f"3 vifs, 64 B, burst 32, {way}, mode {mode}", ["vifs_one", "vifs_active", "vifs_idle"])
                          for mode in ("auto", "poll") for way in ("to Dom0", "from Dom0")])

    def test_an_area_has_room_for_two_records(self):
        long = cases.Case(cases.ONE_WAY, 65536, 32)
        self.assertFalse(contenders.area_fits(128, long))
        self.assertTrue(contenders.area_fits(256, long))
        self.assertIn("area_tx_256k", [found.name for found in rows.ROWS if found.fits(long)])

    def test_dpdk_says_how_it_carries_what_no_buffer_holds(self):
        self.assertEqual(contenders.dpdk_note(cases.Case(cases.ONE_WAY, 65536, 1)),
                         "128 descriptors, 2 segments of 32 KiB")
        self.assertEqual(contenders.dpdk_note(cases.Case(cases.ONE_WAY, 1500, 1)), "1024 descriptors")


class Table(unittest.TestCase):
    def test_lines_have_figures_ratios_and_goals(self):
        found = compared(SMALL, {row("ring_1m"): one_way(200), AREA: one_way(180, share=0.5)})
        shown = [line.split() for line in table.text([turns.Result(SMALL, 300, found)]).splitlines()]
        self.assertEqual(shown[1], ["64", "B,", "burst", "32", "(spin", "300", "ns)"])
        self.assertEqual(shown[2][:2], ["raw", "ring"])
        self.assertEqual(shown[3][:2], ["area", "*"])
        self.assertIn("0.90", shown[3])
        self.assertEqual(" ".join(shown[3]).rpartition("0.90 ")[2], ">= 2.5 of memif: not measured; >= 0.8 of raw: met")


    def test_both_ways_are_a_part_of_their_own(self):
        one = compared(SMALL, {row("ring_1m"): one_way(200)})
        both = compared(BOTH, {row("ring_both_1m"): one_way(100), row("area_both_1m"): one_way(80)})
        shown = table.text([turns.Result(SMALL, 300, one), turns.Result(BOTH, 300, both)]).splitlines()
        head = shown.index("") + 1
        self.assertTrue(shown[head].startswith("both ways") and shown[head].endswith("of raw  goal"))
        self.assertEqual(shown[head + 1], "64 B, burst 32, both ways (spin 300 ns)")
        self.assertTrue(shown[head + 3].endswith("0.80"))

    def test_each_part_has_its_own_references(self):
        one = compared(SMALL, {row("ring_1m"): one_way(200)})
        many = compared(MANY, {row("vifs_one"): one_way(100), row("vifs_active"): one_way(81)})
        shown = table.text([turns.Result(SMALL, 300, one), turns.Result(MANY, 300, many)]).splitlines()
        self.assertTrue(shown[0].endswith("of raw  goal"))
        head = shown.index("") + 1
        self.assertTrue(shown[head].startswith("many vifs") and shown[head].endswith("of one  goal"))
        self.assertEqual(shown[head + 1], "256 vifs, 64 B, burst 32, to Dom0, mode auto (spin 300 ns)")
        self.assertTrue(shown[head + 3].endswith("0.81  >= 0.8 of one: met"))


class Pair(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "log"

    def run_pair(self, *scripts, there=None):
        """The last one measures; `there` is what it waits for."""
        return pair.run([contenders.Command([sys.executable, "-c", script], script == scripts[-1], there)
                         for script in scripts], 1, self.log)

    # What process.hpp makes of every measured program.
    GOOD = """
import os, pathlib, signal, sys, time
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
print('{"at": 1}', flush=True)
pathlib.Path(PATH).touch()
while not stop:
    time.sleep(0.01)
print('{"at": 2}', flush=True)
os.close(1)
sys.stdin.read()
"""

    def test_both_are_heard_and_end(self):
        there = self.log.with_name("there")
        other = self.log.with_name("other")
        first = self.GOOD.replace("PATH", repr(str(there)))
        second = self.GOOD.replace('"at": 2', '"at": 3').replace("PATH", repr(str(other)))
        self.assertEqual(self.run_pair(first, second, there=there), [{"at": 2}, {"at": 3}])

    def test_the_reason_of_one_that_ends_is_told(self):
        with self.assertRaises(pair.Failed) as error:
            self.run_pair("import time; time.sleep(100)", "import sys; sys.exit('no room')")
        self.assertEqual(str(error.exception), "no room")

    def test_silence_is_a_failure(self):
        self.addCleanup(setattr, pair, "PATIENCE", pair.PATIENCE)
        pair.PATIENCE = -0.5
        with self.assertRaises(pair.Failed) as error:
            self.run_pair("import time; time.sleep(100)")
        self.assertEqual(str(error.exception), "no figure in time")


if __name__ == "__main__":
    unittest.main()
