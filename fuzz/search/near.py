"""Few deviations from a sequential run, the fewest first, and of these the most promising.

Iterative delay bounding (Emmi, Qadeer, Rakamarić, POPL 2011), as in :mod:`fuzz.search.explore`, made into a search:

* *Two sequential runs to deviate from*, the tasks in their order and in the reverse one: a bug that needs the second
  task to come first is nearer to the other one.
* *One of each class.*  Deviations at the same site (:class:`fuzz.search.policies.profile.Site`) to a task of the same
  kind are of one class.  Of each schedule one child of each class is tried, so that a hundred equal tasks
  cost no more than two; the classes that have been tried least come first.
* *In the middle first.*  Most mistakes are two accesses of a task between which somebody else must not come (Lu, Park,
  Seo, Zhou, "Learning from mistakes", ASPLOS 2008; CTrigger, ASPLOS 2009).  So of the classes that have been tried
  alike the first are those in which the task that is interrupted has touched what the other one touches, too, and is
  going to again; then those with a task that does something else, since whoever does the same disturbs seldom.

So this is no proof for programs in which several tasks do the same; :func:`fuzz.search.explore.deviation_bounded` is.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.search.classes import Access
from pagecache.step import Step, Target

__all__ = ["Near", "Ordered"]

NODES_MAX: Final = 10_000
"""Schedules that are kept to be extended; a search that keeps so many has long left what is near."""

Place = tuple[int, int, int]
"""A deviation by numbers: the task that would have run, how many calls it had announced, the task that runs instead."""

_Rank = tuple[int, bool, bool]
"""How often the class was tried; it is not in the middle; it is to a task of the same kind.  The least comes first."""


class _Class(NamedTuple):
    """Deviations that are taken for the same: a site, and the kind of the task that is run there instead."""

    kind: int
    call: str
    visit: int
    run: int


class Ordered:
    """Runs the current task until it blocks or ends, then the first that can run in an order; but for deviations.

    Args:
        execution: the run.
        order: the tasks' numbers.
        schedule: the deviations.
        kinds: by task, the number of the first task that does the same operations.
    """

    def __init__(
        self, execution: Execution, order: Sequence[int], schedule: Sequence[Place], kinds: Sequence[int]
    ) -> None:
        self._calls = execution.calls
        self._order = order
        self._left = list(reversed(schedule))
        self._kinds = kinds
        self.children: dict[_Class, Place] = {}
        """The deviations that could follow the schedule, the first one of each class."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,
        canonical: int,  # noqa: ARG002 - that of the tasks' own order
        pending: Sequence[Step | None],  # noqa: ARG002 - the protocol's
    ) -> int:
        """What the schedule says, else the order."""
        if current is not None and current in runnable:
            chosen = current
        else:
            chosen = next(number for number in self._order if number in runnable)
        calls = self._calls[chosen]
        if self._left:
            task, announced, run = self._left[-1]
            if task == chosen and announced == len(calls) and run in runnable:
                self._left.pop()
                return run
            return chosen
        kind, call, visit = self._kinds[chosen], calls[-1], calls.count(calls[-1])
        for number in runnable:
            if number != chosen:
                its_class = _Class(kind, call, visit, self._kinds[number])
                self.children.setdefault(its_class, (chosen, len(calls), number))
        return chosen


class _Node(NamedTuple):
    """A schedule that has been run, and its children that have not been tried."""

    order: Sequence[int]
    schedule: tuple[Place, ...]
    children: dict[_Class, Place]
    middle: frozenset[_Class]
    """Those children that come between two accesses to what both tasks touch."""


class Near:
    """The search: run :meth:`policy`, call :meth:`learn`, and again, until it is exhausted.

    Args:
        kinds: by task, the number of the first task that does the same operations.
    """

    def __init__(self, kinds: Sequence[int]) -> None:
        self._kinds = kinds
        count = len(kinds)
        self._roots = [tuple(range(count)), tuple(reversed(range(count)))][: min(count, 2)]
        self._tried: Counter[_Class] = Counter()
        self._nodes: list[_Node] = []
        self._queue: list[tuple[int, _Rank, int]] = []
        """By number of deviations, by the rank of the next child, and the number of the node."""
        self._running: tuple[Sequence[int], tuple[Place, ...], Ordered] | None = None

    @property
    def is_at_a_root(self) -> bool:
        """Is the next schedule one of the sequential ones?"""
        return bool(self._roots)

    @property
    def is_exhausted(self) -> bool:
        """Is there nothing left to try?"""
        return not self._roots and not self._queue

    def policy(self, execution: Execution) -> Ordered:
        """Follows the next schedule; not to be called when the search is exhausted."""
        order, schedule = (self._roots.pop(0), ()) if self._roots else self._next()
        policy = Ordered(execution, order, schedule, self._kinds)
        self._running = (order, schedule, policy)
        return policy

    def learn(self, made: Sequence[Access]) -> None:
        """The last schedule has been run; ``made`` are the accesses of that run."""
        assert self._running is not None
        order, schedule, policy = self._running
        if policy.children and len(self._nodes) < NODES_MAX:
            shared = _Shared(made)
            middle = frozenset(one for one, place in policy.children.items() if shared.is_in_the_middle(place))
            self._nodes.append(_Node(order, schedule, policy.children, middle))
            self._enqueue(len(self._nodes) - 1)

    def _next(self) -> tuple[Sequence[int], tuple[Place, ...]]:
        """The child that is next."""
        while True:
            _, rank, number = heapq.heappop(self._queue)
            node = self._nodes[number]
            least, its_class = self._first(node)
            if rank < least:
                self._enqueue(number)  # that class has been tried since, elsewhere
                continue
            place = node.children.pop(its_class)
            self._tried[its_class] += 1
            self._enqueue(number)
            return node.order, (*node.schedule, place)

    def _first(self, node: _Node) -> tuple[_Rank, _Class]:
        """The child of a node that is to be tried first, and its rank."""
        its_class = min(node.children, key=lambda one: self._rank(node, one))
        return self._rank(node, its_class), its_class

    def _rank(self, node: _Node, its_class: _Class) -> _Rank:
        return self._tried[its_class], its_class not in node.middle, its_class.kind == its_class.run

    def _enqueue(self, number: int) -> None:
        node = self._nodes[number]
        if node.children:
            rank, _ = self._first(node)
            heapq.heappush(self._queue, (len(node.schedule), rank, number))


class _Shared:
    """What the tasks of a run have touched in conflict with each other."""

    def __init__(self, made: Sequence[Access]) -> None:
        self._made: defaultdict[int, list[Access]] = defaultdict(list)
        self._touched: defaultdict[int, dict[Target, bool]] = defaultdict(dict)
        for one in made:
            self._made[one.task].append(one)
            touched = self._touched[one.task]
            touched[one.target] = touched.get(one.target, False) or one.writes
        self._ends: dict[tuple[int, int], tuple[int, int]] = {}

    def is_in_the_middle(self, place: Place) -> bool:
        """Does it come between two accesses of the interrupted task that conflict with the other one?"""
        task, announced, other = place
        ends = self._ends.get((task, other))
        if ends is None:
            theirs = self._touched[other]
            conflicting = [
                one.announced for one in self._made[task] if one.target in theirs and (one.writes or theirs[one.target])
            ]
            ends = self._ends[task, other] = (min(conflicting, default=0), max(conflicting, default=-1))
        first, last = ends
        return first < announced <= last
