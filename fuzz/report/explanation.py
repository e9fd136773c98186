"""Why a schedule fails: the window it needs, the steps whose order decides, and the nearest schedule that passes.

The last deviation runs another task at one place.  Moved earlier or later, step by step, it keeps failing for a while,
and then no longer: between the last place that fails and the first that passes just one step of the interrupted task
has changed sides.  Where that step conflicts with one of the other task's, their order is what matters.

It takes a run for each place tried, some milliseconds in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.history import Event, History
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.search.explore import Choices
from fuzz.search.policies.canonical import Canonical
from pagecache.step import Step
from strategies.case import Deviation

__all__ = ["Conflict", "Explanation", "explain"]

PLACES_MAX: Final = 100  # tried in each direction: longer than any operation of the page cache

Make = Callable[[], Execution]
"""Makes an execution that records its history."""

Place = tuple[int, int]
"""A step of a run: its task, and which step of it it is, from 0."""


class Conflict(NamedTuple):
    """Two steps whose order decides.

    Args:
        first: the row of the ladder in which the earlier of them is.
        second: the row of the later one; 0 if the failing run does not come there.
        target: what both touch, for example "slot 1".
        sentence: who looks or writes first.
    """

    first: int
    second: int
    target: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a schedule fails.

    Args:
        window: between which steps the other task must run.
        conflicts: the pairs of steps whose order decides, at most one for each end of the window.
        passing: the nearest schedule that passes.
        nearest: how it differs, as a sentence.
    """

    window: str
    conflicts: tuple[Conflict, ...]
    passing: tuple[Deviation, ...]
    nearest: str

    def __str__(self) -> str:
        told = [self.window, *(conflict.sentence for conflict in self.conflicts), self.nearest]
        return " ".join(sentence for sentence in told if sentence)

    def as_json(self) -> dict[str, Any]:
        """What a program reads."""
        return {
            "window": self.window,
            "conflicts": [conflict._asdict() for conflict in self.conflicts],
            "passing": [str(deviation) for deviation in self.passing],
            "nearest": self.nearest,
        }


class _Edge(NamedTuple):
    """One end of the window.

    Args:
        inside: the last run that fails.
        outside: the first that passes.
        schedule: of ``outside``.
        distance: how many places it is away.
    """

    inside: Run
    outside: Run
    schedule: tuple[Deviation, ...]
    distance: int


def explain(make: Make, schedule: Sequence[Deviation]) -> Explanation | None:
    """Explain a failing schedule; ``None`` if it fails in any order that was tried, or does not deviate."""
    if not schedule:
        return None
    *before, last = schedule
    failing = _run(make, schedule)
    places = [place for place in _places(make, before) if place.run == last.run]
    if not failing.verdict.failed or last not in places:
        return None
    at = places.index(last)
    earlier = _edge(failing, make, [(*before, place) for place in places[:at][::-1]])
    # Behind the last place the other task runs when this one has ended, without a deviation.
    later = _edge(failing, make, [*((*before, place) for place in places[at + 1 :]), tuple(before)])
    if earlier is None and later is None:
        return None
    edges = [edge for edge in (earlier, later) if edge is not None]
    nearest = min(edges, key=lambda edge: edge.distance)
    conflicts = [_conflict(failing, edge, is_early=edge is earlier) for edge in edges]
    return Explanation(
        _window(failing, last, earlier, later),
        tuple(dict.fromkeys(conflict for conflict in conflicts if conflict is not None)),
        nearest.schedule,
        f"The nearest schedule that passes has '{nearest.schedule[-1]}' instead."
        if len(nearest.schedule) == len(schedule)
        else "Without that deviation it passes.",
    )


def _run(make: Make, schedule: Sequence[Deviation]) -> Run:
    execution = make()
    return direct.run(execution, Canonical(execution, schedule))


def _places(make: Make, before: Sequence[Deviation]) -> list[Deviation]:
    """Every deviation that could come next after those."""
    execution = make()
    choices = Choices(execution, Canonical(execution, before))
    direct.run(execution, choices)
    return choices.extensions


def _edge(failing: Run, make: Make, schedules: Sequence[tuple[Deviation, ...]]) -> _Edge | None:
    """The first of ``schedules`` that passes, if all before it fail in the same way."""
    inside = failing
    for distance, schedule in enumerate(schedules[:PLACES_MAX], 1):
        run = _run(make, schedule)
        if run.verdict.outcome is Outcome.HELD:
            return _Edge(inside, run, schedule, distance)
        if run.verdict.signature != failing.verdict.signature:
            return None
        inside = run
    return None


def _history(run: Run) -> History:
    assert run.history is not None
    return run.history


def _steps(run: Run) -> Iterator[tuple[Place, int, Step]]:
    """The steps of a run, each with its row of the ladder."""
    taken = [0] * len(run.names)
    for row, event in enumerate(_history(run).events, 1):
        if event.step is not None:
            yield (event.task, taken[event.task]), row, event.step
            taken[event.task] += 1


def _moved(edge: _Edge) -> list[tuple[Place, Step, Place, Step]]:
    """The conflicting steps that changed their order: the one that comes first in the failing run, then the other."""
    positions = {place: (row, str(step)) for place, row, step in _steps(edge.outside)}
    steps = [
        (place, step, positions[place][0])
        for place, _, step in _steps(edge.inside)
        if place in positions and step.target is not None and positions[place][1].partition("(")[0] == step.call
    ]
    return [
        (first, one, second, other)
        for number, (first, one, row) in enumerate(steps)
        for second, other, other_row in steps[number + 1 :]
        if first[0] != second[0] and other_row < row and one.target == other.target and (one.writes or other.writes)
    ]


def _conflict(failing: Run, edge: _Edge, *, is_early: bool) -> Conflict | None:
    moved = _moved(edge)
    if not moved:
        return None
    # Who takes a lock first says less than what is done under it.
    telling = [pair for pair in moved if pair[1].ready is None and pair[3].ready is None] or moved
    # At the early edge the decisive step comes before those of the other task, at the late edge behind them.
    nearest = telling[0][0] if is_early else min(pair[2][1] for pair in telling)
    if is_early:
        first, one, second, other = next(pair for pair in telling if pair[0] == nearest)
    else:
        first, one, second, other = [pair for pair in telling if pair[2][1] == nearest][-1]
    rows = {place: row for place, row, step in _steps(failing) if step.call in (one.call, other.call)}
    names = failing.names
    target = " ".join(map(str, one.target)) if isinstance(one.target, tuple) else str(one.target)
    who, whom = names[first[0]], names[second[0]]
    here, there = _where(one, rows.get(first, 0)), _where(other, rows.get(second, 0))
    if one.ready is not None and other.ready is not None:
        sentence = f"{who} gets {target} ({here}) before {whom} does ({there})."
    elif not one.writes:
        sentence = f"{who} looks at {target} ({here}) before {whom} changes it ({there})."
    elif not other.writes:
        sentence = f"{whom} looks at {target} ({there}) after {who} has changed it ({here})."
    else:
        sentence = f"{who} changes {target} ({here}) before {whom} does ({there})."
    return Conflict(rows.get(first, 0), rows.get(second, 0), target, sentence)


def _where(step: Step, row: int) -> str:
    return f"{step}, step {row}" if row else str(step)


def _window(failing: Run, last: Deviation, earlier: _Edge | None, later: _Edge | None) -> str:
    """Between which of its steps the interrupted task must be interrupted."""
    parts = []
    if earlier is not None:
        parts.append(f"after {_decisive(failing, earlier.schedule[-1])}")
    if later is not None:
        parts.append(f"before {_decisive(failing, later.inside.deviations[-1])}")
    return f"It fails if {last.run} runs {' and '.join(parts)}."


def _decisive(failing: Run, deviation: Deviation) -> str:
    """The step before which ``deviation`` interrupts, as the failing run has it."""
    name, at, visit = deviation.task, deviation.at, deviation.visit
    seen = 0
    for row, event in enumerate(_history(failing).events, 1):
        if _is(event, failing.names.index(name), at):
            seen += 1
            if seen == visit:
                return f"{name}'s {event.step} (step {row})"
    return f"{name}'s {at}(), which this run does not take"


def _is(event: Event, task: int, call: str) -> bool:
    return event.task == task and event.step is not None and event.step.call == call
