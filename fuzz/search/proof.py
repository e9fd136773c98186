"""Never, or the shortest counterexample: one question, four ways to exhaust it.

All schedules, each state once (:mod:`fuzz.search.exhaustive`); one of each class of schedules
(:mod:`fuzz.search.dpor`), which needs no fingerprints and counts classes; all with few deviations
(:mod:`fuzz.search.explore`), or with few preemptions.  The answer says which, and what it cost.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.prose import count
from fuzz.search.dpor import explore_classes
from fuzz.search.exhaustive import search
from fuzz.search.explore import deviation_bounded

__all__ = ["ALL", "Bound", "Proof", "effort_of", "prove"]

SHORTEST_RUNS_MAX: Final = 20_000
"""Runs of the search for the counterexample with the fewest deviations: three of them in a small program."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is to be exhausted; all schedules by default, each state once.

    Args:
        classes: all schedules, one of each class.
        deviations: all with at most so many deviations.
        preemptions: all with at most so many preemptions, each state once.
    """

    classes: bool = False
    deviations: int | None = None
    preemptions: int | None = None

    def __str__(self) -> str:
        if self.deviations is not None:
            return f"all schedules with at most {count(self.deviations, 'deviation')}"
        if self.preemptions is not None:
            return f"all schedules with at most {count(self.preemptions, 'preemption')}"
        return "all schedules"


ALL: Final = Bound()


@dataclass(slots=True)
class Proof:
    """The answer.

    Args:
        bound: what was to be exhausted.
        runs: how many times the program was started.
        states: how many states with a choice there are; 0 if they were not looked at.
        classes: how many classes of schedules there are; 0 if they were not counted.
        exhausted: all of it was; if nothing failed: *Never*.
        failure: a run that failed, with as few deviations as could be found; or was UNKNOWN.
        shortest: no schedule with fewer deviations fails.
        limit: why it was not exhausted; empty if it was, or the search stopped at a failure.
        outcomes: the signatures of all verdicts seen, if the search did not stop at the first failure.
    """

    bound: Bound = ALL
    runs: int = 0
    states: int = 0
    classes: int = 0
    exhausted: bool = False
    failure: Run | None = None
    shortest: bool = False
    limit: str = ""
    outcomes: set[Hashable] = field(default_factory=set)

    @property
    def effort(self) -> str:
        """For example "12 runs, 11 states"."""
        if self.bound.deviations is not None:
            return effort_of(self.runs)
        if self.bound.classes:
            return effort_of(self.runs, classes=self.classes)
        return effort_of(self.runs, states=self.states)


def effort_of(runs: int, *, states: int | None = None, classes: int | None = None) -> str:
    """For example "12 runs, 11 states"; without what is ``None``."""
    told = [count(runs, "run")]
    if states is not None:
        told.append(count(states, "state"))
    if classes is not None:
        told.append(count(classes, "class"))
    return ", ".join(told)


def prove(
    make: Callable[[], Execution],
    bound: Bound = ALL,
    *,
    shortest: bool = True,
    stop_at_failure: bool = True,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Proof:
    """Exhaust the schedules of a program.

    Args:
        make: a new execution of it.
        bound: which schedules, and how.
        shortest: if one fails, look for the one with the fewest deviations.
        stop_at_failure: stop at the first failure; else collect all outcomes.
        out_of_time: asked before every run.

    Raises:
        FingerprintError: if states are to be told apart, and one cannot be described.
    """
    proof = Proof(bound)
    if bound.deviations is not None:
        bounded = deviation_bounded(make, bound.deviations)
        proof.runs, proof.failure = sum(bounded.runs), bounded.failure
        proof.exhausted = bounded.exhausted
        proof.shortest = bounded.failure is not None
    elif bound.classes:
        reduced = explore_classes(make, stop_at_failure=stop_at_failure, out_of_time=out_of_time)
        proof.runs, proof.classes, proof.failure = reduced.runs, reduced.classes, reduced.failure
        proof.exhausted, proof.limit, proof.outcomes = reduced.exhausted, reduced.limit, reduced.outcomes
    else:
        done = search(make, preemptions=bound.preemptions, stop_at_failure=stop_at_failure, out_of_time=out_of_time)
        proof.runs, proof.states, proof.failure = done.runs, done.states, done.failure
        proof.exhausted, proof.limit, proof.outcomes = done.exhausted, done.limit, done.outcomes
    if shortest and not proof.shortest and proof.failure is not None and proof.failure.verdict.failed:
        _shorten(proof, make)
    return proof


def _shorten(proof: Proof, make: Callable[[], Execution]) -> None:
    """Replace the counterexample by the one with the fewest deviations, if there are not too many schedules."""
    assert proof.failure is not None
    fewest = deviation_bounded(
        make, len(proof.failure.deviations), SHORTEST_RUNS_MAX, signature=proof.failure.verdict.signature
    )
    if fewest.failure is not None and fewest.failure.verdict.failed:
        proof.failure, proof.shortest = fewest.failure, True
