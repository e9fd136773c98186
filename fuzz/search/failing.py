"""Which calls have failed how often: each place that can fail is to fail now and then.

A call that fails is one choice more, in the order of the schedule as good as in any other: most mistakes in what comes
after it need nobody else.  So in each program one call fails in the sequential order, the one of its places that has
failed least in the whole search.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import NamedTuple

from fuzz.engine.run import Run
from strategies.case import Failure

__all__ = ["Failing", "Place", "can_fail"]


class Place(NamedTuple):
    """A call of a kind of operation, which can fail."""

    operation: str
    call: str


def can_fail(run: Run) -> list[tuple[Failure, Place]]:
    """The calls of a recorded run that can fail, each with its place."""
    assert run.history is not None
    return [
        (Failure(run.names[one.task], one.step.call, one.visit), Place(one.operation, one.step.call))
        for one in run.history.taken()
        if one.step.fails
    ]


class Failing:
    """How often each place has failed in a search."""

    __slots__ = ("_failed",)

    def __init__(self) -> None:
        self._failed: Counter[Place] = Counter()

    def choose(self, run: Run, random: Random, enough: int) -> Failure | None:
        """The call that fails next: at the place that has failed least.  ``None`` if all have ``enough`` times."""
        found = [(failure, place) for failure, place in can_fail(run) if self._failed[place] < enough]
        if not found:
            return None
        least = min(self._failed[place] for _, place in found)
        failure, place = random.choice([one for one in found if self._failed[one[1]] == least])
        self._failed[place] += 1
        return failure
