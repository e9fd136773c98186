"""Uniform random walk (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025: "Selectively Uniform Concurrency Testing").

A task is chosen with a probability proportional to the number of choices that it still has before it.  Where these
numbers are right and nobody blocks, every interleaving has the same probability; in a walk that chooses among the
tasks uniformly, the short ones are over long before the others.

The paper counts in a run of its own, by task; here in the sequential run, and by the number of calls that a task has
announced, so that what a loop or a branch adds is noticed.  A task that goes on beyond has one more before it.
There is no spawning: all tasks are there from the start.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from math import log
from random import Random

from fuzz.engine.execution import Execution
from fuzz.search.policies.profile import Profile
from pagecache.step import Step

__all__ = ["Urw", "weights"]

Calls = Sequence[Sequence[str]]


def weights(numbers: Sequence[int], left: Sequence[Sequence[int]], calls: Calls) -> list[int]:
    """What each of these tasks has left, at least 1.

    Args:
        numbers: of the tasks.
        left: by task, and by how many calls it has announced.
        calls: by task, those that it has announced.
    """
    return [
        (left[number][len(calls[number])] or 1) if len(calls[number]) < len(left[number]) else 1 for number in numbers
    ]


class Urw:
    """URW."""

    def __init__(self, execution: Execution, random: Random, profile: Profile) -> None:
        self._random = random.random
        self._calls = execution.calls
        self._left = profile.left
        self.log_space = 0.0
        """The logarithm of one divided by the probability of the choices so far."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """Any task, those with much before them more often."""
        left = list(accumulate(weights(runnable, self._left, self._calls)))
        at = bisect(left, int(self._random() * left[-1]))
        self.log_space += log(left[-1] / (left[at] - left[at - 1] if at else left[0]))
        return runnable[at]
