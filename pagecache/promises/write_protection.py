"""userfaultfd: a page that is write-protected is not written without an event.

UFFDIO_WRITEPROTECT promises it from its return on (Documentation/admin-guide/mm/userfaultfd.rst), whatever memory
management does meanwhile: file pages are unmapped, swapped out and collapsed behind user space's back, so the kernel
keeps the protection as a marker in the page table.

It ends with the call of whatever user space does to it itself: lifting it, another registration, unregistering,
munmap(), mremap(), filling the page by an ioctl() of the userfaultfd, and taking the page out of the file.
Writes that do not go through this mapping are not covered: write(2), another mapping, a device with a pin.
"""

from __future__ import annotations

from collections.abc import Hashable

from pagecache.mm import Vma
from pagecache.operations import (
    Mremap,
    Munmap,
    Operation,
    PunchHole,
    Result,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
)
from pagecache.promises.promise import Watcher
from pagecache.promises.vma_spec import vmas_changed_by
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["WriteProtectWatcher"]

Page = tuple[int, int]
"""The number of a VMA, and an index that it maps."""


class WriteProtectWatcher(Watcher):
    """Watches every store: did it reach memory by way of a page that is protected?

    Two overlapping calls about one page leave it unprotected, as far as the promise goes.
    """

    after_calls = frozenset({"store"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.protected: set[Page] = set()
        self.protecting: dict[int, set[Page]] = {}
        """By task that is in a UFFDIO_WRITEPROTECT, its page, as long as nobody else interferes."""
        self.ending: dict[int, set[Page]] = {}
        """By task that is in an operation that ends the protection, of which pages: it may do so at any time."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        if isinstance(operation, UffdWriteProtect) and not operation.lift:
            self.protecting[task.number] = {(operation.vma, operation.index)}.difference(*self.ending.values())
            return
        if gone := self._ended_by(operation):
            self.ending[task.number] = gone
            self.protected -= gone
            for pages in self.protecting.values():
                pages.difference_update(gone)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del number, operation
        self.ending.pop(task.number, None)
        pages = self.protecting.pop(task.number, set())
        if result == 0:
            self.protected |= pages

    def after(self, task: Task, step: Step) -> str | None:
        if step.call != "store":
            return None
        vma, index = step.args
        assert isinstance(vma, Vma)
        assert isinstance(index, int)
        if (vma.number, index) not in self.protected:
            return None
        held = vma.tlb.get(index)
        if held is None or not held.write:
            return None  # a page fault
        return f"{task} has written to index {index} through {vma}, which is write-protected there, without an event"

    def key(self) -> Hashable:
        # What each task does is part of every point, and so is what that may end.
        return (
            frozenset(self.protected),
            tuple((number, frozenset(pages)) for number, pages in sorted(self.protecting.items())),
        )

    def _ended_by(self, operation: Operation) -> set[Page]:
        """The pages whose protection ``operation`` takes away."""
        match operation:
            case UffdWriteProtect(index, vma, True) | UffdCopy(index, vma) | UffdZeropage(index, vma):
                return {(vma, index)}
            case UffdContinue(index, vma):
                return {(vma, index)}
            case UffdRegister() | UffdUnregister() | Munmap() | Mremap():
                indices = range(len(self.world.spec.pages))
                return {(vma, index) for vma in vmas_changed_by(operation) for index in indices}
            case Truncate() | PunchHole():
                return {(vma, i) for vma in range(len(self.world.vmas)) for i in range(len(self.world.spec.pages))}
            case _:
                return set()
