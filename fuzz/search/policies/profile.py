"""What the sequential run of a program tells the policies about all its other runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

from fuzz.engine.history import History
from pagecache.step import Target

__all__ = ["CONTESTED_WEIGHT", "Anchor", "Profile"]

CONTESTED_WEIGHT: Final = 16
"""How much more often a deviation is drawn at a step that another task could notice than at any other."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A visible step of the run: the ``visit``-th call of ``at`` by ``task``."""

    task: str
    at: str
    visit: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A program, as its sequential run shows it.

    Args:
        names: the tasks' names by number.
        anchors: its visible steps, in order.
        weights: for each anchor, the sum of the weights up to and including its own.
    """

    names: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    weights: tuple[int, ...]

    @property
    def horizon(self) -> int:
        """How many choices a run may have.

        All visible steps count, also those that had no alternative because the other tasks had ended: another
        schedule has them elsewhere.  Too long a horizon wastes some runs of PCT, too short a one hides bugs.
        """
        return len(self.anchors)

    @classmethod
    def of(cls, history: History) -> Self:
        """The profile of a recorded run."""
        visits: Counter[tuple[int, str]] = Counter()
        accesses: defaultdict[Target, set[tuple[int, bool]]] = defaultdict(set)
        visible = []
        for event in history.events:
            if event.step is None:
                continue
            visits[event.task, event.step.call] += 1
            if event.step.target is None:
                continue
            anchor = Anchor(history.names[event.task], event.step.call, visits[event.task, event.step.call])
            accesses[event.step.target].add((event.task, event.step.writes))
            visible.append((anchor, event.step.target))
        contested = {target for target, seen in accesses.items() if _conflict(seen)}
        weights = accumulate(CONTESTED_WEIGHT if target in contested else 1 for _, target in visible)
        return cls(history.names, tuple(anchor for anchor, _ in visible), tuple(weights))


def _conflict(accesses: set[tuple[int, bool]]) -> bool:
    """Do two tasks touch it, at least one of them writing?"""
    return len({task for task, _ in accesses}) > 1 and any(writes for _, writes in accesses)
