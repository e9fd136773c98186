"""Schedules to the first bug: ``python tests/benchmarks/reference.py [PROGRAM ...]`` prints a Markdown table.

The reference programs of the literature and two more, each searched from every seed by the default portfolio.  Beside
its numbers are those that it has to meet, and the best that is published (mean of 20 trials, limit 10,000 schedules:
SURW, PCT, POS, URW, RFF, PERIOD; from the artifacts of the SURW and RFF papers).  ``--shuffle`` starts the tasks in an
order drawn for each seed, since the one in which they are written could be a lucky one; ``--policy NAME`` is one
policy alone.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from reference_programs import REFERENCE_PROGRAMS, Make  # found by the line above

from fuzz.engine import direct
from fuzz.program import Program
from fuzz.search.policies import POLICIES
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile, kinds_of
from fuzz.search.portfolio import Portfolio

SCHEDULES_MAX: Final = 10_000

PUBLISHED: Final = {
    "account": "1 (RFF)",
    "bluetooth_driver": "9 (PERIOD)",
    "reorder_3": "6 (PERIOD)",
    "reorder_4": "6 (RFF)",
    "reorder_5": "6 (RFF)",
    "reorder_10": "6 (RFF)",
    "reorder_20": "6 (RFF, SURW)",
    "reorder_50": "6 (RFF)",
    "reorder_100": "6 (RFF)",
    "twostage": "4 (PERIOD)",
    "twostage_20": "6 (SURW)",
    "twostage_50": "20 (SURW)",
    "twostage_100": "56 (RFF)",
    "wronglock_3": "1 (RFF)",
    "wronglock": "1 (RFF)",
    "WorkStealQueue": "6 (SURW)",
}

ASKED: Final = {
    "account": 6,
    "bluetooth_driver": 20,
    "reorder_3": 15,
    "reorder_4": 15,
    "reorder_5": 15,
    "reorder_10": 20,
    "reorder_20": 20,
    "reorder_50": 40,
    "reorder_100": 40,
    "twostage": 10,
    "twostage_20": 30,
    "twostage_50": 40,
    "twostage_100": 60,
    "wronglock_3": 10,
    "wronglock": 10,
    "WorkStealQueue": 10,
    "run_far_ahead": 20,
    "three_windows": 150,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One search: how many schedules, and who found it; nobody if the limit was reached."""

    schedules: int
    by: str


def shuffled(make: Make, seed: int) -> Make:
    """The same program with its tasks in another order."""
    names = list(make().tasks)
    Random(seed).shuffle(names)

    def made() -> Program:
        program = make()
        return replace(program, tasks={name: program.tasks[name] for name in names})

    return made


def portfolio(make: Make, seed: int) -> Trial:
    """The default search."""
    search = Portfolio(lambda: make().execution(record=True), Random(seed))
    for schedules in range(1, SCHEDULES_MAX + 1):
        if search.next_run().verdict.failed:
            return Trial(schedules, search.last)
    return Trial(SCHEDULES_MAX, "")


def alone(name: str) -> Callable[[Make, int], Trial]:
    """A search with one policy; the sequential run that profiles the program counts."""

    def search(make: Make, seed: int) -> Trial:
        random = Random(seed)
        execution = make().execution(record=True)
        run = direct.run(execution, Canonical(execution))
        assert run.history is not None
        profile = Profile.of(run.history, kinds_of(execution.specs))
        for schedules in range(2, SCHEDULES_MAX + 1):
            execution = make().execution()
            if direct.run(execution, POLICIES[name](execution, random, profile)).verdict.failed:
                return Trial(schedules, name)
        return Trial(SCHEDULES_MAX, "")

    return search


def line(name: str, trials: list[Trial]) -> str:
    """The row of the table."""
    schedules = [trial.schedules for trial in trials]
    missed = sum(not trial.by for trial in trials)
    found = f"{mean(schedules):.0f}" + (f" ({missed} without)" if missed else "")
    by = ", ".join(f"{who} {times}" for who, times in Counter(trial.by for trial in trials).most_common(3))
    published = PUBLISHED.get(name, "none finds both")
    return f"| {name} | {found} | {median(schedules):.0f}, {max(schedules)} | {ASKED[name]} | {published} | {by} |"


def main() -> int:
    """Print the table; exit status 1 if a number is above what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PROGRAM", default=list(REFERENCE_PROGRAMS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--policy", choices=list(POLICIES))
    parser.add_argument("--shuffle", action="store_true")
    arguments = parser.parse_args()
    search = alone(arguments.policy) if arguments.policy else portfolio
    print("| Program | Schedules: mean | median, most | at most | best published | found by |")
    print("|---|---:|---:|---:|---|---|")
    above = 0
    for name in arguments.names:
        make = REFERENCE_PROGRAMS[name]
        trials = [search(shuffled(make, seed) if arguments.shuffle else make, seed) for seed in range(arguments.seeds)]
        print(line(name, trials), flush=True)
        above += mean(trial.schedules for trial in trials) > ASKED[name] or not all(trial.by for trial in trials)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
