"""Which schedules are the same: the class of a run up to the order of steps that do not conflict.

Two runs are of one Mazurkiewicz class if they take the same steps and order the conflicting ones alike; then nothing
in the program can tell them apart.  The fingerprint of a class is a sum over its steps, each hashed with those that had
to come before it: the task's last step, the last write of what it touches, and for a write the reads since.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from fuzz.engine.history import History
from pagecache.step import Target

__all__ = ["Access", "accesses", "class_of"]

_BITS: Final = (1 << 64) - 1


class Access(NamedTuple):
    """A visible step of a run.

    Args:
        task: its number.
        announced: how many calls the task had announced when it was about to take it.
        target: what it touches.
        writes: does it write it?
    """

    task: int
    announced: int
    target: Target
    writes: bool


def accesses(history: History) -> list[Access]:
    """The visible steps of a recorded run, in order."""
    announced = [0] * len(history.names)
    made = []
    for event in history.events:
        step = event.step
        if step is None:
            continue
        number = event.task
        announced[number] += 1
        if step.target is not None:
            made.append(Access(number, announced[number], step.target, step.writes))
    return made


def class_of(made: Iterable[Access]) -> int:
    """The fingerprint of the class of a run; only integers are hashed, so it is the same in every process."""
    last: dict[int, int] = {}
    written: dict[Target, int] = {}
    read: dict[Target, int] = {}
    total = 0
    for number, announced, target, writes in made:
        before = written.get(target, 0)
        if writes:
            step = hash((number, announced, last.get(number, 0), before, read.get(target, 0)))
            written[target] = step
            read[target] = 0
        else:
            step = hash((number, announced, last.get(number, 0), before))
            read[target] = read.get(target, 0) + step & _BITS
        last[number] = step
        total = total + step & _BITS
    return total
