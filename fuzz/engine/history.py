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
    """The events of one run; ``names`` are the tasks' names by number."""

    names: tuple[str, ...]
    events: list[Event] = field(default_factory=list)

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
