"""All schedules with few deviations, fewest first.

Iterative delay bounding (Emmi, Qadeer, Rakamarić, POPL 2011), stateless: a schedule is run with its
deviations, and every choice after its last one offers one more.  Each schedule is then met exactly once, because a
recorded schedule is one tuple of deviations and each tuple but the empty one has one parent.

Run-to-block with lowest number first makes most known concurrency bugs one or two deviations away, at
``(choices * (tasks - 1)) ** deviations`` runs; so it is the first search to try, and, when it finds nothing, the
certificate that no schedule with so few deviations fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.search.policies.canonical import Canonical
from pagecache.step import Step
from strategies.case import Deviation

__all__ = ["Bounded", "Choices", "Schedule", "deviation_bounded"]

Schedule = tuple[Deviation, ...]


@dataclass(frozen=True, slots=True)
class Bounded:
    """What a bounded search found.

    Args:
        failure: the first run that failed, with the fewest deviations possible; or was UNKNOWN, which says nothing,
            and so does the search.
        runs: by number of deviations, how many schedules were judged.
        exhausted: there is no other schedule within the bound, and none failed.
    """

    failure: Run | None
    runs: tuple[int, ...]
    exhausted: bool

    @property
    def fully_explored(self) -> int:
        """No schedule with fewer deviations than this fails."""
        return len(self.runs) if self.exhausted else len(self.runs) - 1


class Choices:
    """A policy around another that notes what else could have run at each choice.

    Args:
        execution: the run.
        inner: whose choices are made.
        base: deviations of its schedule that others may come before.
    """

    def __init__(self, execution: Execution, inner: Canonical, base: Schedule = ()) -> None:
        self._execution = execution
        self._next_task = inner.next_task
        self._base = frozenset(base)
        self.extensions: list[Deviation] = []
        """Each deviation that could follow the schedule, its base apart, in order."""

    def next_task(
        self, runnable: Sequence[int], current: int | None, canonical: int, pending: Sequence[Step | None]
    ) -> int:
        """The inner policy's choice."""
        chosen = self._next_task(runnable, current, canonical, pending)
        execution = self._execution
        anchor = (execution.tasks[canonical].name, execution.calls[canonical][-1], execution.visit(canonical))
        if chosen != canonical:
            if Deviation(*anchor, execution.tasks[chosen].name) not in self._base:
                self.extensions.clear()
            return chosen
        self.extensions.extend(
            Deviation(*anchor, execution.tasks[number].name) for number in runnable if number != canonical
        )
        return chosen


def deviation_bounded(
    make: Callable[[], Execution],
    bound: int,
    runs_max: int | None = None,
    *,
    signature: tuple[str, str] | None = None,
    base: Schedule = (),
) -> Bounded:
    """Run all schedules with at most ``bound`` deviations, fewest first, until one fails.

    Args:
        make: a new execution of the same program.
        bound: the most deviations.
        runs_max: give up after so many schedules; ``None`` for no limit.
        signature: look for this failure only (:attr:`fuzz.engine.verdict.Verdict.signature`), as a shrinker must.
        base: deviations that all of them have besides.  The others may come before one of these, and make it
            impossible, so with a base a schedule may be met twice.
    """
    judged: list[int] = []
    for deviations in range(bound + 1):
        judged.append(0)
        for run in _with_deviations(make, base, (), deviations):
            judged[-1] += 1
            if _ends_the_search(run.verdict, signature):
                return Bounded(run, tuple(judged), exhausted=False)
            if runs_max is not None and sum(judged) >= runs_max:
                return Bounded(None, tuple(judged), exhausted=False)
        if not judged[-1]:
            break  # nobody has that many choices: these were all schedules
    return Bounded(None, tuple(judged), exhausted=True)


def _ends_the_search(verdict: Verdict, signature: tuple[str, str] | None) -> bool:
    if verdict.failed:
        return signature is None or verdict.signature == signature
    return verdict.outcome is not Outcome.HELD


def _with_deviations(make: Callable[[], Execution], base: Schedule, schedule: Schedule, more: int) -> Iterator[Run]:
    """The runs of all schedules that extend ``schedule``, which has those of ``base`` besides, by ``more`` deviations.

    Shorter schedules are run again on the way, which is cheap: there are far fewer of them.
    """
    execution = make()
    if more == 0:
        yield direct.run(execution, Canonical(execution, base + schedule))
        return
    choices = Choices(execution, Canonical(execution, base + schedule), base)
    direct.run(execution, choices)
    for extension in choices.extensions:
        yield from _with_deviations(make, base, (*schedule, extension), more - 1)
