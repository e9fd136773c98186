"""Fuzz the schedules of a program of one's own: search, judge, shrink, prove, and say how much is left.

::

    print(explore(make, seed=0, schedules_max=10_000))

:mod:`fuzz.program` has the program that goes with it, :mod:`fuzz.verifying` the search that covers everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from fuzz.engine import trio_driver
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.errors import HarnessError
from fuzz.program import Program
from fuzz.prose import count
from fuzz.report.explanation import Explanation, explain
from fuzz.report.report import program_text, verdict_lines
from fuzz.search.estimates import Left
from fuzz.search.policies.canonical import Canonical
from fuzz.search.portfolio import Member, Portfolio
from fuzz.shrinking.certificate import Certificate
from fuzz.shrinking.schedule import shrink_schedule

__all__ = ["SCHEDULES_MAX", "Exploration", "Found", "explore"]

SCHEDULES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """A failure.

    Args:
        first: the run in which it was seen.
        by: which member of the portfolio had its turn.
        run: the shortest schedule that fails in the same way, with its history.
        certificate: what is proved about it.
        why: what it depends on, if the order of the steps decides.
        shrinking: how many runs that took.
    """

    first: Run
    by: str
    run: Run
    certificate: Certificate
    why: Explanation | None
    shrinking: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a search has come to.

    Args:
        schedules: how many were run, the failing one included.
        steps: how many steps they took.
        found: the failure that ended it.
        unknown: the verdict that ended it and is neither a pass nor a failure.
        behaviours: how many different ones were seen (:mod:`fuzz.search.behaviour`).
        members: what each part of the portfolio did.
        left: how much is left.
    """

    schedules: int
    steps: int
    found: Found | None
    unknown: Verdict | None
    behaviours: int
    members: tuple[Member, ...]
    left: Left

    def __str__(self) -> str:
        effort = f"{count(self.schedules, 'schedule')}, {count(self.steps, 'step')}, {self.behaviours} behaviours"
        if self.found is not None:
            run = self.found.run
            assert run.history is not None
            found = program_text(run.history, run.verdict, run.deviations, self.found.why, str(self.found.certificate))
            return f"{found}\n\nFound by {self.found.by} after {effort}."
        if self.unknown is not None:
            return "\n".join(verdict_lines(self.unknown))
        return "\n".join([f"Not seen in {effort}.", *self.left.lines()])

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        verdict = self.found.run.verdict if self.found else self.unknown
        return {
            "verdict": verdict.outcome.value if verdict else Outcome.HELD.value,
            "promise": verdict.promise if verdict else None,
            "sentence": verdict.sentence if verdict else None,
            "schedules": self.schedules,
            "steps": self.steps,
            "behaviours": self.behaviours,
            "deviations": [str(one) for one in self.found.run.deviations] if self.found else None,
            "why": self.found.why.as_json() if self.found and self.found.why else None,
            "members": {one.name: {"runs": one.runs, "steps": one.steps, "new": one.new} for one in self.members},
            "left": self.left.as_json(),
        }


def explore(make: Callable[[], Program], *, seed: int = 0, schedules_max: int = SCHEDULES_MAX) -> Exploration:
    """Search the schedules of a program until one fails.

    Args:
        make: a fresh instance of the program; whatever it does must depend on the schedule alone.
        seed: equal seeds make equal searches.
        schedules_max: how many to run at most.

    Raises:
        HarnessError: if what has failed does not fail again, with another driver: ``make`` or the program depends on
            something else than the schedule.
        TypeError: if the target of a step has no hash.
    """
    portfolio = Portfolio(lambda: make().execution(record=True), Random(seed))
    schedules = steps = 0
    found = unknown = None
    while found is None and unknown is None and schedules < schedules_max:
        run = portfolio.next_run()
        schedules += 1
        steps += run.steps
        if run.verdict.failed:
            found = _shrink(make, run, portfolio.last)
        elif run.verdict.outcome is Outcome.UNKNOWN:
            unknown = run.verdict
    profile = portfolio.profile
    left = Left.of(portfolio.spaces, portfolio.classes.values(), schedules, len(profile.names), profile.horizon)
    return Exploration(schedules, steps, found, unknown, len(portfolio.behaviours), tuple(portfolio.members), left)


def _shrink(make: Callable[[], Program], first: Run, by: str) -> Found:
    """Shrink a failure, and let the trio driver confirm what is left."""
    shrunk = shrink_schedule(lambda: make().execution(), first)
    execution = make().execution(record=True)
    run = trio_driver.run_alone(execution, Canonical(execution, shrunk.schedule))
    if run.verdict.signature != first.verdict.signature:
        raise HarnessError(
            f"a schedule ended as {first.verdict.signature}, and with the same deviations as {run.verdict.signature}: "
            "the program depends on something else than its schedule (a set's order, a global, a clock); make it fresh "
            "in every call of make()"
        )
    why = explain(lambda: make().execution(record=True), shrunk.schedule)
    return Found(first, by, run, shrunk.certificate, why, shrunk.runs)
