"""What happened in one run: calls, steps and returns, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pagecache.operations import Operation, Result
from pagecache.step import Step

__all__ = ["Event", "History"]


@dataclass(frozen=True, slots=True)
class Event:
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


@dataclass(slots=True)
class History:
    """The events of one run.

    Args:
        names: of the tasks, by number.
        events: what happened, in order.
        again: how many of the last events repeat without end; 0 unless the run is a livelock.
    """

    names: tuple[str, ...]
    events: list[Event] = field(default_factory=list)
    again: int = 0

    def cut_at_the_loop(self) -> None:
        """Keep of a run without end the way into its loop, and the loop once.

        The shortest loop is looked for that the last third of the run goes round at least twice; if there is none, all
        events stay.
        """
        lines = self.lines()
        for period in range(1, len(lines) // 3 // 2 + 1):
            first = len(lines) - period
            while first and lines[first - 1] == lines[first - 1 + period]:
                first -= 1
            if len(lines) - first >= len(lines) // 3:
                del self.events[first + period :]
                self.again = period
                return

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
