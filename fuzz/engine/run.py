"""What one run was: its verdict, and the schedule that leads to it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fuzz.engine.history import History
from fuzz.engine.verdict import Verdict
from strategies.case import Deviation

__all__ = ["Deviated", "Run"]

Deviated = tuple[int, int, int]
"""A deviation by numbers: the canonical task, how many calls it had announced, the task that ran instead."""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one run.

    Args:
        verdict: what it means.
        names: the tasks' names by number.
        calls: by task, the names of the calls it announced, in order.
        deviated: where the schedule left the canonical one, in order.
        steps: how many steps were taken, those of the fair suffix included.
        preemptions: how many of the deviations took the CPU from a task that could have gone on.
        fair_suffix: the run reached STEPS_MAX and went on under the fair scheduler.
        history: what happened, if it was recorded.
    """

    verdict: Verdict
    names: tuple[str, ...]
    calls: Sequence[Sequence[str]]
    deviated: Sequence[Deviated]
    steps: int
    preemptions: int
    fair_suffix: bool
    history: History | None

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """The schedule of this run: replayed, it gives exactly this run.

        Made when asked for, since nobody asks for those of a run that held.
        """
        return tuple(
            Deviation(self.names[task], at, self.calls[task][:announced].count(at), self.names[run])
            for task, announced, run in self.deviated
            for at in (self.calls[task][announced - 1],)
        )

    def unused(self, schedule: Sequence[Deviation]) -> tuple[Deviation, ...]:
        """Those of ``schedule`` that this run did not make; all others applied."""
        made = list(self.deviations)
        unused = []
        for deviation in schedule:
            if deviation in made:
                made.remove(deviation)
            else:
                unused.append(deviation)
        return tuple(unused)
