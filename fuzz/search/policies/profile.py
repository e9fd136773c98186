"""What one run of a program tells the policies about all the others: the sequential one, mostly.

A portfolio takes the run in which everybody has turns, which is its first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple, Self

from fuzz.engine.history import History
from fuzz.errors import no_hash
from pagecache.step import Step, Target
from strategies.case import TaskSpec

__all__ = ["CONTESTED_WEIGHT", "Anchor", "Pair", "Profile", "Site", "conflict", "kinds_of"]

CONTESTED_WEIGHT: Final = 16
"""How much more often a deviation is drawn at a step that another task could notice than at any other."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A visible step of the run: the ``visit``-th call of ``at`` by ``task``."""

    task: str
    at: str
    visit: int


class Site(NamedTuple):
    """The same place of a program, whichever of the tasks that do the same comes there.

    Args:
        kind: the number of the first task that does the same operations.
        call: of the step.
        visit: which visit of that call by the task.
    """

    kind: int
    call: str
    visit: int


class Pair(NamedTuple):
    """A read, or any other access, of what somebody else has written.

    Args:
        writer: where it is written; ``None``: nowhere, it is as it was in the beginning.
        reader: where it is read.
        target: what.
    """

    writer: Site | None
    reader: Site
    target: Target


def kinds_of(tasks: Sequence[TaskSpec]) -> tuple[int, ...]:
    """By task, the number of the first one that does the same operations."""
    operations = [task.operations for task in tasks]
    return tuple(map(operations.index, operations))


def conflict(one: Step, other: Step) -> bool:
    """Could somebody notice in which order two tasks take these steps?"""
    return one.target is not None and one.target == other.target and (one.writes or other.writes)


@dataclass(frozen=True)
class Profile:
    """A program, as one run shows it.

    Args:
        names: the tasks' names by number.
        anchors: its visible steps, in order.
        weights: for each anchor, the sum of the weights up to and including its own.
        kinds: by task, the number of the first task that does the same operations.
        steps: by task, the steps that it took.
        chosen: by task, for each of these whether another task could have been run instead.
    """

    names: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    weights: tuple[int, ...]
    kinds: tuple[int, ...]
    steps: tuple[tuple[Step, ...], ...]
    chosen: tuple[tuple[bool, ...], ...]

    @property
    def horizon(self) -> int:
        """How many choices a run may have.

        All visible steps count, also those that had no alternative because the other tasks had ended: another
        schedule has them elsewhere.  Too long a horizon wastes some runs of PCT, too short a one hides bugs.
        """
        return len(self.anchors)

    @cached_property
    def left(self) -> list[list[int]]:
        """By task and by the number of calls that it has announced, how many choices it has before it."""
        return [_to_come(chosen) for chosen in self.chosen]

    def accesses_left(self, target: Target) -> list[list[int]]:
        """By task and by the number of calls that it has announced, how often it will touch ``target``."""
        return [_to_come([step.target == target for step in steps]) for steps in self.steps]

    @cached_property
    def contested(self) -> dict[Target, int]:
        """What two tasks touch, and one of them writes; with the number of accesses."""
        accesses: defaultdict[Target, set[tuple[int, bool]]] = defaultdict(set)
        counts: Counter[Target] = Counter()
        for number, steps in enumerate(self.steps):
            for step in steps:
                if step.target is not None:
                    accesses[step.target].add((number, step.writes))
                    counts[step.target] += 1
        return {target: counts[target] for target, seen in accesses.items() if _is_contested(seen)}

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Who could read from whom: each pair of sites of different tasks, in the order of the readers."""
        writers: defaultdict[Target, dict[Site | None, set[int]]] = defaultdict(lambda: {None: set()})
        readers: list[tuple[Target, Site, int]] = []
        for number, site, step in self.sites():
            if step.target in self.contested:
                readers.append((step.target, site, number))
                if step.writes:
                    writers[step.target].setdefault(site, set()).add(number)
        return tuple(
            dict.fromkeys(
                Pair(writer, reader, target)
                for target, reader, number in readers
                for writer, numbers in writers[target].items()
                if numbers != {number}
            )
        )

    def sites(self) -> Iterator[tuple[int, Site, Step]]:
        """Each visible step of each task, with its task and its site."""
        for number, steps in enumerate(self.steps):
            visits: Counter[str] = Counter()
            for step in steps:
                visits[step.call] += 1
                if step.target is not None:
                    yield number, Site(self.kinds[number], step.call, visits[step.call]), step

    @classmethod
    def of(cls, history: History, kinds: Sequence[int] | None = None) -> Self:
        """The profile of a recorded run.

        Args:
            history: of the run.
            kinds: by task, the number of the first task that does the same; ``None``: no two do.
        """
        visits: Counter[tuple[int, str]] = Counter()
        accesses: defaultdict[Target, set[tuple[int, bool]]] = defaultdict(set)
        steps: list[list[Step]] = [[] for _ in history.names]
        chosen: list[list[bool]] = [[] for _ in history.names]
        first = False
        visible = []
        for event in history.events:
            step = event.step
            if step is None:
                first = event.kind == "call"
                continue
            steps[event.task].append(step)
            chosen[event.task].append(first or step.target is not None)
            first = False
            visits[event.task, step.call] += 1
            if step.target is None:
                continue
            anchor = Anchor(history.names[event.task], step.call, visits[event.task, step.call])
            try:
                accesses[step.target].add((event.task, step.writes))
            except TypeError:
                raise no_hash(step) from None
            visible.append((anchor, step.target))
        contested = {target for target, seen in accesses.items() if _is_contested(seen)}
        weights = accumulate(CONTESTED_WEIGHT if target in contested else 1 for _, target in visible)
        return cls(
            history.names,
            tuple(anchor for anchor, _ in visible),
            tuple(weights),
            tuple(range(len(history.names)) if kinds is None else kinds),
            tuple(map(tuple, steps)),
            tuple(map(tuple, chosen)),
        )


def _to_come(marks: Sequence[bool]) -> list[int]:
    """By how many calls have been announced, from 0: how many of the marked steps are still to be taken."""
    left = list(accumulate(reversed(marks), initial=0))
    left.reverse()
    return left[:1] + left[:-1] if marks else [0]


def _is_contested(accesses: set[tuple[int, bool]]) -> bool:
    """Do two tasks touch it, at least one of them writing?"""
    return len({task for task, _ in accesses}) > 1 and any(writes for _, writes in accesses)
