"""Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).

Each task has a random priority; the runnable task with the highest runs.  At ``depth - 1`` random places the task that
has just run falls to a priority below all the initial ones.  A bug that needs ``depth`` ordering constraints is
found with probability at least ``1 / (n * k**(depth - 1))`` per run, ``n`` tasks, ``k`` choices.

The change points are *labelled* with the priorities 1 to ``depth - 1``, independently of their places, as in the paper.
Putting the task "at the end of the list" instead, as three tools do, makes whoever falls later always
lower, so that bugs in which the second to be interrupted must resume first are out of reach.

Only choices are counted, in the run and in the horizon.  The horizon comes from the sequential run: one learnt
from PCT's own runs can lock in on a few schedules.  Where a task is blocked its priority stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pagecache.step import Step

__all__ = ["Pct"]


class Pct:
    """PCT.

    Args:
        random: the run's.
        tasks: how many there are.
        depth: how many ordering constraints the bug needs, at least 1.
        horizon: how many choices a run may have.
    """

    def __init__(self, random: Random, tasks: int, depth: int, horizon: int) -> None:
        priorities = list(range(depth, depth + tasks))
        random.shuffle(priorities)
        self._priorities = priorities
        places = random.sample(range(1, horizon + 1), min(depth - 1, horizon))  # in random order
        self._changes = dict(zip(places, range(1, depth), strict=False))
        self._choices = 0

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """The runnable task with the highest priority."""
        chosen = max(runnable, key=self._priorities.__getitem__)
        self._choices += 1
        label = self._changes.get(self._choices)
        if label is not None:
            self._priorities[chosen] = label
        return chosen
