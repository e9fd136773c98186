"""Who is punching a hole gets it done, however many others keep faulting.

Whether somebody starves cannot be seen in a run that ends.  What can be seen is the promise that keeps it from
happening: shmem_falloc_wait() lets a fault that looked before the punch was published slip in once, and makes all
others wait.  Whoever can fill the hole a second time can do so for ever.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from pagecache.folio import Folio
from pagecache.operations import FAULTS, Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["SlipsInOnceWatcher"]


class SlipsInOnceWatcher(Watcher):
    """No task faults a page twice into a hole while it is being punched.

    Filling it by ``UFFDIO_COPY`` does not count: that is for user space to stop.
    """

    after_calls: ClassVar = frozenset({"wake_up_all", "xas_store"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.faulting: dict[int, int] = {}
        """By the number of a task that is in an access through a mapping, the index."""
        self.filled: set[tuple[int, int]] = set()
        """By whom, and where, the hole that is being punched has been filled."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        if isinstance(operation, FAULTS):
            self.faulting[task.number] = operation.index

    def after(self, task: Task, step: Step) -> str | None:
        if step.call == "wake_up_all":
            self.filled.clear()  # the punch is over
        if step.call != "xas_store" or task.number not in self.faulting:
            return None
        index, entry = step.args[:2]
        falloc = self.world.inode.i_private
        if entry is None and isinstance(index, int):
            self.filled.discard((task.number, index))  # a huge page for which there is no space: it tries a small one
        if not isinstance(entry, Folio) or not isinstance(index, int):
            return None  # a swap entry is no page: who swaps in splits a large one, and that fills nothing
        if falloc is None or falloc.waitq is None:
            return None
        hole = range(falloc.start, falloc.next)
        if index not in hole or self.faulting[task.number] not in hole:
            return None  # nobody keeps it from bringing in a huge page, of which the hole is another part
        if (task.number, index) in self.filled:
            return f"{task} faulted {entry} into index {index}, the second page during one hole punch of it"
        self.filled.add((task.number, index))
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del number, operation, result
        self.faulting.pop(task.number, None)

    def key(self) -> Hashable:
        return (frozenset(self.faulting.items()), frozenset(self.filled))
