"""The results folder of one run, read: dom0/measure's files and the counter's."""
import json

from . import counts, figures, pairs, profile, symbols, table


class Results:
    """`compared`: {kind: [(row, lines)]}; `missing`: what was asked for and is not there; `profiles`: files written."""

    def __init__(self, chosen, xen_map, hush_backd):
        self._folder = chosen.out / "results"
        self._windows = counts.windows(chosen.out / "counts")
        self._xen = symbols.hypervisor(xen_map)
        self._executable = hush_backd
        first, *later = self._windows or [[]]
        self._memory = profile.Memory(first, [block for window in later for block in window])
        self._out = chosen.out / "profile"
        self._out.mkdir(exist_ok=True)
        self.profiles = []
        self._measured = {}  # (kind, row's name): {pair's name: (profile, window)}
        self.missing = []
        self.compared = {}
        measured = {kind: {pair.name: self._pair(kind, pair, chosen.rows) for pair in chosen.pairs} for kind in chosen.kinds}
        for kind, by_pair in measured.items():
            self.compared[kind] = [
                (row, table.compare(row, {pair.name: by_pair[pair.name].get(row.name, {}) for pair in chosen.pairs
                                          if row.measured_with(pair)}))
                for row in chosen.rows]
        for (kind, name), by_pair in self._measured.items():
            for base in pairs.BASES:
                compared = by_pair.pop(base.name, None)
                for pair, ours in by_pair.items() if compared else ():
                    self._write_comparison(kind, name, f"{pair}-to-{base.name}", (compared, ours))
        if not any(rows for by_pair in measured.values() for rows in by_pair.values()):
            self.compared = {}

    def as_json(self):
        """Figures by kind of guest and row; `clock`: an instruction is a nanosecond."""
        return {"clock": "instructions",
                "guests": {kind: {row.name: {"title": row.title, "figures": lines} for row, lines in rows}
                           for kind, rows in self.compared.items()}}

    def _pair(self, kind, pair, rows):
        """{row's name: figures}; the profiles are written on the way."""
        folder = self._folder / f"{kind}-{pair.name}"
        found = {}
        names = None
        for row in rows:
            if not row.measured_with(pair):
                continue
            file = folder / f"{row.name}.json"
            if not file.exists():
                self.missing.append(f"{kind} {pair.name} {row.name}")
                continue
            names = names or self._symbols(folder)
            where, window, found[row.name] = self._row(row, file, names)
            self._measured.setdefault((kind, row.name), {})[pair.name] = where, window
        return found

    def _symbols(self, folder):
        base = self._folder / "kallsyms"
        maps = folder / "hush-backd.maps"
        program = symbols.Program(maps, self._executable, self._folder / "libraries") if maps.exists() else None
        return profile.Symbols(self._xen, symbols.kernel(base, folder / "dom0-modules.kallsyms"),
                               symbols.kernel(base, folder / "guest-modules.kallsyms"), program)

    def _row(self, row, file, names):
        result = json.loads(file.read_text(encoding="utf-8"))
        blocks = self._windows[result["number"]]
        where = profile.of_window(blocks, self._memory, names)
        self._write_profile(row, file, result, where)
        return where, result["window"], figures.figures(row, result, figures.hypercalls(blocks, self._xen), where)

    def _write_profile(self, row, file, result, where):
        path = self._out / f"{file.parent.name}-{row.name}.txt"
        head = f"{row.title}, {file.parent.name}: "
        path.write_text(head + profile.text(where, result["window"]["nanoseconds"], figures.packets(result["window"])) +
                        "\n", encoding="utf-8")
        self.profiles.append(path)

    def _write_comparison(self, kind, name, which, both):
        # A packet of TCP may be one segment or forty: there a megabyte compares.
        unit, count = ("MB", figures.megabytes) if name.startswith("tcp") else ("packet", figures.packets)
        sides = [(where, count(window)) for where, window in both if count(window)]
        if len(sides) == 2:
            path = self._out / f"{kind}-{name}-{which}.txt"
            path.write_text(f"{name}, {kind} guest, {which}. {profile.comparison(*sides, unit)}\n", encoding="utf-8")
            self.profiles.append(path)
