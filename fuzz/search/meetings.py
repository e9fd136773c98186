"""Which program to run next: one whose operations have met least so far.

Thirty kinds of operations make some 400 pairs, and a bug may need any of them.  Left to chance, with kinds that go
together and a Collapse here and there, 4,000 programs have a hundred pairs more than fifty times each and as many
hardly once: UFFDIO_COPY and ftruncate() in two tasks, say, twice.  So a third of the later programs are made of the
two kinds that have met least (:meth:`Meetings.pair`), as pairwise testing does with parameters (Cohen et al., "The
AETG system", TSE 1997).

Of some programs that are drawn, then, one is run (:meth:`Meetings.choose`), as adaptive random testing takes, of a
few random inputs, the one that is farthest from all that have been tried (Chen, Leung and Mak, ASIAN 2004).  How far
one is counts, here, in *meetings*: two operations of different tasks, and whether they are about the same page; and an
operation with the kind of page and of mapping that it is about.  To draw a program costs little beside its schedules.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from pagecache.operations import Collapse, Operation, Truncate
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.grammar import Draw

__all__ = ["CANDIDATES", "Meetings"]

CANDIDATES: Final = 8
"""Programs to choose from."""

Kind = type[Operation]


class Meetings:
    """How often what has met what, in the programs that were run."""

    __slots__ = ("_least", "_met")

    def __init__(self) -> None:
        self._met: Counter[Hashable] = Counter()
        self._least: dict[tuple[Kind, ...], list[tuple[Kind, Kind]]] = {}
        """By the kinds to choose from, the pairs that have met least; until the next program is run."""

    def pair(self, draw: Draw, kinds: tuple[Kind, ...]) -> tuple[Kind, Kind]:
        """The two kinds, or twice the same, that have met least; of equals, any."""
        least = self._least.get(kinds)
        if least is None:
            pairs = _pairs_of_kinds(kinds)
            met = [self._met.get(names, 0) for names, _ in pairs]
            fewest = min(met)
            least = [pair for (_, pair), times in zip(pairs, met, strict=True) if times == fewest]
            self._least[kinds] = least
        return draw.option(least, least[0])

    def choose(self, cases: Sequence[Case]) -> Case:
        """The case whose meetings are the newest, on average; it is taken to be run.  Of equals, the first."""
        chosen = max(cases, key=lambda case: self._novelty(meetings(case)))
        self.note(chosen)
        return chosen

    def note(self, case: Case) -> None:
        """It is run."""
        self._least.clear()
        self._met.update(meetings(case))
        self._met.update({_names(type(one), type(other)) for one, other in _pairs(case)})

    def _novelty(self, met: Sequence[Hashable]) -> float:
        return sum(1 / (1 + self._met[one]) for one in met) / max(1, len(met))


def meetings(case: Case) -> list[Hashable]:
    """The pairs of operations of different tasks by their kinds, then each kind with its circumstances."""
    world = case.world
    pairs = ((*_names(type(one), type(other)), _meet(world, one, other)) for one, other in _pairs(case))
    operations = (operation for task in case.program.tasks for operation in task.operations)
    return list(dict.fromkeys((*pairs, *(_circumstances(world, operation) for operation in operations))))


@functools.cache
def _pairs_of_kinds(kinds: tuple[Kind, ...]) -> list[tuple[tuple[str, str], tuple[Kind, Kind]]]:
    return [(_names(*pair), pair) for pair in itertools.combinations_with_replacement(kinds, 2)]


def _names(one: Kind, other: Kind) -> tuple[str, str]:
    """What the counts call a pair of kinds, in whatever order."""
    first, second = one.__name__, other.__name__
    return (first, second) if first <= second else (second, first)


def _pairs(case: Case) -> Iterator[tuple[Operation, Operation]]:
    """Every two operations of different tasks."""
    for one, other in itertools.combinations(case.program.tasks, 2):
        yield from itertools.product(one.operations, other.operations)


def _meet(world: WorldSpec, one: Operation, other: Operation) -> bool:
    """Are both about the same page?"""
    first, second = _range(world, one), _range(world, other)
    return first.start < second.stop and second.start < first.stop


def _range(world: WorldSpec, operation: Operation) -> range:
    """The pages that it is about; the whole file, or what is mapped, if it names none."""
    match operation:
        case Collapse(start=start):
            return range(start, start + (1 << world.hpage_order))
        case Truncate(size=size):
            return range(size, max(size + 1, len(world.pages)))
    if operation.pages is not None:
        return operation.pages
    vma = _vma(world, operation)
    return range(len(world.pages)) if vma is None else range(vma.start, vma.end)


def _vma(world: WorldSpec, operation: Operation) -> VmaSpec | None:
    number = getattr(operation, "vma", None)
    return world.vmas[number] if number is not None and number < len(world.vmas) else None


def _circumstances(world: WorldSpec, operation: Operation) -> Hashable:
    """An operation, with the kinds of pages at both ends of its range and the modes of its mapping."""
    pages = _range(world, operation)
    ends = (_page(world, pages.start, pages.start), _page(world, pages.stop - 1, pages.stop))
    vma = _vma(world, operation)
    modes = None
    if vma is not None:
        modes = (vma.missing, vma.minor, vma.wp, vma.huge, vma.writable, vma.around, vma.private)
    return type(operation).__name__, world.backing, ends, modes


def _page(world: WorldSpec, index: int, end: int) -> Hashable:
    """What is at ``index``, and is it in a large folio, through which ``end`` cuts?"""
    if index >= len(world.pages):
        return None
    for first, order in world.large:
        behind = first + (1 << order)
        if first <= index < behind:
            return world.pages[index], first < end < behind
    return (world.pages[index],)
