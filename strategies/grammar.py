"""A small grammar that runs in both directions: choices to a value, and a value back to its choices.

Hypothesis shrinks sequences of primitive choices, but most failures here are found by other
means: a scheduling policy, an exhaustive search, an entry of the corpus that a person wrote.  They have to be
*written* as the choices that would have generated them.

So a production is one function that runs both ways::

    def failure(draw: Draw, tasks: Names, calls: Names, like: Failure = SIMPLEST) -> Failure:
        task = draw.option(tasks, like.task)
        at = draw.option(calls, like.at)
        visit = draw.integer(1, VISIT_MAX, like.visit)
        return Failure(task, at, visit)

Where choices are free, ``like`` is ignored.  Where a value is to be written, it is ``like``: each primitive
notes the choice that leads to its part of it (:class:`Writer`).  The two directions cannot disagree, because
there is only one text; and no value has two spellings, so that what was drawn is what is written.

The rules, so that Hypothesis' shrinker (fewer choices first, then smaller ones, in order) ends where a person
would: the simplest alternative comes first; a length is never drawn, elements are, each behind its own "one
more?" and in one span with it; and each thing takes the same number of choices whatever is around it, even where
only one is possible, so that what is behind a deleted part keeps its meaning.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

__all__ = ["ALWAYS", "NEVER", "Choice", "Draw", "NotInGrammarError", "Span", "Writer"]

T = TypeVar("T")

Choice = int | bool

ALWAYS: Final = 1.0
NEVER: Final = 0.0


class NotInGrammarError(ValueError):
    """A value cannot be written: no choices lead to it."""


class Span(enum.IntEnum):
    """What a run of choices stands for; the shrinker compares, reorders and deletes spans of one kind."""

    LEVEL = 1  # of a unary number
    HUGE_PAGE = 2
    VMA = 3
    TASK = 4
    OPERATION = 5
    DEVIATION = 6
    FAILURE = 7


class Draw(ABC):
    """Where choices come from, or go to.

    The primitives are :meth:`integer`, :meth:`skewed` and :meth:`boolean`; everything else is made of them.
    ``like`` is always the wanted value: the writer takes it, every other source ignores it.
    """

    __slots__ = ()

    @abstractmethod
    def integer(self, low: int, high: int, like: int) -> int:
        """A number from ``low`` to ``high``, both included; ``low`` is simplest."""

    @abstractmethod
    def skewed(self, usual: int, others: int, p: float, like: int) -> int:
        """A number below ``usual + others``, with probability ``p`` one of the ``others``; 0 is simplest.

        Within either group all are equally likely.  Neither is empty.
        """

    @abstractmethod
    def boolean(self, p: float, like: bool) -> bool:
        """True with probability ``p``; False is simplest.  0 and 1 leave no choice but count as one."""

    def start(self, span: Span) -> None:  # noqa: B027 - only Hypothesis wants to know
        """The choices up to the matching :meth:`stop` belong together."""

    def stop(self) -> None:  # noqa: B027 - as above
        """The end of the innermost span."""

    def option(self, options: Sequence[T], like: T) -> T:  # noqa: ARG002 - the writer's
        """One of ``options``, the first is simplest.  A single one is a choice too: see the rules above."""
        return options[self.integer(0, len(options) - 1, 0)]

    def mostly(self, usual: Sequence[T], others: Sequence[T], p: float, like: T) -> T:
        """One of ``usual``, but with probability ``p`` one of ``others``; if either is empty, of the other."""
        if not usual or not others:
            return self.option(usual or others, like)
        at = self.skewed(len(usual), len(others), p, 0)
        return usual[at] if at < len(usual) else others[at - len(usual)]

    def subset(self, items: Sequence[T], like: Sequence[T]) -> tuple[T, ...]:
        """Some of ``items``, in their order; none is simplest.  One choice: a bit for each."""
        bits = self.integer(0, (1 << len(items)) - 1, sum(1 << at for at, item in enumerate(items) if item in like))
        return tuple(item for at, item in enumerate(items) if bits >> at & 1)

    def many(
        self, span: Span, more: Sequence[float], element: Callable[[int, T], T], like: Sequence[T], simplest: T
    ) -> tuple[T, ...]:
        """Up to ``len(more)`` elements, in position ``i`` one more with probability ``more[i]``.

        ``element`` is the production: it gets the position and the element that it shall be like, ``simplest``
        where ``like`` has none.  The "no more" at the end is a choice even when it is forced, so that deleting
        an element leaves the other choices where they were.

        Raises:
            NotInGrammarError: when writing, if ``like`` has more elements than that.
        """
        made: list[T] = []
        for position, p in enumerate((*more, NEVER)):
            given = position < len(like)
            self.start(span)
            one_more = self.boolean(p, given)
            if one_more:
                made.append(element(position, like[position] if given else simplest))
            self.stop()
            if not one_more:
                break
        return tuple(made)

    def level(self, more: Sequence[float], like: int) -> int:
        """A number from 0 to ``len(more)``, in unary: each next one with its probability."""
        return len(self.many(Span.LEVEL, more, lambda _, one: one, range(like), 0))


class Writer(Draw):
    """Writes a value down: afterwards ``choices`` is what leads to it."""

    __slots__ = ("choices",)

    def __init__(self) -> None:
        self.choices: list[Choice] = []

    def integer(self, low: int, high: int, like: int) -> int:
        """Note ``like``.

        Raises:
            NotInGrammarError: if it is out of bounds.
        """
        if not low <= like <= high:
            raise NotInGrammarError(f"{like} cannot be generated; choose {low} to {high}")
        self.choices.append(like)
        return like

    def skewed(self, usual: int, others: int, p: float, like: int) -> int:  # noqa: ARG002 - how likely is no matter
        """Note ``like``."""
        return self.integer(0, usual + others - 1, like)

    def boolean(self, p: float, like: bool) -> bool:
        """Note ``like``.

        Raises:
            NotInGrammarError: if ``p`` leaves no such choice.
        """
        if p in (NEVER, ALWAYS) and like != bool(p):
            raise NotInGrammarError(
                f"there {'are more' if like else 'are fewer'} elements than can be generated; "
                f"{'leave one out' if like else 'add one'}"
            )
        self.choices.append(like)
        return like

    def option(self, options: Sequence[T], like: T) -> T:
        """Note where ``like`` stands.

        Raises:
            NotInGrammarError: if it is not among the options.
        """
        if like not in options:
            raise NotInGrammarError(f"{like!r} cannot be generated; choose one of {', '.join(map(repr, options))}")
        self.choices.append(options.index(like))
        return like

    def mostly(self, usual: Sequence[T], others: Sequence[T], p: float, like: T) -> T:  # noqa: ARG002 - as above
        """Note where ``like`` stands, the usual ones first; errors as for :meth:`option`."""
        return self.option((*usual, *others), like)

    def subset(self, items: Sequence[T], like: Sequence[T]) -> tuple[T, ...]:
        """Note which ones ``like`` has.

        Raises:
            NotInGrammarError: if it has others than ``items``, or in another order.
        """
        subset = super().subset(items, like)
        if subset != tuple(like):
            raise NotInGrammarError(f"{like!r} cannot be generated; choose some of {items!r}, in this order")
        return subset
