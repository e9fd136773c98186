"""Programs: a few tasks with a few operations each, mostly a collapse and somebody in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from pagecache.operations import Collapse, Operation
from pagecache.world import WorldSpec
from strategies.case import Program, TaskSpec
from strategies.grammar import ALWAYS, Draw, Span
from strategies.operations import Kinds, operation

__all__ = ["OPERATIONS_MAX", "TASKS_MAX", "named", "program"]

# A single task is for failures that need nobody else (and for the shrinker to get there); more than four, or more
# than four operations, are hardly ever generated, but what a person or a shrinker makes can be written.
ANOTHER_TASK: Final = (ALWAYS, 0.98, 0.3, 0.2, *(0.01,) * 4)
ANOTHER_OPERATION: Final = (ALWAYS, 0.4, 0.3, 0.3, *(0.01,) * 28)
TASKS_MAX: Final = len(ANOTHER_TASK)
OPERATIONS_MAX: Final = len(ANOTHER_OPERATION)

NOT_A_COLLAPSE_FIRST: Final = 0.05  # the first operation of the first task
NOT_A_COLLAPSE: Final = 0.9

Thread = tuple[Operation, ...]


def named(threads: Iterable[Thread]) -> Program:
    """The program with these tasks, each named after what it does first; the second lseek is "lseek2"."""
    seen: Counter[str] = Counter()
    tasks = []
    for operations in threads:
        name = operations[0].task_name
        seen[name] += 1
        tasks.append(TaskSpec(name if seen[name] == 1 else f"{name}{seen[name]}", operations))
    return Program(tuple(tasks))


def program(
    draw: Draw,
    world: WorldSpec,
    like: Program = Program(()),  # noqa: B008 - a value
    kinds: Kinds = (),
) -> Program:
    """A program whose operations make sense in ``world``, if ``kinds`` are given of these only.

    Names are not drawn: what is written loses its own.
    """
    threads = tuple(task.operations for task in like.tasks)

    def thread(number: int, one: Thread) -> Thread:
        return _thread(draw, world, number, one, kinds)

    return named(draw.many(Span.TASK, ANOTHER_TASK, thread, threads, ()))


def _thread(draw: Draw, world: WorldSpec, task: int, like: Thread, kinds: Kinds) -> Thread:
    def one(number: int, wanted: Operation) -> Operation:
        first = task == 0 and number == 0
        return operation(draw, world, NOT_A_COLLAPSE_FIRST if first else NOT_A_COLLAPSE, wanted, kinds)

    return draw.many(Span.OPERATION, ANOTHER_OPERATION, one, like, Collapse(0))
