"""Selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025).

Most bugs are about the order of the accesses to one object.  So one object is drawn for each run, with a probability
proportional to its accesses, and the order of the accesses to *it* is drawn uniformly, as by
:mod:`fuzz.search.policies.urw`: who accesses it next is decided beforehand, and whoever else comes to it waits.  All
other steps run by a random priority each.

As in the authors' artifact (``memory_addr``), where every run draws its object; it is drawn from all objects there, and
here from those that two tasks touch and one of them writes, counted in the sequential run.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fuzz.engine.execution import Execution
from fuzz.search.policies.profile import Profile
from fuzz.search.policies.urw import weights
from pagecache.step import Step, Target

__all__ = ["Surw"]


class Surw:
    """SURW."""

    def __init__(self, execution: Execution, random: Random, profile: Profile) -> None:
        self._random = random.random
        self._draw = random.choices
        self._calls = execution.calls
        self.target: Target | None = None
        """The object of this run; ``None`` if there is none to choose."""
        if profile.contested:
            self.target = random.choices(list(profile.contested), list(profile.contested.values()))[0]
            self._left = profile.accesses_left(self.target)
        self._priorities = [(0, 0.0)] * len(execution.tasks)
        """By task, how many calls it had announced when its priority was drawn, and the priority."""
        self._intended: int | None = None
        """Who is to access the object next."""
        self._waiting: set[int] = set()
        """Who has come to the object and is not that one."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],
    ) -> int:
        """The task with the highest priority that need not wait for its turn."""
        by_priority = sorted(runnable, key=self._priority, reverse=True)
        if self._intended not in runnable:
            # It waits for a lock, perhaps of one of those that wait for it.
            self._forget()
        for number in by_priority:
            if number in self._waiting:
                continue
            step = pending[number]
            if step is None or step.target is None or step.target != self.target:
                return number
            if self._intended is None:
                self._intended = self._draw(runnable, weights(runnable, self._left, self._calls))[0]
            if number == self._intended:
                self._forget()
                return number
            self._waiting.add(number)
        self._forget()
        return by_priority[0]

    def _priority(self, number: int) -> float:
        announced, priority = self._priorities[number]
        if announced != len(self._calls[number]):
            priority = self._random()
            self._priorities[number] = (len(self._calls[number]), priority)
        return priority

    def _forget(self) -> None:
        self._intended = None
        self._waiting.clear()
