"""Runs the contenders in turn, case after case."""
import json

from . import cases, figures, pair

REPEATS = 2  # of a run that was disturbed
MOST_FAILURES = 2  # of a row in a case, then its other rounds are left out


class Turns:
    """`chosen`: the script's arguments; `step(text)` says what is being done. `missing`: what has no figure."""

    def __init__(self, chosen, lab, step):
        self._chosen = chosen
        self._lab = lab
        self._step = step
        self._plan = planned(chosen)
        self._total = sum(len(competing) for _, competing in self._plan) * chosen.rounds
        self._done = 0
        self.missing = []

    def results(self):
        """[(Case, its lines by figures.compare())]. The folder `out` gets every run's lines and stderr on the way."""
        found = [(case, self._case(case, competing)) for case, competing in self._plan]
        return [(case, lines) for case, lines in found if lines]

    def _case(self, case, competing):
        runs = {row.name: [] for row in competing}
        failures = dict.fromkeys(runs, 0)
        for number in range(1, self._chosen.rounds + 1):
            for row in competing:
                self._done += 1
                if failures[row.name] == MOST_FAILURES:
                    continue
                self._step(f"[{self._done}/{self._total}] {case}, round {number}: {row.title}")
                try:
                    self._turn(case, row, runs[row.name])
                except (pair.Failed, figures.Wrong) as error:
                    failures[row.name] += 1
                    self._step(f"failed: {error}")
        self.missing += [f"{row.name} ({case})" for row in competing if not runs[row.name]]
        return figures.compare(case, [(row, figures.summary(runs[row.name]) | {"note": row.note(self._lab, case)})
                                      for row in competing if runs[row.name]])

    def _turn(self, case, row, runs):
        """One run is added to the row's, and others while it is disturbed."""
        for _ in range(1 if self._chosen.quick else 1 + REPEATS):
            with row.commands(self._lab, case) as commands:
                lines = pair.run(commands, self._lab.seconds + self._lab.warm_up, self._chosen.out / "stderr.log")
            with open(self._chosen.out / "runs.jsonl", "a", encoding="ascii") as file:
                file.write(json.dumps({"case": str(case), "row": row.name, "lines": lines}) + "\n")
            runs.append(figures.of_run(case, row, lines))
            if not runs[-1]["disturbed"]:
                return


def planned(chosen):
    """[(Case, its rows)], without the cases that nothing competes in."""
    found = [(case, [row for row in chosen.rows if row.kind == case.kind and row.fits(case)])
             for case in cases.cases(chosen.sizes, chosen.bursts)]
    return [(case, competing) for case, competing in found if competing]
