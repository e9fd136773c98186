"""What a run has shown that no run before it has, and what few have.

Three kinds of behaviour:

* *reads-from*: at this site somebody took the value that was written at that one;
* *hand-over*: of two tasks that touched an object one after the other, at least one writing, the one was at this site
  and the other at that one;
* *end*: what the shared state and the verdict were when all was over.

Sites are static (:class:`fuzz.search.policies.profile.Site`): a hundred tasks that do the same make no more behaviour
than two.  Visits beyond the third are counted in powers of two, so that a loop makes little more than its body.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.engine.history import History
from fuzz.engine.run import Run
from fuzz.search.fingerprint import Fingerprinter
from fuzz.search.shape import UnfitError
from pagecache.step import Target

__all__ = ["Behaviours", "Seen", "counted", "end_of", "reads_of_others"]


VISITS: Final = 3
"""So many visits of a call are told apart."""


class Seen(NamedTuple):
    """What one run has shown.

    Args:
        all: the numbers of its behaviours.
        new: those that no run had shown before.
        end: the one that is its end.
    """

    all: Sequence[int]
    new: Sequence[int]
    end: int


class Behaviours:
    """The behaviours of one program, and how many runs have shown each.

    Args:
        kinds: by task, the number of the first task that does the same operations.
    """

    def __init__(self, kinds: Sequence[int]) -> None:
        self.kinds: Final = kinds
        self._numbers: dict[Hashable, int] = {}
        self.counts: list[int] = []
        """By behaviour, how many runs have shown it."""

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def once(self) -> int:
        """How many behaviours exactly one run has shown."""
        return self.counts.count(1)

    def note(self, run: Run, end: Hashable = None) -> Seen:
        """Count the behaviours of a recorded run.

        Args:
            run: it has a history.
            end: what the state was; ``None`` if that is not known.
        """
        assert run.history is not None
        numbers, counts = self._numbers, self.counts
        shown = _orders(run.history, self.kinds)
        shown[end, run.verdict.signature] = None
        seen, new = [], []
        for behaviour in shown:
            number = numbers.setdefault(behaviour, len(counts))
            if number == len(counts):
                counts.append(0)
                new.append(number)
            counts[number] += 1
            seen.append(number)
        return Seen(seen, new, seen[-1])

    def rarest(self, numbers: Sequence[int]) -> int:
        """How many runs have shown the rarest of these."""
        counts = self.counts
        return min(counts[number] for number in numbers)


def counted(visit: int) -> int:
    """A visit as it is told apart: each of the first few, then the powers of two."""
    return visit if visit <= VISITS else 1 << visit.bit_length() - 1


_Where = tuple[int, str, int]


def _orders(history: History, kinds: Sequence[int]) -> dict[Hashable, None]:
    """The reads-from pairs and the hand-overs of a run."""
    written: dict[Target, _Where] = {}
    touched: dict[Target, tuple[int, bool, _Where]] = {}
    visits: Counter[tuple[int, str]] = Counter()
    shown: dict[Hashable, None] = {}
    for event in history.events:
        step = event.step
        if step is None:
            continue
        number, call, target = event.task, step.call, step.target
        visits[number, call] = visit = visits[number, call] + 1
        if target is None:
            continue
        here = (kinds[number], call, counted(visit))
        shown["reads", target, written.get(target), here] = None
        last = touched.get(target)
        if last is not None and last[0] != number and (last[1] or step.writes):
            shown["then", target, last[2], here] = None
        touched[target] = (number, step.writes, here)
        if step.writes:
            written[target] = here
    return shown


_Site = tuple[str, str]


def reads_of_others(history: History) -> set[Hashable]:
    """Which call of which operation took what which call of which other task's operation had written.

    The sites of programs that are made anew all the time: by the operation's name, and not by its parameters.
    """
    written: dict[Target, tuple[int, _Site]] = {}
    pairs: set[Hashable] = set()
    for number, operation, _, step in history.taken():
        if step.target is None:
            continue
        here = (operation, step.call)
        source = written.get(step.target)
        if source is not None and source[0] != number:
            pairs.add((source[1], here))
        if step.writes:
            written[step.target] = (number, here)
    return pairs


def end_of() -> Callable[[Execution], Hashable]:
    """A function that describes the shared state at the end of a run; ``None`` if it cannot be compared."""
    fingerprinter = Fingerprinter()

    def end(execution: Execution) -> Hashable:
        try:
            return fingerprinter.digest([execution.world])
        except UnfitError:
            return None

    return end
