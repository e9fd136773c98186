"""All schedules of a program, each state once.

Coroutines cannot be copied, so the search is stateless and its memory is a set of fingerprints
(:mod:`fuzz.search.fingerprint`): run the choices that lead to a state again from the start, and take one that has not
been tried there.  A run goes on through states that are known as long as it finds choices that are not tried, the
canonical one first; where all are, it is given up.  The next begins at the state with untried choices that was
found first.  (Two tasks of ``m`` and ``n`` independent steps have ``m * n`` states.  A depth-first search that turns
back at each known state starts the program once for each of them, this one ``m + n`` times.)

**What exhausted means.**  Every state that any schedule can reach was reached, and every choice in it was tried;
each run to an end was judged.  So "Never" is a proof, for this program, this world and these watchers.

**Livelock.**  A run that comes back to a state it has been in is not taken round again.  When everything has been
explored, a state from which no end can be reached, whoever runs, is reported as a livelock.  A loop that some
schedule leaves is not one here, though an unfair schedule may stay in it.

A run that uses up STEPS_MAX ends the claim, since the choices beyond are not tried.

**Bounded.**  With a bound on preemptions (Musuvathi, Qadeer: "Iterative context bounding", PLDI 2007) a state is one
together with the current task, if it can go on, and the preemptions that are left.  A livelock is then seen only where
a run gets lost in it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.errors import HarnessError
from fuzz.search.fingerprint import Fingerprinter

__all__ = ["RUNS_MAX", "STATES_MAX", "Exhausted", "search"]

STATES_MAX: Final = 1_000_000  # about 200 bytes each, and as much again while a choice is untried
RUNS_MAX: Final = 10_000_000

NOBODY: Final = -1
"""What leads from the start to the first choice."""


@dataclass(slots=True)
class Exhausted:
    """What the search found.

    Args:
        states: how many different states with a choice were met.
        runs: how many times the program was started.
        steps: how many steps were taken, repetitions included.
        exhausted: all schedules were covered.
        failure: the first run that failed, or was UNKNOWN.
        outcomes: what the ends looked like.
        limit: why not all was covered: a limit, or what was UNKNOWN; empty if all was, or it stopped at a failure.
    """

    states: int = 0
    runs: int = 0
    steps: int = 0
    exhausted: bool = False
    failure: Run | None = None
    outcomes: set[Hashable] = field(default_factory=set)
    limit: str = ""


class _Point(NamedTuple):
    """Where a run has a choice: who may be chosen, the last first, and what its state is besides the fingerprint."""

    choices: list[int]
    more: bytes


class _Graph:
    """Which state leads to which: enough to tell from where an end can be reached, and how a state was."""

    START: Final = 0
    END: Final = 1

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._sources = array("q")
        self._targets = array("q")
        self._found_from = array("q", [self.START, self.START])
        self._found_by = array("q", [NOBODY, NOBODY])
        self.untried: Final = {self.START: [NOBODY]}
        """By state, the choices that have not been tried there, if there are any; the last is next."""
        self._oldest = self.START

    def __len__(self) -> int:
        return len(self._numbers)

    def oldest_untried(self) -> int:
        """Of the states with untried choices, of which there must be one, the one that was found first."""
        while self._oldest not in self.untried:
            self._oldest += 1  # not next(iter()): that walks over all that has been deleted, each time
        return self._oldest

    def try_one(self, state: int) -> int:
        """A choice that has not been tried in a state."""
        choices = self.untried[state]
        choice = choices.pop()
        if not choices:
            del self.untried[state]
        return choice

    def meet(self, fingerprint: bytes, source: int, choice: int, choices: list[int]) -> int:
        """The number of a state that was reached from ``source`` by ``choice``, and that has these choices."""
        known = len(self._numbers)
        state = self._numbers.setdefault(fingerprint, known + 2)
        self.lead(source, state)
        if len(self._numbers) > known:
            self._found_from.append(source)
            self._found_by.append(choice)
            self.untried[state] = choices
        return state

    def lead(self, source: int, target: int) -> None:
        """Note that ``source`` leads to ``target``."""
        self._sources.append(source)
        self._targets.append(target)

    def without_end(self) -> int | None:
        """The first state from which no end can be reached."""
        sources: list[list[int]] = [[] for _ in self._found_from]
        for source, target in zip(self._sources, self._targets, strict=True):
            sources[target].append(source)
        ends = bytearray(len(sources))
        ends[self.END] = True
        waiting = [self.END]
        while waiting:
            for source in sources[waiting.pop()]:
                if not ends[source]:
                    ends[source] = True
                    waiting.append(source)
        lost = ends.find(False, 2)
        return None if lost < 0 else lost

    def way_to(self, state: int) -> list[int]:
        """The choices that lead to a state."""
        way = []
        while state != self.START:
            way.append(self._found_by[state])
            state = self._found_from[state]
        return way[::-1]


def search(
    make: Callable[[], Execution],
    *,
    outcome: Callable[[Execution], Hashable] = lambda execution: execution.verdict and execution.verdict.signature,
    stop_at_failure: bool = True,
    preemptions: int | None = None,
    states_max: int = STATES_MAX,
    runs_max: int = RUNS_MAX,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Exhausted:
    """Search all schedules of a program.

    Args:
        make: a new execution of it.
        outcome: what to collect about each end, from what is part of the state: the world, and what the
            watchers remember.  (Two ways to one state are followed once, so what only the way tells is lost.)
        stop_at_failure: stop at the first run that does not hold.
        preemptions: only schedules that take the CPU so often from a task that could go on; ``None`` for all.
        states_max: stop at so many states.
        runs_max: stop after so many runs.
        out_of_time: asked before every run.

    Raises:
        FingerprintError: if a state cannot be described.
    """
    found = Exhausted()
    graph = _Graph()
    fingerprinter = Fingerprinter()
    state = graph.START
    while True:
        execution = make()
        _follow(execution, state, graph, fingerprinter, preemptions)
        found.runs += 1
        found.steps += execution.steps
        found.states = len(graph)
        if execution.verdict is None:
            execution.close()  # it came to a state in which all has been tried
        else:
            found.outcomes.add(outcome(execution))
            _judge(found, execution.result())
            if found.failure is not None and stop_at_failure:
                return found
        if not graph.untried:
            found.exhausted = not found.limit and (preemptions is not None or _always_ends(found, graph, make))
            return found
        state = graph.oldest_untried()
        if len(graph) >= states_max or found.runs >= runs_max or out_of_time():
            found.limit = found.limit or _limit_reached(len(graph) >= states_max, found.runs >= runs_max)
            return found


def _limit_reached(states: bool, runs: bool) -> str:
    return "states_max" if states else "runs_max" if runs else "time"


def _follow(
    execution: Execution, state: int, graph: _Graph, fingerprinter: Fingerprinter, preemptions: int | None
) -> None:
    """Run to ``state`` and beyond, by choices that are not tried, to an end or to where all are."""
    for choice in graph.way_to(state):
        _take(execution, choice, preemptions)
    passed = set()
    while state in graph.untried and state not in passed:
        passed.add(state)
        choice = graph.try_one(state)
        point = _take(execution, choice, preemptions)
        if point is None:
            graph.lead(state, graph.END)
            return
        state = graph.meet(fingerprinter.point(execution) + point.more, state, choice, point.choices)


def _take(execution: Execution, choice: int, preemptions: int | None) -> _Point | None:
    """Run the task that was chosen, and on to where there is another choice; ``None`` at an end."""
    if choice != NOBODY:
        execution.resume(choice)
    while runnable := execution.runnable():
        canonical = execution.canonical
        if len(runnable) == 1:
            execution.resume(canonical)
            continue
        more = b""
        if preemptions is not None:
            left, goes_on = preemptions - execution.preemptions, canonical == execution.current
            if goes_on and not left:
                execution.resume(canonical)
                continue
            more = b"%d %d" % (canonical if goes_on else NOBODY, left)
        return _Point([*(number for number in reversed(runnable) if number != canonical), canonical], more)
    return None


def _judge(found: Exhausted, run: Run) -> None:
    if run.verdict.outcome is not Outcome.HELD and (found.failure is None or not found.failure.verdict.failed):
        found.failure = run
    if run.verdict.outcome is Outcome.UNKNOWN:
        found.limit = found.limit or run.verdict.promise
    elif run.fair_suffix and not run.verdict.failed:
        found.limit = found.limit or "steps_max"


def _always_ends(found: Exhausted, graph: _Graph, make: Callable[[], Execution]) -> bool:
    """Can an end be reached from every state?  If not, the run that goes there is the failure."""
    lost = graph.without_end()
    if lost is None:
        return True
    execution = make()
    for choice in graph.way_to(lost):
        _take(execution, choice, preemptions=None)
    while execution.runnable():
        execution.resume(execution.canonical)
    run = execution.result()
    if not run.verdict.failed:
        raise HarnessError(
            f"from state {lost} no end was found in {found.runs} runs, but a run through it ended as {run.verdict}; "
            "the fingerprint leaves something out"
        )
    found.outcomes.add(run.verdict.signature)
    found.failure = found.failure or run
    return True
