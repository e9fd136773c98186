"""A fault sleeps until user space has dealt with its event, no longer, and without a lock.

UFFDIO_COPY and its siblings wake whoever waits for the page, UFFDIO_UNREGISTER whoever waits in the range "so they will
not hang indefinitely" (userfaultfd_unregister()); and a fault looks once more between joining the queue and falling
asleep (userfaultfd_must_wait()), since who fills the page before finds nobody to wake.

It lets go of the mmap_lock before: an ioctl that takes it for writing has to get it (handle_userfault()).

Not everybody who could go on is woken: write(2) fills a page without a word to the userfaultfd, and another thread may
map it.  So only what an ioctl has mapped counts, for as long as it is mapped there.

Left out: WP events, where it takes more than a look at the page table to tell whether a fault has been dealt with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pagecache.folio import Folio
from pagecache.operations import Mremap, Operation, Result, UffdContinue, UffdCopy, UffdZeropage
from pagecache.promises.promise import Watcher
from pagecache.promises.vma_spec import vmas_changed_by
from pagecache.step import Task
from pagecache.world import World

__all__ = ["WakingWatcher"]

RESOLVES: Final = UffdCopy | UffdZeropage | UffdContinue


class WakingWatcher(Watcher):
    """In the end nobody waits for what an ioctl has mapped, in a range without registration, or with the mmap_lock."""

    sees_classes = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.resolved: dict[tuple[int, int], Folio] = {}
        """By VMA and index, what the last ioctl has mapped there."""
        self.moved: set[int] = set()
        """The VMAs that mremap() has taken away or put there: who slept before slept for what was there then."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del task, number
        if isinstance(operation, Mremap):
            self.moved.update(vmas_changed_by(operation))

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del task, number
        if isinstance(operation, RESOLVES) and result == 0:
            entry = self.world.vmas[operation.vma].ptes.get(operation.index)
            if entry is not None and entry.folio is not None:
                self.resolved[operation.vma, operation.index] = entry.folio

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        for vma in self.world.vmas:
            for task, index in vma.uffd_waiters:
                sleeps = f"in the end {task} sleeps until index {index} of {vma} is filled"
                entry = vma.ptes.get(index)
                here = None if entry is None else entry.folio
                if task in vma.mm.mmap_lock.readers:
                    return f"{sleeps}, with {vma.mm.mmap_lock}"
                if vma.number in self.moved:
                    continue
                if here is not None and here is self.resolved.get((vma.number, index)):
                    return f"{sleeps}, where {here} is mapped"
                if vma.alive and not vma.uffd_registered:
                    return f"{sleeps}, but it is not registered"
        return None
