"""Which of some programs to run: the one whose operations have met least so far.

Adaptive random testing takes, of a few random inputs, the one that is farthest from all that have been tried (Chen,
Leung and Mak, ASIAN 2004).  How far one is counts, here, in *meetings*: two kinds of operations in one program, and
an operation with the kind of page and of mapping that it is about.  To draw a program costs little beside its
schedules.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from pagecache.operations import Operation
from pagecache.world import WorldSpec
from strategies.case import Case

__all__ = ["CANDIDATES", "Meetings"]

CANDIDATES: Final = 8
"""Programs to choose from."""


class Meetings:
    """How often what has met what, in the programs that were run."""

    __slots__ = ("_met",)

    def __init__(self) -> None:
        self._met: Counter[Hashable] = Counter()

    def choose(self, cases: Sequence[Case]) -> Case:
        """The case whose meetings are the newest, on average; it is taken to be run.  Of equals, the first."""
        chosen = max(cases, key=lambda case: self._novelty(meetings(case)))
        self._met.update(meetings(chosen))
        return chosen

    def _novelty(self, met: Sequence[Hashable]) -> float:
        return sum(1 / (1 + self._met[one]) for one in met) / max(1, len(met))


def meetings(case: Case) -> list[Hashable]:
    """The pairs of kinds of operations in a program, then each kind with the circumstances of its operations."""
    operations = [operation for task in case.program.tasks for operation in task.operations]
    kinds = sorted(type(operation).__name__ for operation in operations)
    pairs: list[Hashable] = list(dict.fromkeys(itertools.combinations(kinds, 2)))
    return pairs + list(dict.fromkeys(_circumstances(case.world, operation) for operation in operations))


def _circumstances(world: WorldSpec, operation: Operation) -> Hashable:
    """An operation, with the kind of page that it begins at and the modes of the mapping that it goes through."""
    index = getattr(operation, "index", getattr(operation, "start", None))
    page = None
    if index is not None and index < len(world.pages):
        large = any(first <= index < first + (1 << order) for first, order in world.large)
        page = (world.pages[index], large)
    number = getattr(operation, "vma", None)
    modes = None
    if number is not None and number < len(world.vmas):
        vma = world.vmas[number]
        modes = (vma.missing, vma.minor, vma.wp, vma.huge, vma.writable, vma.around)
    return type(operation).__name__, world.backing, page, modes
