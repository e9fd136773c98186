"""Recorded runs with one stretch of one task moved to another place.

Greybox fuzzing of schedules, as in RFF (ASPLOS 2024) and Fest (NSDI 2026): a run that has shown what few others have is
changed a little and run again.  They mutate constraints, and the random numbers that a scheduler
consumed; here the order of the steps itself, so that what is changed is one thing and all else stays where it was.

A change that only moves steps past others that do not conflict makes the same run, and so does one that was made
before: assuming that each task will take the same steps again, the class of the changed run
(:mod:`fuzz.search.classes`) is known beforehand, and what is known to have been run is not run again.

Rare first: the parent is the run whose end the fewest runs have shown, and in every fourth turn the one whose other
behaviour has been shown least; and the fewer children it has, the sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from fuzz.engine.execution import Execution
from fuzz.search.behaviour import Behaviours, Seen
from fuzz.search.classes import Access, class_of
from pagecache.step import Step

__all__ = ["Following", "Neighbours"]

PARENTS_MAX: Final = 1_000
"""Runs that are kept.  Each was the first to show something; programs have some hundred behaviours."""

ATTEMPTS_MAX: Final = 20
"""To change a parent into something that has not been run."""

READS: Final = 0.75
"""The share of the changes that make somebody read something else."""

LONGER: Final = 0.5
"""The probability that a stretch is one step longer."""


class Following:
    """Runs the tasks in a recorded order, as far as they can run.

    Args:
        execution: the run.
        made: the visible steps in their order.
    """

    def __init__(self, execution: Execution, made: Sequence[Access]) -> None:
        self._calls = execution.calls
        self._made = made
        self._at = 0

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """The task of the first recorded step that has not been taken and can be."""
        made, calls = self._made, self._calls
        while self._at < len(made) and made[self._at].announced < len(calls[made[self._at].task]):
            self._at += 1
        for position in range(self._at, len(made)):
            access = made[position]
            if access.task in runnable and access.announced >= len(calls[access.task]):
                return access.task
        return canonical


class _Parent:
    """A run worth changing."""

    __slots__ = ("end", "made", "rare", "tried")

    def __init__(self, made: list[Access], seen: Seen) -> None:
        self.made = made
        self.rare = seen.new
        self.end = seen.end
        self.tried = 0


class Neighbours:
    """The search; it learns from all runs, whoever has made them.

    Args:
        random: makes the changes.
        behaviours: of all runs.
        classes: by class, how many runs of it there were.
    """

    def __init__(self, random: Random, behaviours: Behaviours, classes: dict[int, int]) -> None:
        self._random = random.random
        self._behaviours = behaviours
        self._classes = classes
        self._parents: list[_Parent] = []
        self._turn = 0

    def learn(self, made: list[Access], seen: Seen) -> None:
        """A run has been made, and this is what it has shown."""
        if seen.new and len(self._parents) < PARENTS_MAX:
            self._parents.append(_Parent(made, seen))

    def policy(self, execution: Execution) -> Following:
        """Follows a changed run."""
        self._turn += 1
        parent = min(self._parents, key=self._by_end if self._turn % 4 else self._by_behaviour)
        parent.tried += 1
        changed = parent.made
        for _ in range(ATTEMPTS_MAX):
            changed = self._change(parent.made)
            if class_of(changed) not in self._classes:
                break
        return Following(execution, changed)

    def _by_end(self, parent: _Parent) -> int:
        return (1 + parent.tried) * self._behaviours.counts[parent.end] ** 2

    def _by_behaviour(self, parent: _Parent) -> int:
        return (1 + parent.tried) * self._behaviours.rarest(parent.rare)

    def _change(self, made: list[Access]) -> list[Access]:
        """One thing changed: who reads what, or where a stretch is."""
        if self._random() < READS:
            for _ in range(ATTEMPTS_MAX):
                changed = self._read_from_another(made)
                if changed is not None:
                    return changed
        return self._move_a_stretch(made)

    def _read_from_another(self, made: list[Access]) -> list[Access] | None:
        """An access right after a write of what it accesses; ``None`` if nobody else writes that."""
        number = self._any({access.task for access in made})
        own = [position for position, access in enumerate(made) if access.task == number]
        reader = own[int(self._random() * len(own))]
        target = made[reader].target
        writes = [at for at, one in enumerate(made) if one.target == target and one.writes and one.task != number]
        # Where it is read from the start: right before the first write.
        places = [writes[0] - 1, *writes] if writes else []
        source = max((at for at in places if at < reader), default=-1)
        places = [at for at in places if at != source]
        if not places:
            return None
        place = places[int(self._random() * len(places))]
        if place < reader:
            moved = [at for at in own if place < at <= reader]
            return [*made[: place + 1], *(made[at] for at in moved), *_without(made, moved, place + 1, len(made))]
        moved = [at for at in own if reader <= at < place]
        return [*_without(made, moved, 0, place + 1), *(made[at] for at in moved), *made[place + 1 :]]

    def _move_a_stretch(self, made: list[Access]) -> list[Access]:
        """A stretch of a task's steps elsewhere."""
        number = self._any({access.task for access in made})
        own = [position for position, access in enumerate(made) if access.task == number]
        first = int(self._random() * len(own))
        last = first + 1
        while last < len(own) and self._random() < LONGER:
            last += 1
        moved = own[first:last]
        rest = _without(made, moved, 0, len(made))
        # Not across its own other steps, whose order is fixed.
        low = own[first - 1] + 1 if first else 0
        high = own[last] - len(moved) if last < len(own) else len(rest)
        at = low + int(self._random() * (high - low + 1))
        return [*rest[:at], *(made[position] for position in moved), *rest[at:]]

    def _any(self, numbers: set[int]) -> int:
        in_order = sorted(numbers)
        return in_order[int(self._random() * len(in_order))]


def _without(made: list[Access], but: Sequence[int], start: int, end: int) -> list[Access]:
    return [made[at] for at in range(start, end) if at not in but]
