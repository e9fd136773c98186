"""Reads-from guided schedules.

Wolff, Shi, Duck, Mathur, Roychoudhury: "Greybox Fuzzing for Concurrency Testing", ASPLOS 2024.  A schedule is a few
*wishes*, "this read takes its value from that write", between sites of the program and not between steps of a run; who
fulfils them, and what happens in between, is drawn anew for each run.  The bugs that one or two such pairs make are
found at once, however many other tasks there are.

As in the paper a wish is soft: among what can run, what it asks for comes first, what it warns of comes last, and
everything else runs by partial order sampling (:mod:`fuzz.search.policies.pos`).  While the write has not been
taken, the writer is asked for and the read must not happen; then the reader is asked for and other writes to the
object must not happen; and if one has happened, the writing begins again.

Where it differs: the paper asks for a write or a read when it is pending.  Here two tasks are drawn for each wish, and
the one is asked for on its whole way to the write, the other on its whole way to the read.  When all wishes have
been fulfilled the last reader goes on in half of the runs, since what it has read is what a bug would be about.
The paper wishes, too, that a read does *not* take its value from a write; here, that it takes it from the beginning.
Its feedback is in :mod:`fuzz.search.portfolio`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.search.policies.pos import Pos
from fuzz.search.policies.profile import Pair, Profile, Site
from pagecache.step import Step, Target

__all__ = ["ReadsFrom", "Wish", "draw_wish", "draw_wishes"]

TWO_WISHES: Final = 0.5
"""How many of the runs wish for two things."""


class Wish(NamedTuple):
    """What is to be read by whom.

    Args:
        writer: the task that writes it, and where; ``None``: it is as it was in the beginning.
        reader: the task that reads it, and where.
        target: what.
    """

    writer: tuple[int, Site] | None
    reader: tuple[int, Site]
    target: Target


def draw_wish(random: Random, profile: Profile, pair: Pair) -> Wish:
    """A wish for ``pair``, between any two tasks that come to its sites."""
    reader = _one_of(random, profile, pair.reader.kind, -1)
    if pair.writer is None:
        return Wish(None, (reader, pair.reader), pair.target)
    return Wish((_one_of(random, profile, pair.writer.kind, reader), pair.writer), (reader, pair.reader), pair.target)


def draw_wishes(random: Random, profile: Profile) -> list[Wish]:
    """One or two wishes; none if no two tasks share anything."""
    pairs = profile.pairs
    count = min(1 + (random.random() < TWO_WISHES), len(pairs))
    return [draw_wish(random, profile, pairs[int(random.random() * len(pairs))]) for _ in range(count)]


def _one_of(random: Random, profile: Profile, kind: int, but: int) -> int:
    numbers = [number for number, its in enumerate(profile.kinds) if its == kind and number != but]
    return numbers[int(random.random() * len(numbers))] if numbers else but


class ReadsFrom:
    """Grants wishes, one after the other.

    Args:
        execution: the run.
        random: the run's.
        wishes: in their order.
        goes_on: the last reader goes on afterwards.
    """

    def __init__(self, execution: Execution, random: Random, wishes: Sequence[Wish], *, goes_on: bool) -> None:
        self._execution = execution
        self._pos = Pos(random, len(execution.tasks))
        self._left = list(wishes)
        self._is_written = bool(wishes) and wishes[0].writer is None
        """The first of them can be read now."""
        self._goes_on = goes_on
        self._last: int | None = None
        """Who has read what was wished for last."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],
    ) -> int:
        """What is wished for, else anything that nobody warns of."""
        priorities = self._pos.priorities(runnable, pending)
        while self._left and self._is_hopeless(self._left[0]):
            self._next_wish()
        if self._left:
            chosen = max(runnable, key=lambda number: (self._wanted(number, pending[number]), priorities[number]))
            self._note(chosen, pending[chosen])
        elif self._goes_on and self._last is not None and self._last in runnable:
            chosen = self._last
        else:
            chosen = max(runnable, key=priorities.__getitem__)
        self._pos.take(chosen, pending)
        return chosen

    def _is_at(self, place: tuple[int, Site] | None, target: Target, number: int, step: Step | None) -> bool:
        if place is None or place[0] != number or step is None or step.target != target:
            return False
        site = place[1]
        return step.call == site.call and self._execution.visit(number) == site.visit

    def _has_passed(self, place: tuple[int, Site]) -> bool:
        """Has the task left that site behind, or ended?"""
        number, site = place
        if self._execution.pending[number] is None:
            return True
        calls = self._execution.calls[number]
        return calls.count(site.call) - (calls[-1] == site.call) >= site.visit

    def _is_hopeless(self, wish: Wish) -> bool:
        if self._has_passed(wish.reader):
            return True
        return not self._is_written and (wish.writer is None or self._has_passed(wish.writer))

    def _wanted(self, number: int, step: Step | None) -> int:
        """2: asked for; 1: no matter; 0: warned of."""
        first = self._left[0]
        if self._is_written:
            if number == first.reader[0]:
                return 2
            if step is not None and step.writes and step.target == first.target:
                return 0
        elif self._is_at(first.reader, first.target, number, step):
            return 0
        elif first.writer is not None and number == first.writer[0]:
            return 2
        for wish in self._left[1:]:
            if self._is_at(wish.reader, wish.target, number, step):
                return 0
            if wish.writer is None and step is not None and step.writes and step.target == wish.target:
                return 0
        return 1

    def _note(self, number: int, step: Step | None) -> None:
        """``number`` is going to take ``step``."""
        first = self._left[0]
        if self._is_at(first.reader, first.target, number, step):
            self._last = number
            self._next_wish()
        elif self._is_at(first.writer, first.target, number, step):
            self._is_written = True
        elif step is not None and step.writes and step.target == first.target:
            self._is_written = False

    def _next_wish(self) -> None:
        del self._left[0]
        self._is_written = bool(self._left) and self._left[0].writer is None
