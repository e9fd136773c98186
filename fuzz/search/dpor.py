"""All schedules of a program but for the order of independent actions: dynamic partial-order reduction.

Source-DPOR with sleep sets (Abdulla, Aronis, Jonsson, Sagonas: "Optimal dynamic partial order reduction", POPL 2014,
algorithm 1).  Two runs are of one *class* (a Mazurkiewicz trace) if they differ in the order of independent
actions only; they end in the same state.  Of each class exactly one run is carried to its end.

Stateless: run the choices of the path again from the start, and go on with anybody who does not sleep.  Each new
action ``j`` is compared with those before it: where an ``i`` of another task conflicts with it, and nothing else puts
``i`` before ``j``, there must be a run in which ``j`` comes first.  So somebody who can begin what does not depend
on ``i`` is run instead of ``i``, sooner or later.  A task *sleeps* as long as all that has happened since it was
tried is independent of what it did then.

Where we differ:

* A step that waits (a lock, a condition) may be possible because of any earlier action on its target, so it is compared
  with all of them, not with the last one only.  That costs some runs that end asleep, and no class twice.  What is
  still blocked in the end is compared likewise, so that deadlocks are found.
* An action that ends the run depends on all others, since it takes their future from them.
* The choice among those to be tried is drawn from a generator if there is one (a depth-first search in a fixed order
  can be very late with its first failure); what is covered is the same.
* What a history of calls and returns can tell apart is in the relation of dependence, if ``calls`` says so.

It stands on what the steps name: a step that touches more makes it miss something
(``tests/engine/test_honest_steps.py`` looks for such steps).  A promise that looks at the world between two steps sees
one order of each class only, so it is no promise to be judged with this search.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.search.visible import END, Access, Action, accesses_of_call, conflict, take
from pagecache.step import Target

__all__ = ["RUNS_MAX", "Reduced", "explore_classes"]

RUNS_MAX: Final = 1_000_000

Clock = tuple[int, ...]
"""By task, how many of its actions happened before."""


@dataclass(slots=True)
class Reduced:
    """What the search found.

    Args:
        classes: how many classes of schedules there are: runs that came to an end.
        runs: how many times the program was started.
        steps: how many steps were taken, repetitions included.
        exhausted: all classes were covered.
        failure: the first run that failed, or was UNKNOWN.
        outcomes: what the ends looked like.
        limit: why not all was covered; empty if all was, or it stopped at a failure.
    """

    classes: int = 0
    runs: int = 0
    steps: int = 0
    exhausted: bool = False
    failure: Run | None = None
    outcomes: set[Hashable] = field(default_factory=set)
    limit: str = ""


class _Event(NamedTuple):
    """An action of the run, and what happened before it (itself included)."""

    action: Action
    clock: Clock

    @property
    def number(self) -> int:
        """Which action of its task it is, from 1."""
        return self.clock[self.action.task]

    def before(self, other: _Event) -> bool:
        """Did it happen before ``other``?"""
        return other.clock[self.action.task] >= self.number


class _Node:
    """A point of the path at which somebody was chosen."""

    __slots__ = ("back", "chosen", "enabled", "sleep")

    def __init__(self, enabled: Sequence[int], sleep: dict[int, frozenset[Access]], chosen: int) -> None:
        self.enabled = enabled
        self.sleep = sleep
        self.chosen = chosen
        self.back = {chosen}
        """Who must be tried here, or has been."""

    def cover(self, initials: Sequence[int]) -> None:
        """See to it that one of those is tried here."""
        if not self.back.isdisjoint(initials) or any(number in self.sleep for number in initials):
            return
        self.back.update([number for number in initials if number in self.enabled][:1] or self.enabled)


class _Trace:
    """The events of the run so far, by target; those of the path that is run again are kept."""

    def __init__(self, tasks: int) -> None:
        self.events: list[_Event] = []
        self._tasks = tasks
        self._touched: dict[Target, list[tuple[int, bool]]] = {}
        self._last: list[int] = [-1] * tasks

    def cut(self, length: int) -> None:
        """Forget all events from that one on."""
        for event in reversed(self.events[length:]):
            for target, _ in event.action.accesses:
                self._touched[target].pop()
        del self.events[length:]
        self._last = [-1] * self._tasks
        for position, event in enumerate(self.events):
            self._last[event.action.task] = position

    def add(self, action: Action) -> None:
        """One more event."""
        position = len(self.events)
        clock = list(self.clock_of(action.task))
        for earlier in self.conflicting(action.accesses):
            for task, number in enumerate(self.events[earlier].clock):
                clock[task] = max(clock[task], number)
        clock[action.task] += 1
        self.events.append(_Event(action, tuple(clock)))
        self._last[action.task] = position
        for target, writes in action.accesses:
            self._touched.setdefault(target, []).append((position, writes))

    def clock_of(self, task: int) -> Clock:
        """What happened before the next action of ``task``, if nothing that it touches counts."""
        last = self._last[task]
        return self.events[last].clock if last >= 0 else (0,) * self._tasks

    def conflicting(self, accesses: frozenset[Access]) -> list[int]:
        """The positions of the events that conflict with these accesses, latest first."""
        positions = {
            position
            for target, writes in accesses
            for position, wrote in self._touched.get(target, ())
            if writes or wrote
        }
        return sorted(positions, reverse=True)


def explore_classes(
    make: Callable[[], Execution],
    *,
    outcome: Callable[[Execution], Hashable] = lambda execution: execution.verdict and execution.verdict.signature,
    calls: bool = True,
    stop_at_failure: bool = True,
    runs_max: int = RUNS_MAX,
    random: Random | None = None,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Reduced:
    """Carry one run of each class of schedules to its end.

    Args:
        make: a new execution of the program.
        outcome: what to collect about each end, from what does not depend on the order of independent actions.
        calls: which call returned before which was called matters, as it does to all who judge by the history.
        stop_at_failure: stop at the first run that does not hold.
        runs_max: stop after so many runs.
        random: draws whom to try first; by default the canonical order.
        out_of_time: asked before every run.
    """
    found = Reduced()
    path: list[_Node] = []
    trace: _Trace | None = None
    while True:
        execution = make()
        trace = trace or _Trace(len(execution.tasks))
        known = max(len(path) - 1, 0)
        trace.cut(known)
        asleep = _follow(execution, path, trace, calls=calls, random=random)
        found.runs += 1
        found.steps += execution.steps
        _find_races(path, trace, known)
        if asleep:
            execution.close()
        else:
            found.classes += 1
            found.outcomes.add(outcome(execution))
            _find_races_of_blocked(execution, path, trace, calls=calls)
            _judge(found, execution.result())
            if found.failure is not None and stop_at_failure:
                return found
        if not _turn_back(path, trace, random):
            found.exhausted = not found.limit
            return found
        if found.runs >= runs_max or out_of_time():
            found.limit = found.limit or ("runs_max" if found.runs >= runs_max else "time")
            return found


def _follow(execution: Execution, path: list[_Node], trace: _Trace, *, calls: bool, random: Random | None) -> bool:
    """Run along the path and beyond, adding to it.  Returns whether everybody who could go on sleeps."""
    depth = 0
    while runnable := execution.runnable():
        if depth == len(path):
            sleep = _still_asleep(path[-1], trace.events[-1].action) if path else {}
            candidates = [number for number in runnable if number not in sleep]
            if not candidates:
                return True
            chosen = execution.canonical if execution.canonical in candidates else candidates[0]
            if random is not None:
                chosen = random.choice(candidates)
            path.append(_Node(tuple(runnable), sleep, chosen))
        action = take(execution, path[depth].chosen, calls=calls)
        if depth == len(trace.events):
            trace.add(action)
        depth += 1
    return False


def _still_asleep(node: _Node, action: Action) -> dict[int, frozenset[Access]]:
    return {
        number: accesses
        for number, accesses in node.sleep.items()
        if number != action.task and not conflict(action.accesses, accesses)
    }


def _turn_back(path: list[_Node], trace: _Trace, random: Random | None) -> bool:
    """Choose somebody else at the last node where that is to be done.  Returns whether there is one."""
    while path:
        node = path[-1]
        node.sleep[node.chosen] = trace.events[len(path) - 1].action.accesses
        to_try = sorted(number for number in node.back if number not in node.sleep)
        if to_try:
            node.chosen = random.choice(to_try) if random is not None else to_try[0]
            return True
        path.pop()
    return False


def _find_races(path: list[_Node], trace: _Trace, known: int) -> None:
    """Compare each new event with those before it."""
    for position in range(known, len(trace.events)):
        event = trace.events[position]
        _reverse_races(path, trace, event.action, position, _clock_before(trace, event))


def _clock_before(trace: _Trace, event: _Event) -> Clock:
    """What happened before ``event`` because its task did it, or saw it."""
    task, number = event.action.task, event.number
    for earlier in reversed(trace.events):
        if earlier.action.task == task and earlier.number == number - 1:
            return earlier.clock
    return (0,) * len(event.clock)


def _find_races_of_blocked(execution: Execution, path: list[_Node], trace: _Trace, *, calls: bool) -> None:
    """What nobody could take any more is compared as if it came last; after an early end, that are all the others."""
    end = len(trace.events)
    broke = end > 0 and trace.events[-1].action.ends
    for number, step in enumerate(execution.pending):
        if step is None or (broke and number == trace.events[-1].action.task):
            continue
        accesses: list[Access] = [(END, False), *step.also]
        if step.target is not None:
            accesses.append((step.target, step.writes))
        if calls:
            begins = not execution.called[number]
            accesses += accesses_of_call(number, len(execution.tasks), called=begins, returned=False)
        action = Action(number, frozenset(accesses), step.ready is not None, ends=False)
        _reverse_races(path, trace, action, end, trace.clock_of(number))


def _reverse_races(path: list[_Node], trace: _Trace, action: Action, position: int, clock: Clock) -> None:
    """Let ``action``, which comes at ``position``, be tried before each event that it races with."""
    events = trace.events
    nearer: list[_Event] = []
    for earlier in trace.conflicting(action.accesses):
        event = events[earlier]
        if earlier >= position or event.action.task == action.task or clock[event.action.task] >= event.number:
            continue
        if not action.waits and any(event.before(other) for other in nearer):
            continue  # reversed together with the nearer one
        nearer.append(event)
        between = [one for one in events[earlier + 1 : position] if not event.before(one)]
        initials = _initials(between, action, clock)
        node = path[earlier]
        alone = all(one.action.task != action.task for one in between)
        if action.waits and alone and initials == [action.task] and action.task not in node.enabled:
            continue  # it could not have come before this one, but before an earlier one
        node.cover(initials)


def _initials(between: list[_Event], action: Action, clock: Clock) -> list[int]:
    """Who can begin ``between`` followed by ``action``."""
    initials: list[int] = []
    for position, event in enumerate(between):
        task = event.action.task
        if all(not one.before(event) for one in between[:position]):
            initials.append(task)
    if action.task not in (event.action.task for event in between) and not any(
        conflict(action.accesses, event.action.accesses) or clock[event.action.task] >= event.number
        for event in between
    ):
        initials.append(action.task)
    return initials


def _judge(found: Reduced, run: Run) -> None:
    if run.verdict.outcome is not Outcome.HELD and (found.failure is None or not found.failure.verdict.failed):
        found.failure = run
    if run.verdict.outcome is Outcome.UNKNOWN:
        found.limit = found.limit or run.verdict.promise
    elif run.fair_suffix:
        found.limit = found.limit or "steps_max"
