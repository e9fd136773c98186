"""Shrink the schedule of a program that cannot be shrunk itself, and prove that it is the shortest.

For programs that are given and not generated (:class:`fuzz.program.Program`).  Deviations are left out in ever smaller
chunks, as by :func:`fuzz.shrinking.simplify.fewer_deviations`; then all schedules with as many or fewer are
tried in a fixed order, fewest first.  The first that fails in the same way is the answer, wherever the search
came from, and what was tried before is its certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.search.explore import Schedule, deviation_bounded
from fuzz.search.policies.canonical import Canonical
from fuzz.shrinking.certificate import Certificate

__all__ = ["SEARCH_RUNS_MAX", "ShrunkSchedule", "fewer", "shrink_schedule"]

SEARCH_RUNS_MAX: Final = 50_000
"""Of the proof.  One deviation less costs a factor of the number of choices, so more would seldom be enough either."""


@dataclass(frozen=True, slots=True)
class ShrunkSchedule:
    """The end of shrinking.

    Args:
        schedule: the shortest found.
        certificate: what is proved about it.
        runs: how many it took.
    """

    schedule: Schedule
    certificate: Certificate
    runs: int


def fewer(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule without all its deviations, without each half of them, each quarter, ... and each one (ddmin)."""
    size = len(schedule)
    while size:
        for start in range(0, len(schedule), size):
            yield schedule[:start] + schedule[start + size :]
        size //= 2


def shrink_schedule(make: Callable[[], Execution], failing: Run, runs_max: int = SEARCH_RUNS_MAX) -> ShrunkSchedule:
    """The shortest schedule that fails like ``failing``.

    Args:
        make: a new execution of the program.
        failing: a run of it.
        runs_max: of the proof.
    """
    signature = failing.verdict.signature
    best = failing.deviations
    runs = 0

    def fails(schedule: Schedule) -> Schedule | None:
        nonlocal runs
        runs += 1
        execution = make()
        run = direct.run(execution, Canonical(execution, schedule))
        return run.deviations if run.verdict.signature == signature else None

    shorter: Schedule | None = best
    while shorter is not None:
        best = shorter
        made = (fails(schedule) for schedule in fewer(best))
        shorter = next((schedule for schedule in made if schedule is not None and len(schedule) < len(best)), None)
    bounded = deviation_bounded(make, len(best), runs_max, signature=signature)
    runs += sum(bounded.runs)
    if bounded.failure is not None and bounded.failure.verdict.signature == signature:
        best = bounded.failure.deviations
    exhausted = min(bounded.fully_explored, len(best))
    return ShrunkSchedule(best, Certificate(len(best), exhausted - 1, sum(bounded.runs[:exhausted])), runs)
