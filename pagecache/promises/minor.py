"""userfaultfd: a page that was there is not mapped by a fault without a MINOR event.

UFFDIO_REGISTER_MODE_MINOR promises events for faults that find the page in the page cache
(Documentation/admin-guide/mm/userfaultfd.rst, shmem_get_folio_gfp()): it is mapped by UFFDIO_CONTINUE, when user space
has seen to its contents.  So a fault maps only what it has itself put into the file, and nothing around its address
(uffd_disable_fault_around()); or a private copy of that, or of what is mapped already.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Final

from pagecache.folio import Folio
from pagecache.mm import Vma
from pagecache.operations import ACCESSES, Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["MinorWatcher"]

MAPPING: Final = frozenset({"set_pte_at", "set_pmd_at"})


class MinorWatcher(Watcher):
    """In a range registered for MINOR events, does a fault map a page that it has not put there?

    The registration cannot change between the two, for the fault holds the mmap_lock.  A page that one operation puts
    there with one fault and maps with the next goes unnoticed.
    """

    after_calls: ClassVar = MAPPING | {"xas_store", "clear_highpage", "copy_mc_highpage"}

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.faulting: dict[int, int] = {}
        """By the number of a task that is in an access through a mapping, the number of the VMA."""
        self.brought: dict[int, frozenset[str]] = {}
        """By such a task, the folios that it has put into the file, and its copies of these."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        if isinstance(operation, ACCESSES):
            self.faulting[task.number] = operation.vma

    def after(self, task: Task, step: Step) -> str | None:
        if task.number not in self.faulting:
            return None
        brought = self.brought.get(task.number, frozenset())
        here = self.world.vmas[self.faulting[task.number]]
        if step.call == "xas_store":
            entry = step.args[1]
            if isinstance(entry, Folio) and here.uffd_minor:
                self.brought[task.number] = brought | {str(entry)}
            return None
        if step.call in ("clear_highpage", "copy_mc_highpage"):
            copy, sources = step.args[0], list(step.args[2:])
            assert isinstance(copy, Folio)
            known = [source for source in sources if here.maps_folio(source) or str(source) in brought]
            if here.uffd_minor and copy.anon and known == sources:
                self.brought[task.number] = brought | {str(copy)}
            return None
        if step.call not in MAPPING:
            return None
        vma, index, folio = step.args
        assert isinstance(vma, Vma)
        if not vma.uffd_minor or str(folio) in brought:
            return None
        return f"{task} has mapped {folio}, which was there, at index {index} of {vma} without a MINOR event"

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del number, operation, result
        self.faulting.pop(task.number, None)
        self.brought.pop(task.number, None)

    def key(self) -> Hashable:
        return tuple(sorted(self.brought.items()))
