"""Runs the contenders in turn, case after case."""
import dataclasses
import json
from dataclasses import dataclass

from . import cases, contenders, figures, pair

MOST_ROUNDS = 2  # times those that are asked for, where runs do not count
MOST_FAILURES = 2  # of a row in a case, then it is left out
SPIN = cases.Case(cases.PING)
SPIN_SECONDS = 0.03


@dataclass(frozen=True)
class Result:
    case: cases.Case
    spin: int  # ns of a round trip of two words where it was measured: figures.place()
    lines: list  # by figures.compare()


class Turns:
    """`chosen`: the script's arguments; `step(text)` says what is being done. `missing`: what has no figure."""

    def __init__(self, chosen, lab, step):
        self._chosen = chosen
        self._lab = lab
        self._step = step
        self._plan = planned(chosen)
        self._total = sum(len(competing) for _, competing in self._plan) * chosen.rounds
        self._done = 0
        self._spin = None
        self.missing = []

    def results(self):
        """A Result for each case that has any. The folder `out` gets every run's lines and stderr on the way."""
        found = [self._case(case, competing) for case, competing in self._plan]
        return [result for result in found if result]

    def _case(self, case, competing):
        runs = {row.name: [] for row in competing}
        failures = dict.fromkeys(runs, 0)
        for number in range(1, self._chosen.rounds * (1 if self._chosen.quick else MOST_ROUNDS) + 1):
            again = number > self._chosen.rounds
            turn = [row for row in competing if failures[row.name] < MOST_FAILURES
                    and not (again and self._enough(runs, row))]
            self._total += len(turn) if again else len(turn) - len(competing)
            for row in turn:
                self._done += 1
                self._step(f"[{self._done}/{self._total}] {case}, round {number}{' (again)' * again}: {row.title}")
                try:
                    runs[row.name].append(self._turn(case, row))
                except (pair.Failed, figures.Wrong) as error:
                    failures[row.name] += 1
                    self._step(f"failed: {error}")
        self.missing += [f"{row.name} ({case})" for row in competing if not runs[row.name]]
        if not any(runs.values()):
            return None
        spin = figures.place(sum(runs.values(), []))
        lines = [(row, figures.summary(case, runs[row.name], spin) | {"note": row.note(case)})
                 for row in competing if runs[row.name]]
        return Result(case, spin, figures.compare(case, lines))

    def _enough(self, runs, row):
        spin = figures.place(sum(runs.values(), [])) if any(runs.values()) else 0
        return sum(figures.counts(run, spin) for run in runs[row.name]) >= self._chosen.rounds

    def _turn(self, case, row):
        before, self._spin = self._spin or self._spins(), None
        with row.commands(self._lab, case) as commands:
            lines = self._run(commands, self._lab)
        self._spin = self._spins()
        with open(self._chosen.out / "runs.jsonl", "a", encoding="ascii") as file:
            file.write(json.dumps({"case": str(case), "row": row.name, "spins": [before, self._spin],
                                   "lines": lines}) + "\n")
        return figures.of_run(case, row, lines, (before, self._spin))

    def _spins(self):
        """How far apart the two processors are now."""
        lab = dataclasses.replace(self._lab, seconds=SPIN_SECONDS, warm_up=0)
        with contenders.spin(lab, SPIN) as commands:
            return self._run(commands, lab)[1]["p50"]

    def _run(self, commands, lab):
        return pair.run(commands, lab.seconds + lab.warm_up, self._chosen.out / "stderr.log")


def planned(chosen):
    """[(Case, its rows)], without the cases that nothing competes in."""
    found = [(case, [row for row in chosen.rows if row.kind == case.kind and row.fits(case)])
             for case in cases.cases(chosen.sizes, chosen.bursts, chosen.vifs)]
    return [(case, competing) for case, competing in found if competing]
