"""What happened in one run: calls, steps and returns, in order."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pagecache.operations import Operation, Result
from pagecache.step import Step

__all__ = ["Event", "History", "Taken"]


class Event(NamedTuple):
    """One line of a history.

    Args:
        kind: ``"call"`` and ``"return"`` of an operation, or a ``"step"``.
        task: the task's number.
        operation: its operation, for calls and returns.
        number: which operation of the task it is, from 0.
        step: for steps.
        result: for returns.
        deviates: for steps: the schedule left the canonical order to run this task here.
    """

    kind: Literal["call", "step", "return"]
    task: int
    operation: Operation | None = None
    number: int = 0
    step: Step | None = None
    result: Result | None = None
    deviates: bool = False


class Taken(NamedTuple):
    """A step that was taken.

    Args:
        task: by whom, the number.
        operation: the kind of operation that it was part of.
        visit: which of the task's calls of that name it was, from 1.
        step: the step itself.
    """

    task: int
    operation: str
    visit: int
    step: Step


@dataclass(slots=True)
class History:
    """The events of one run.

    Args:
        names: of the tasks, by number.
        events: what happened, in order.
        again: how many of the last events repeat without end; 0 unless the run is a livelock.
        apart: each task goes round a loop of its own, and they are shown once each.
    """

    names: tuple[str, ...]
    events: list[Event] = field(default_factory=list)
    again: int = 0
    apart: bool = False

    def cut_at_the_loop(self) -> None:
        """Keep of a run without end the way into its loop, and the loop once.

        The shortest loop is looked for that the last third of the run goes round at least twice.  If there is none,
        since the turns of the tasks do not fit together, each task may still go round a loop of its own; then a round
        of each is kept, and those are left out that it goes while others are still on their way.  If not, all events
        stay.
        """
        lines = self.lines()
        tail = len(lines) - len(lines) // 3
        together = _loop(lines, tail)
        if together is not None:
            first, period = together
            del self.events[first + period :]
            self.again = period
            return
        self._cut_each(lines, tail)

    def _cut_each(self, lines: Sequence[str], tail: int) -> None:
        """Keep the way of each task into a loop of its own, and that loop once."""
        keep: list[int] = []
        loops: list[tuple[list[int], int, int]] = []
        begins = 0  # from there on everybody who is still running goes round
        for task in range(len(self.names)):
            positions = [position for position, event in enumerate(self.events) if event.task == task]
            going = bisect_left(positions, tail)
            if going == len(positions):
                keep += positions
                begins = max([begins, *positions[-1:]])
                continue
            alone = _loop([lines[position] for position in positions], going)
            if alone is None:
                return
            loops.append((positions, *alone))
            begins = max(begins, positions[alone[0]])
        for positions, first, period in loops:
            before = bisect_left(positions, begins)
            keep += positions[: first + (before - first) % period]  # whole rounds are left out
            keep += positions[before : before + period]
            self.again += period
        self.apart = True
        self.events[:] = [self.events[position] for position in sorted(keep)]

    def taken(self) -> Iterator[Taken]:
        """The steps, in order."""
        doing = [""] * len(self.names)
        visits: Counter[tuple[int, str]] = Counter()
        for event in self.events:
            task, step = event.task, event.step
            if event.kind == "call":
                doing[task] = type(event.operation).__name__
            if step is not None:
                visits[task, step.call] += 1
                yield Taken(task, doing[task], visits[task, step.call], step)

    def lines(self) -> list[str]:
        """One line per event, for example ``"lseek xas_load(0)"``, ``"lseek SeekHole(index=0) = 0"``."""
        lines = []
        for event in self.events:
            name = self.names[event.task]
            if event.kind == "call":
                lines.append(f"{name} {event.operation!r}")
            elif event.kind == "return":
                lines.append(f"{name} {event.operation!r} = {event.result}")
            else:
                lines.append(f"{name} {event.step}")
        return lines


def _loop(lines: Sequence[str], tail: int) -> tuple[int, int] | None:
    """Where the shortest loop begins that all lines from ``tail`` on go round at least twice, and how long it is."""
    for period in range(1, (len(lines) - tail) // 2 + 1):
        first = len(lines) - period
        while first and lines[first - 1] == lines[first - 1 + period]:
            first -= 1
        if first <= tail:
            return first, period
    return None
