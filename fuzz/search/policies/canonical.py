"""The canonical schedule, and the deviations of a recorded one from it.

Delay bounding (Emmi, Qadeer, Rakamarić, POPL 2011) with run-to-block, lowest number first, as its
deterministic scheduler; a delay is anchored at a call instead of being counted, so that it survives changes of
the program around it, and says who runs instead.

Replay is lenient: a deviation whose place is never reached is left over (:meth:`fuzz.engine.run.Run.unused`).  With
the deviations that a run recorded, none is.
"""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.engine.execution import Execution
from pagecache.step import Step
from strategies.case import Deviation

__all__ = ["Canonical"]


class Canonical:
    """Follows ``schedule`` in ``execution``; without deviations, the sequential run."""

    def __init__(self, execution: Execution, schedule: Sequence[Deviation] = ()) -> None:
        numbers = {task.name: task.number for task in execution.tasks}
        self._visit = execution.visit
        self._left = [
            (numbers[one.task], one.at, one.visit, numbers[one.run])
            for one in schedule
            if one.task in numbers and one.run in numbers
        ]

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,
        pending: Sequence[Step | None],
    ) -> int:
        """The first deviation that applies here, otherwise the canonical choice."""
        step = pending[canonical]
        if not self._left or step is None:
            return canonical
        for position, (task, at, visit, run) in enumerate(self._left):
            if (
                task == canonical
                and at == step.call
                and run in runnable
                and run != canonical
                and visit == self._visit(canonical)
            ):
                del self._left[position]
                return run
        return canonical
