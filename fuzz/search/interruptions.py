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
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from fuzz.engine.history import History, Taken
from fuzz.search.behaviour import counted
from fuzz.search.policies.profile import Profile
from pagecache.step import Step, Target
from pagecache.store_buffer import published_by
from strategies.case import Deviation

__all__ = ["AGAIN", "Interruption", "Interruptions", "Place", "interruptions"]

AGAIN: Final = 0.5
"""The share of the interruptions that end before the other task does: it is interrupted as well."""


class Place(NamedTuple):
    """Where, as it is counted.

    Args:
        operation: the kind of the one that is interrupted.
        call: which it is about to make.
        visit: which of the task's calls of that name, as it is counted.
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


def _visible(history: History) -> list[list[Taken]]:
    """By task, its visible steps."""
    made: list[list[Taken]] = [[] for _ in history.names]
    for one in history.taken():
        if one.step.target is not None:
            made[one.task].append(one)
    return made


def _touched(step: Step) -> Iterator[tuple[Target | None, bool]]:
    """What a step touches, and whether it is written: its target, and what becomes visible by it."""
    yield step.target, step.writes
    for target in published_by(step):
        yield target, True


def interruptions(first: History, last: History, tasks: int | None = None) -> list[Interruption]:
    """The places of a program: all conflicting steps of each task but the first.

    To interrupt a task before that is to run the other one before.

    Args:
        first: of the sequential run.
        last: of the other one, in which the last task comes first.
        tasks: how many there are, without daemons; by default there are none.
    """
    runs = [_visible(history) for history in (first, last)]
    numbers = range(len(first.names) if tasks is None else tasks)
    # By task and target: the first operation that touches it, and the first that writes it, in whichever of the runs.
    users: list[dict[Target | None, str]] = []
    writers: list[dict[Target | None, str]] = []
    for number in numbers:
        made = [one for visible in runs for one in visible[number]]
        touched = [(*touch, one.operation) for one in made for touch in _touched(one.step)]
        users.append({target: operation for target, _, operation in reversed(touched)})
        writers.append({target: operation for target, writes, operation in reversed(touched) if writes})
    found = []
    for number in numbers:
        made = runs[number == numbers[-1]][number]
        for other in numbers:
            if other == number:
                continue
            conflicting = []
            for one in made:
                conflicts = ((users if writes else writers)[other].get(target) for target, writes in _touched(one.step))
                by = next(filter(None, conflicts), None)
                if by is not None:
                    place = Place(one.operation, one.step.call, counted(one.visit), by)
                    conflicting.append(Interruption(place, number, one.visit, other))
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

    def choose(self, some: list[Interruption], profile: Profile, random: Random) -> tuple[Deviation, ...]:
        """A schedule with the interruption that has been tried least, which is taken out of ``some``.

        Args:
            some: those of the program that are left, at least one.
            profile: of the program.
            random: decides between equals, and whether the other task is interrupted, too.
        """
        chosen = self._least(some, random)
        some.remove(chosen)
        self._tried[chosen.place] += 1
        names = profile.names
        schedule = [chosen.deviation(names)]
        if chosen.task and profile.steps[0]:
            # It has to begin, and not task 0, which would if it does anything.
            schedule.insert(0, Deviation(names[0], profile.steps[0][0].call, 1, names[chosen.task]))
        back = [one for one in some if (one.task, one.other) == (chosen.other, chosen.task)]
        if back and random.random() < AGAIN:
            second = self._least(back, random)
            self._tried[second.place] += 1
            schedule.append(second.deviation(names))
        return tuple(schedule)

    def _least(self, some: Sequence[Interruption], random: Random) -> Interruption:
        least = min(self._tried[one.place] for one in some)
        return random.choice([one for one in some if self._tried[one.place] == least])
