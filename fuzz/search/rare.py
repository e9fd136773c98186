"""Which programs are worth more schedules: those in which two operations could meet as hardly any have so far.

Greybox fuzzing gives most energy to the inputs that reach what few others do (Böhme, Pham and Roychoudhury, CCS 2016).
What is reached, here, is a *pair*: what a call of one operation has written, a call of another task's operation has
taken (:func:`fuzz.search.behaviour.reads_of_others`; the alias pairs of Krace, S&P 2020, are of this kind).  The
sequential runs of a program show which pairs are possible in it: a write, and any access of the same by somebody else.

A program is worth another schedule as long as one of its pairs has been seen in a few runs only, in the whole search,
and has not been tried for too long: many pairs can never be, since a lock keeps them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["Rare"]

ENOUGH: Final = 3
"""A pair that so many runs have shown is nothing special."""

TRIES_MAX: Final = 60
"""A pair that so many schedules did not show will hardly come."""


class Rare:
    """The pairs of a search over many programs."""

    __slots__ = ("_seen", "_tried")

    def __init__(self) -> None:
        self._seen: Counter[Hashable] = Counter()
        self._tried: Counter[Hashable] = Counter()

    def note(self, shown: AbstractSet[Hashable], possible: AbstractSet[Hashable]) -> None:
        """A run has shown some pairs; others are possible in its program."""
        self._seen.update(shown)
        self._tried.update(possible)

    def is_promising(self, possible: AbstractSet[Hashable]) -> bool:
        """Is one of the pairs worth another schedule?"""
        return any(self._seen[pair] < ENOUGH and self._tried[pair] < TRIES_MAX for pair in possible)
