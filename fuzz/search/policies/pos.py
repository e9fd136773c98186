"""Partial order sampling (Yuan, Yang, Gu, CAV 2018).

Each pending step has a random priority, and the highest one runs.  What conflicts with the step that is taken loses its
priority and gets another: without that a step that has lost one race would go on losing.  Redrawing all of them
would be a random walk.  Every order of conflicting steps has a positive probability, far greater than in a random
walk where many steps do not conflict.

The paper's conflicts are accesses to one variable; here equal targets, one of them written.  A task that was blocked
was so by a conflicting step, and gets a new priority, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fuzz.search.policies.profile import conflict
from pagecache.step import Step

__all__ = ["Pos"]


class Pos:
    """POS."""

    def __init__(self, random: Random, tasks: int) -> None:
        self._random = random.random
        self._priorities = [0.0] * tasks
        """By task, of its pending step; 0 if it has none yet."""
        self._taken: Step | None = None

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],
    ) -> int:
        """The task whose pending step has the highest priority."""
        priorities = self.priorities(runnable, pending)
        chosen = max(runnable, key=priorities.__getitem__)
        self.take(chosen, pending)
        return chosen

    def priorities(self, runnable: Sequence[int], pending: Sequence[Step | None]) -> Sequence[float]:
        """The priorities of the pending steps, drawn where there is none."""
        priorities, taken = self._priorities, self._taken
        if len(runnable) != len(pending):
            for number in range(len(pending)):
                if number not in runnable:
                    priorities[number] = 0.0
        for number in runnable:
            step = pending[number]
            if not priorities[number] or (taken is not None and step is not None and conflict(step, taken)):
                priorities[number] = 1.0 - self._random()
        return priorities

    def take(self, chosen: int, pending: Sequence[Step | None]) -> None:
        """The pending step of ``chosen`` is going to be taken."""
        self._taken = pending[chosen]
        self._priorities[chosen] = 0.0
