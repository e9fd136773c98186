"""From a case to its execution."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fuzz.engine.execution import Execution, Routine
from pagecache.kernel import Kernel
from pagecache.operations import Operation, PageOut
from pagecache.promises.promise import Promise
from pagecache.step import Step, Task
from pagecache.store_buffer import StoreBuffer, exit_to_user_mode
from pagecache.world import World
from strategies.case import Case

__all__ = ["prepare", "run_with_store_buffers"]


def prepare(
    case: Case,
    kernel: Kernel,
    promises: Sequence[Promise],
    *,
    teardown: Callable[[World], Coroutine[Step, Task | None, Any]] | None = None,
    record: bool = False,
) -> Execution:
    """A fresh world for ``case``, its tasks, and a watcher for each promise.

    Args:
        case: what to run; its schedule is left to the policy (:class:`fuzz.search.policies.canonical.Canonical`).
        kernel: what ``case.kernel`` names.
        promises: what to judge.
        teardown: evicts the world's inode when everybody has finished.
        record: keep the history.
    """
    world = World(case.world, kernel)
    world.may_fail = bool(case.failures)
    world.may_swap = "swapped" in case.world.pages or any(
        isinstance(operation, PageOut) for task in case.program.tasks for operation in task.operations
    )
    if case.world.store_buffers:
        world.store_buffers = [StoreBuffer(number) for number in range(len(case.program.tasks))]
    execution = Execution(
        case.tasks,
        world,
        watchers=[(promise.name, promise.watcher(world)) for promise in promises],
        failures=case.failures,
        teardown=(lambda: teardown(world)) if teardown else None,
        record=record,
        run=functools.partial(run_with_store_buffers, world) if world.store_buffers else None,
    )
    for task, stores in zip(execution.tasks, world.store_buffers, strict=False):
        task.stores = stores
    world.pending = execution.pending
    return execution


def run_with_store_buffers(world: Any, number: int, operation: Operation, tag: str) -> Routine:
    """An operation of task ``number``, at whose end everybody sees what it has stored; the daemons' as they are.

    Args:
        world: it has ``store_buffers``, one for each task that is no daemon.
        number: of the task.
        operation: what it does.
        tag: what the operation is given.
    """
    routine = operation.run(world, tag)
    buffers = world.store_buffers
    return exit_to_user_mode(buffers[number], routine) if number < len(buffers) else routine
