"""How much is left: what a search that has found nothing says about the schedules that it has not tried.

* *How many schedules there are.*  A run whose choices had the probability ``p`` stands for ``1 / p`` schedules: the
  mean over runs is an unbiased estimate (Knuth, "Estimating the Efficiency of Backtrack Programs", 1975).  His descents
  choose uniformly, and few of them carry all the weight; a uniform random walk (:mod:`fuzz.search.policies.urw`)
  gives every schedule nearly the same probability, so that a handful is enough.
* *How likely the next run is a new one.*  The share of the runs whose class no other run has had (Good, "The
  Population Frequencies of Species", Biometrika 1953, after Turing).  That is meant for runs drawn from one
  distribution, and a portfolio avoids what it has seen, so the number is rather too high than too low.
* *What PCT would have needed.*  A bug that needs ``d`` ordering constraints among ``n`` tasks and ``k`` choices is
  missed by ``4.6 * n * k ** (d - 1)`` runs of PCT with a probability below 1 % (Burckhardt and others, ASPLOS 2010).
* *How many programs can still fail.*  If none of ``n`` random programs has failed, fewer than ``3 / n`` of them do,
  with a confidence of 95 % (the rule of three).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, fsum, inf, log
from typing import Any, Final

__all__ = ["Left", "LeftOfMany", "log_mean", "pct_runs", "rule_of_three", "unseen_share"]

DEPTHS: Final = (1, 2, 3)
"""Of nearly all known concurrency bugs."""


def log_mean(logs: Collection[float]) -> float:
    """The logarithm of the mean of numbers given by their logarithms, which may be far too large for a float."""
    most = max(logs)
    return most + log(fsum(exp(one - most) for one in logs) / len(logs))


def unseen_share(counts: Collection[int], runs: int) -> float:
    """The probability that the next run shows what none has: those shown once, by the runs; 1 before the first."""
    return min(sum(count == 1 for count in counts) / runs, 1.0) if runs else 1.0


def pct_runs(tasks: int, choices: int, depth: int) -> int:
    """How many runs of PCT miss a bug of this depth with a probability below 1 %."""
    placings: int = choices ** (depth - 1)
    return ceil(4.6 * tasks * placings)


def rule_of_three(tried: int) -> float:
    """With 95 % confidence the share of failures is below, when ``tried`` have not failed."""
    return min(3 / tried, 1.0) if tried else 1.0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one program.

    Args:
        log10_schedules: the decimal logarithm of an estimate of how many there are; 0 if there is none.
        classes: of equal schedules, that were tried.
        new_class: the probability that the next run is of another class.
        pct_runs: by depth from 1, how many runs of PCT would make it improbable that a bug of that depth was missed.
    """

    log10_schedules: float
    classes: int
    new_class: float
    pct_runs: tuple[int, ...]

    @classmethod
    def of(cls, spaces: Sequence[float], classes: Collection[int], runs: int, tasks: int, choices: int) -> Left:
        """From what a search has counted.

        Args:
            spaces: by run of a known probability, the logarithm of one divided by it.
            classes: by class, how many runs were of it.
            runs: how many there were.
            tasks: of the program.
            choices: of a run.
        """
        return cls(
            log_mean(spaces) / log(10) if spaces else 0.0,
            len(classes),
            unseen_share(classes, runs),
            tuple(pct_runs(tasks, choices, depth) for depth in DEPTHS),
        )

    @property
    def schedules(self) -> float:
        """About how many schedules there are."""
        return 10**self.log10_schedules if self.log10_schedules < 300 else inf

    def lines(self) -> list[str]:
        """In words."""
        another = f"the next run is of another one with probability {self.new_class:.2g}"
        return [
            f"About {_power(self.log10_schedules)} schedules; {self.classes:,} classes of equal ones tried, {another}.",
            _pct(self.pct_runs),
        ]

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "log10_schedules": round(self.log10_schedules, 2),
            "classes": self.classes,
            "new_class": self.new_class,
            "pct_runs": list(self.pct_runs),
        }


@dataclass(slots=True)
class LeftOfMany:
    """What is left of all the programs that could be made, and of a typical one.

    Its memory does not grow with the number of programs: a campaign may run for days.

    Args:
        programs: how many were tried.
        pairs: by reads-from pair (:func:`fuzz.search.behaviour.reads_of_others`), how many of them have shown it.
        tasks: by number of tasks, how many programs had so many.
        choices: likewise.
        spaces: by decimal logarithm of an estimate of the schedules, in hundredths, how many programs have so many.
    """

    programs: int = 0
    pairs: Counter[Hashable] = field(default_factory=Counter)
    tasks: Counter[int] = field(default_factory=Counter)
    choices: Counter[int] = field(default_factory=Counter)
    spaces: Counter[int] = field(default_factory=Counter)

    def note(self, pairs: Iterable[Hashable], tasks: int, choices: int, log_space: float) -> None:
        """A program has been tried."""
        self.programs += 1
        self.pairs.update(pairs)
        self.tasks[tasks] += 1
        self.choices[choices] += 1
        self.spaces[round(100 * log_space / log(10))] += 1

    def add(self, other: LeftOfMany) -> None:
        """Another search has tried other programs."""
        self.programs += other.programs
        self.pairs.update(other.pairs)
        self.tasks.update(other.tasks)
        self.choices.update(other.choices)
        self.spaces.update(other.spaces)

    @property
    def new_pairs(self) -> float:
        """How many pairs that none has shown the next program is expected to show (Good-Turing)."""
        return sum(count == 1 for count in self.pairs.values()) / max(self.programs, 1)

    @property
    def log10_schedules(self) -> float:
        """Of the median program."""
        return _median(self.spaces) / 100 if self.spaces else 0.0

    @property
    def pct_runs(self) -> tuple[int, ...]:
        """Of a program with the median numbers of tasks and choices."""
        if not self.programs:
            return ()
        tasks, choices = _median(self.tasks), _median(self.choices)
        return tuple(pct_runs(tasks, choices, depth) for depth in DEPTHS)

    def lines(self) -> list[str]:
        """In words, if none of them has failed."""
        if not self.programs:
            return []
        risk, size = rule_of_three(self.programs), _power(self.log10_schedules)
        return [
            f"Of {self.programs:,} programs none failed: fewer than {risk:.2%} of all such do (95 %).",
            f"They showed {len(self.pairs):,} reads-from pairs; the next one will show {self.new_pairs:.2g} more.",
            f"The median program has about {size} schedules.  {_pct(self.pct_runs)}",
        ]

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "programs_that_fail_below": rule_of_three(self.programs),
            "pairs": len(self.pairs),
            "new_pairs": self.new_pairs,
            "log10_schedules": round(self.log10_schedules, 2),
            "pct_runs": list(self.pct_runs),
        }


def _median(counts: Counter[int]) -> int:
    """The lower median of numbers, given how many there are of each."""
    middle = (counts.total() + 1) // 2
    numbers = sorted(counts)
    return numbers[bisect_left(list(itertools.accumulate(counts[number] for number in numbers)), middle)]


def _power(log10: float) -> str:
    return f"{10**log10:,.0f}" if log10 < 6 else f"10^{log10:.0f}"


def _pct(budget: Sequence[int]) -> str:
    each = ", ".join(f"{number:,} for depth {depth}" for depth, number in zip(DEPTHS, budget, strict=True))
    return f"Runs of PCT that miss a bug with less than 1 %: {each}."
