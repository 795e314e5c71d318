#!/usr/bin/env python3
"""The bench's reading of results: counts, symbols, figures, table. No machine is booted."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from report import counts, figures, pairs, profile, rows, symbols, table  # noqa: E402

XEN = 0xffff82d040200000
KERNEL = 0xffffffff81000000
DOM0, GUEST = 0x7f0000000000, 0x7f0060000000  # where each has its memory in the emulator


def written(text):
    file = tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".txt")
    file.write(text)
    file.flush()
    return file


def row(name):
    return next(found for found in rows.ROWS if found.name == name)


class Counts(unittest.TestCase):
    def test_windows_and_their_blocks(self):
        with written("window 0\nffff82d040200000 7f00 3 4\nwindow 1\nwindow 2\n10 20 1 1\n") as file:
            found = counts.windows(Path(file.name))
        self.assertEqual([len(window) for window in found], [1, 0, 1])
        self.assertEqual(found[0][0], counts.Block(XEN, 0x7f00, 3, 4))
        self.assertEqual(found[0][0].instructions, 12)


class Symbols(unittest.TestCase):
    def test_an_address_belongs_to_the_symbol_before_it(self):
        with written("0xffff82d040200000 T _start\n0xffff82d040200100 t entry.o#pv_hypercall\n") as file:
            found = symbols.hypervisor(Path(file.name))
        self.assertEqual(found.name(XEN + 0xff), "_start")
        self.assertEqual(found.name(XEN + 0x100), "pv_hypercall")
        self.assertEqual(found.name(0), "0x0")
        self.assertEqual(found.address("pv_hypercall"), XEN + 0x100)
        self.assertIsNone(found.address("hvm_hypercall"))

    def test_modules_are_named(self):
        with written("ffffffff81000000 T _text\nffffffff81000010 D data\n") as base, \
                written("ffffffffc0000000 t xenvif_poll\t[xen_netback]\n") as modules:
            found = symbols.kernel(Path(base.name), Path(modules.name))
        self.assertEqual(found.name(0xffffffffc0000008), "xenvif_poll [xen_netback]")
        self.assertEqual(found.name(KERNEL + 0x20), "_text")

    def test_only_a_process_own_mappings_are_named(self):
        with written("1000-2000 r-xp 00001000 00:00 7  /usr/bin/none\n7000-8000 r-xp 0 00:00 0  [vdso]\n") as maps:
            found = symbols.Program(Path(maps.name), "/nowhere/none", "/nowhere")
        self.assertEqual(found.name(0x7010), "[vdso]")
        self.assertIsNone(found.name(0x3000))

    def test_a_name_loses_its_arguments(self):
        self.assertEqual(symbols._short("hush::dom0::(anonymous namespace)::take(std::vector<int> const&)"), "dom0::take")
        self.assertEqual(symbols._short("hush::Ring<hush::Tx>::drain() const"), "Ring::drain")


class Profile(unittest.TestCase):
    def test_parts(self):
        boot = [counts.Block(KERNEL, DOM0, 1, 1)]
        window = [counts.Block(KERNEL, DOM0, 2, 10), counts.Block(KERNEL, GUEST, 3, 10), counts.Block(XEN, GUEST, 5, 1),
                  counts.Block(0x1010, DOM0 + 1, 1, 7), counts.Block(0x9000, DOM0, 1, 8),
                  counts.Block(0x9000, GUEST, 1, 9)]
        names = symbols.Table([(XEN, "xen"), (KERNEL, "kernel")])
        with written("1000-2000 r-xp 0 00:00 0  [vdso]\n") as maps:
            program = symbols.Program(Path(maps.name), "none", "none")
        found = profile.of_window(window, profile.Memory(boot, window), profile.Symbols(names, names, names, program))
        self.assertEqual({part: found.total(part) for part in found.parts},
                         {"Dom0 kernel": 20, "guest kernel": 30, "hypervisor": 5, "hush-backd": 7, "Dom0 programs": 8,
                          "guest programs": 9})
        self.assertEqual(found.total(), 79)
        shown = profile.text(found, 100, 10)
        self.assertRegex(shown, r"idle +21\.00%")
        self.assertRegex(shown, r"guest kernel +30\.00% +3\.0")


    def test_comparison(self):
        kernel, hush = profile.Profile(), profile.Profile()
        kernel.add("Dom0 kernel", "br_forward", 100)
        kernel.add("Dom0 kernel", "xenvif_tx_action", 300)
        hush.add("Dom0 kernel", "br_forward", 220)
        hush.add("hush-backd", "run", 200)
        shown = profile.comparison((kernel, 10), (hush, 20), "packet")
        self.assertRegex(shown, r"Dom0 kernel +40\.0 +11\.0 +10\.0")
        self.assertRegex(shown, r"all +40\.0 +21\.0 +10\.0")
        self.assertRegex(shown, r"\+10\.0  hush-backd +run")
        self.assertRegex(shown, r"-30\.0  Dom0 kernel +xenvif_tx_action")


class Figures(unittest.TestCase):
    def setUp(self):
        self.result = {
            "traffic": {"end": {"sum_received": {"bits_per_second": 3e9}}},
            "window": {"nanoseconds": 10**9, "files": {"rx_packets": 800, "tx_packets": 200, "rx_bytes": 125_000_000,
                                                       "tx_bytes": 0}},
            "before": {side: {"tx_packets": 0, "rx_packets": 0, "interrupts": 5} for side in ("guest", "dom0")},
            "after": {"guest": {"tx_packets": 1600, "rx_packets": 400, "interrupts": 105},
                      "dom0": {"tx_packets": 0, "rx_packets": 0, "interrupts": 405}}}

    def test_all_of_a_row(self):
        part = profile.Profile()
        part.add("Dom0 kernel", "f", 600_000)
        part.add("hush-backd", "f", 400_000)
        part.add("hypervisor", "f", 2_000_000)
        found = figures.figures(row("tcp_tx"), self.result, {"hypercalls": 500}, part)
        self.assertEqual(found, {"mbit_per_second": 3000, "events": 0.25, "events_to_guest": 0.05, "events_to_dom0": 0.2,
                                 "hypercalls": 0.5, "instructions_per_packet": 3000, "dom0_ms_per_gigabit": 1,
                                 "hypervisor_ms_per_gigabit": 2})

    def test_a_vif_that_nothing_crossed(self):
        for side in ("guest", "dom0"):
            self.result["after"][side] = self.result["before"][side]
        self.result["window"]["files"] = dict.fromkeys(self.result["window"]["files"], 0)
        found = figures.figures(row("tcp_tx"), self.result, {"hypercalls": 5}, profile.Profile())
        self.assertEqual(found, {"mbit_per_second": 3000})

    def test_iperf_udp_counts_what_arrived(self):
        self.result["traffic"] = {"end": {"sum": {"packets": 1100, "lost_packets": 400, "seconds": 3},
                                          "sum_received": {"packets": 1000, "lost_packets": 400, "seconds": 2}}}
        found = figures.figures(row("iperf_udp64_rx"), self.result, {}, profile.Profile())
        self.assertEqual(found["packets_per_second"], 300)

    def test_hypercalls_by_kind(self):
        names = symbols.Table([(XEN, "pv_hypercall"), (XEN + 16, "do_grant_table_op"), (XEN + 32, "do_event_channel_op")])
        blocks = [counts.Block(XEN, 1, 3, 10), counts.Block(XEN, 1, 2, 1), counts.Block(XEN + 16, 1, 9, 4),
                  counts.Block(XEN + 24, 1, 9, 99)]
        self.assertEqual(figures.hypercalls(blocks, names),
                         {"hypercalls": 11, "grant_hypercalls": 4, "event_hypercalls": 0})


class Table(unittest.TestCase):
    def test_goals(self):
        for name, ratio, met in (("tcp_tx", 1.0, True), ("tcp_tx", 0.99, False), ("udp64_rx", 1.5, True),
                                 ("udp64_rx", 1.4, False), ("ping", 1.25, True), ("ping", 1.3, False)):
            with self.subTest(name=name, ratio=ratio):
                figure = row(name).figure
                [line] = table.compare(row(name), {"kernel": {figure: 100}, "hush": {figure: 100 * ratio}})
                found = line["pairs"]["hush"]
                self.assertEqual((found["ratio"], found["met"]), (ratio, met))

    def test_one_back_end_alone_has_no_ratio(self):
        [line] = table.compare(row("ping"), {"hush": {"milliseconds": 0.1}})
        self.assertEqual(line["pairs"], {"hush": {"value": 0.1, "ratio": None, "goal": "<= 1.25", "met": None}})

    def test_each_pair_has_its_own_goal(self):
        [line] = table.compare(row("tcp_tx"), {name: {"mbit_per_second": rate} for name, rate in
                                               (("kernel", 1000), ("hush", 1200), ("netif", 1300), ("area", 1400))})
        self.assertEqual({name: cell["met"] for name, cell in line["pairs"].items()},
                         {"kernel": None, "hush": True, "netif": None, "area": False})

    def test_pairs_by_name(self):
        self.assertEqual([pair.name for pair in pairs.chosen("area,kernel")], ["kernel", "area"])
        with self.assertRaisesRegex(ValueError, "no pair nonsense; there are kernel hush netif area front direct"):
            pairs.chosen("nonsense,area")

    def test_text(self):
        lines = table.compare(row("tcp_tx"), {"kernel": {"mbit_per_second": 3240, "events": 0.2},
                                              "hush": {"mbit_per_second": 2810, "events": 0.05}})
        shown = table.text("pv", pairs.chosen("kernel,hush"), [(row("tcp_tx"), lines)]).splitlines()
        self.assertRegex(shown[0], r"^PV guest +kernel netback +hush-backd +ratio +goal$")
        self.assertRegex(shown[2], r"^  Mbit/s +3,240 +2,810 +0\.87 +>= 1 +missed$")
        self.assertRegex(shown[3], r"^  events a packet +0\.200 +0\.050 +0\.25 +<= 0\.5 +met$")

    def test_applications_are_compared_among_each_other(self):
        self.assertEqual([pair.name for pair in pairs.PAIRS if row("app64_tx").measured_with(pair)], ["vchan", "library", "unkept"])
        self.assertEqual([pair.name for pair in pairs.PAIRS if row("app_ping").measured_with(pair)], ["vchan", "bell", "library"])
        self.assertEqual([pair.name for pair in pairs.PAIRS if row("ping").measured_with(pair)],
                         ["kernel", "hush", "netif", "area", "front"])
        self.assertEqual([pair.name for pair in pairs.PAIRS if row("udp64_rx").measured_with(pair)],
                         ["kernel", "hush", "netif", "area", "front", "direct"])
        both = [(row("ping"), table.compare(row("ping"), {"kernel": {"milliseconds": 0.1}})),
                (row("app_ping"), table.compare(row("app_ping"), {"vchan": {"microseconds": 80}, "library": {"microseconds": 60}}))]
        network, applications = table.text("pvh", pairs.chosen("kernel,vchan,library"), both).split("\n\n")
        self.assertRegex(network.splitlines()[0], r"^PVH guest +kernel netback$")
        self.assertRegex(applications.splitlines()[0], r"^PVH guest +libxenvchan +our library +ratio +goal$")
        self.assertRegex(applications.splitlines()[2], r"^  us, median +80\.0 +60\.0 +0\.75 +<= 0\.8 +met$")

    def test_a_program_s_own_count_is_what_crossed(self):
        result = {"traffic": {"frames_per_second": 2e6, "microseconds": 0},
                  "window": {"nanoseconds": 10**9, "files": {"program/packets": 2_000_000, "program/bytes": 128_000_000}}}
        found = figures.figures(row("app64_tx"), result, {"hypercalls": 1000}, profile.Profile())
        self.assertEqual((found["frames_per_second"], found["hypercalls"]), (2e6, 0.0005))

    def test_rows_by_pattern(self):
        self.assertEqual([found.name for found in rows.chosen("udp64_*,ping")], ["udp64_tx", "udp64_rx", "ping"])
        self.assertEqual([found.name for found in rows.chosen("nothing")], [])
        self.assertTrue(all(found.quick for found in rows.chosen("*", quick=True)))


if __name__ == "__main__":
    unittest.main()
