"""Where to interrupt a task for another one: where, of all such places, it has been done least in the whole search.

A task that is interrupted before a step at which the other one does not conflict might as well be interrupted before
the next; so the places of a program are few, and the sequential runs show them: the steps of one task that touch what
the other one touches, too, one of them writing.  (Of the runs of PCT half are of the same Mazurkiewicz class as one of
the two sequential runs, or as each other.)

Which of them to take?  The one that is least common: Snowboard does so with pairs of instructions that communicate
(Gong et al., SOSP 2021).  Here a place is counted by the operation that is interrupted, the call that it is about to
make, and the operation that comes in between; and not by the pages that these are about, or each program would have
so many new ones that the search got to few programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from fuzz.engine.history import History
from pagecache.step import Target
from strategies.case import Deviation

__all__ = ["AGAIN", "Interruption", "Interruptions", "Place", "interruptions"]

AGAIN: Final = 0.5
"""The share of the interruptions that end before the other task does: it is interrupted as well."""

VISITS: Final = 3
"""So many visits of a call are told apart."""


class Place(NamedTuple):
    """Where, as it is counted.

    Args:
        operation: the kind of the one that is interrupted.
        call: which it is about to make.
        visit: which of the task's calls of that name; beyond the third, the power of two.
        by: the kind of the operation that conflicts with it there.
    """

    operation: str
    call: str
    visit: int
    by: str


class Interruption(NamedTuple):
    """One place of one program.

    Args:
        place: as it is counted.
        task: the number of who is interrupted.
        visit: which of the task's calls of that name.
        other: the number of who runs instead.
    """

    place: Place
    task: int
    visit: int
    other: int

    def deviation(self, names: Sequence[str]) -> Deviation:
        """As it is written in a schedule."""
        return Deviation(names[self.task], self.place.call, self.visit, names[self.other])


class _Access(NamedTuple):
    operation: str
    call: str
    visit: int
    target: Target
    writes: bool


def _accesses(history: History) -> list[list[_Access]]:
    """By task, its visible steps."""
    doing = [""] * len(history.names)
    visits: Counter[tuple[int, str]] = Counter()
    made: list[list[_Access]] = [[] for _ in history.names]
    for event in history.events:
        step, number = event.step, event.task
        if event.kind == "call":
            doing[number] = type(event.operation).__name__
        if step is None:
            continue
        visits[number, step.call] += 1
        if step.target is not None:
            made[number].append(_Access(doing[number], step.call, visits[number, step.call], step.target, step.writes))
    return made


def _about(visit: int) -> int:
    return visit if visit <= VISITS else 1 << visit.bit_length() - 1


def interruptions(first: History, last: History) -> list[Interruption]:
    """The places of a program: all conflicting steps of each task but the first.

    To interrupt a task before that is to run the other one before.

    Args:
        first: of the sequential run.
        last: of the other one, in which the last task comes first.
    """
    runs = [_accesses(history) for history in (first, last)]
    numbers = range(len(first.names))
    # By task and target: the first operation that touches it, and the first that writes it, in whichever of the runs.
    users: list[dict[Target, str]] = []
    writers: list[dict[Target, str]] = []
    for number in numbers:
        made = [one for accesses in runs for one in accesses[number]]
        users.append({one.target: one.operation for one in reversed(made)})
        writers.append({one.target: one.operation for one in reversed(made) if one.writes})
    found = []
    for number in numbers:
        made = runs[number == numbers[-1]][number]
        for other in numbers:
            conflicting = []
            for one in made:
                by = (users if one.writes else writers)[other].get(one.target)
                if by is not None and other != number:
                    conflicting.append(
                        Interruption(Place(one.operation, one.call, _about(one.visit), by), number, one.visit, other)
                    )
            found += conflicting[1:]
    return found


class Interruptions:
    """How often each place has been tried in a search."""

    __slots__ = ("_tried",)

    def __init__(self) -> None:
        self._tried: Counter[Place] = Counter()

    def is_promising(self, some: Sequence[Interruption]) -> bool:
        """Has one of them never been tried?"""
        return any(not self._tried[one.place] for one in some)

    def choose(self, some: list[Interruption], history: History, random: Random) -> tuple[Deviation, ...]:
        """A schedule with the interruption that has been tried least, which is taken out of ``some``.

        Args:
            some: those of the program that are left, at least one.
            history: of its sequential run.
            random: decides between equals, and whether the other task is interrupted, too.
        """
        chosen = self._least(some, random)
        some.remove(chosen)
        self._tried[chosen.place] += 1
        schedule = [chosen.deviation(history.names)]
        if chosen.task:
            # It has to begin.
            calls = (event.step.call for event in history.events if event.task == 0 and event.step is not None)
            # (If there is no such call, task 0 does nothing, and is in nobody's way.)
            schedule[:0] = [Deviation(history.names[0], call, 1, history.names[chosen.task]) for call in [*calls][:1]]
        back = [one for one in some if (one.task, one.other) == (chosen.other, chosen.task)]
        if back and random.random() < AGAIN:
            second = self._least(back, random)
            self._tried[second.place] += 1
            schedule.append(second.deviation(history.names))
        return tuple(schedule)

    def _least(self, some: Sequence[Interruption], random: Random) -> Interruption:
        least = min(self._tried[one.place] for one in some)
        return random.choice([one for one in some if self._tried[one.place] == least])
