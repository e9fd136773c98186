"""From a case to its execution."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fuzz.engine.execution import Execution
from pagecache.kernel import Kernel
from pagecache.operations import PageOut
from pagecache.promises.promise import Promise
from pagecache.step import Step, Task
from pagecache.world import World
from strategies.case import Case

__all__ = ["prepare"]


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
    execution = Execution(
        case.program.tasks,
        world,
        watchers=[(promise.name, promise.watcher(world)) for promise in promises],
        failures=case.failures,
        teardown=(lambda: teardown(world)) if teardown else None,
        record=record,
    )
    world.pending = execution.pending
    return execution
