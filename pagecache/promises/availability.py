"""A collapse that nobody disturbs succeeds, and so does a split.

MADV_COLLAPSE is best effort, so its errors explain themselves, except when there is nothing that could
have been in its way.  In 6.4-rc it always failed with EAGAIN unless the kernel was built with DEBUG_VM, whose
assertion happened to move the cursor (c8a8f3b4a95a): no other promise was broken.

A split is best effort, too, and nobody is told; then the huge page stays.  One that forgets to unmap the folio never
finds the count that it expects (tools/testing/selftests/mm/split_huge_page_test.c looks at what has become of it).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from pagecache.collapse.madvise import file_thp_enabled
from pagecache.collapse.scan import SCAN_PAGE_COMPOUND, no_read_only_thp_for_fs
from pagecache.folio import Folio
from pagecache.operations import Collapse, Operation, Result, Split
from pagecache.promises.promise import Watcher
from pagecache.pte import MARKER_UFFD_WP, Pte
from pagecache.step import Task
from pagecache.world import World

__all__ = ["UndisturbedCollapseWatcher", "UndisturbedSplitWatcher"]


COMPOUND: Final = ("EINVAL", SCAN_PAGE_COMPOUND)
"""How a collapse refuses a large folio: MADV_COLLAPSE, and khugepaged."""


class _Undisturbed(Watcher):
    """Of some operations, whether others were under way meanwhile."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.under_way: set[int] = set()
        """The numbers of the tasks that are in an operation."""
        self.undisturbed = -1
        """The number of the task whose operation nothing should stop."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        self.undisturbed = task.number if not self.under_way and self._is_easy(operation) else -1
        self.under_way.add(task.number)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number
        self.under_way.discard(task.number)
        return self._objection(task, operation, result) if task.number == self.undisturbed else None

    def key(self) -> Hashable:
        return (frozenset(self.under_way), self.undisturbed)

    def _is_easy(self, operation: Operation) -> bool:
        """Is it one of those that are looked at, and nothing in its way?"""
        raise NotImplementedError

    def _objection(self, task: Task, operation: Operation, result: Result) -> str | None:
        """What is wrong with the end of one that nobody has disturbed."""
        raise NotImplementedError


class UndisturbedCollapseWatcher(_Undisturbed):
    """No operation is under way besides the collapse, and the whole range holds data below ``i_size``.

    A regular file must not be open for writing, and no page dirty.  Where it ends with a PMD, the mapping must not be
    registered for WP events: the page table is kept then, for its markers, and the collapse that has been made is
    reported as EINVAL (SCAN_PTE_UFFD_WP).  Nor must it have markers of an earlier registration: to register for MISSING
    events afterwards leaves them where they are (userfaultfd_register_range()), and they are not present.  Nor a page
    that is none of the file's: a private copy, or the zero page.

    XX Ranges with holes are left out: whether they may be filled depends on userfaultfd.

    Large folios that are no huge page yet may be refused, with EINVAL (SCAN_PAGE_COMPOUND): the collapse of these is
    younger than the other protocols.  What khugepaged is allowed makes no difference: nothing is missing.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.large = False
        """Are there large folios in its range, that are no huge page?"""

    def key(self) -> Hashable:
        return (super().key(), self.large and self.undisturbed >= 0)

    def _objection(self, task: Task, operation: Operation, result: Result) -> str | None:
        if result == 0 or (result in COMPOUND and self.large):
            return None
        return f"{task} {operation!r} returned {result}, though its range was full of data and nothing else ran"

    def _is_easy(self, operation: Operation) -> bool:
        self.large = False
        world = self.world
        if world.may_fail or not isinstance(operation, Collapse):
            return False
        vma = world.vmas[operation.vma]
        behind = operation.start + (1 << world.spec.hpage_order)
        if not (vma.alive and vma.start <= operation.start and behind <= vma.end and behind <= world.inode.i_size):
            return False
        if vma.huge:
            entries = (vma.entry(index) for index in range(operation.start, behind))
            if vma.uffd_wp or any(entry is not None and _keeps_the_page_table(entry) for entry in entries):
                return False
        file = world.mapping.regular
        if file is not None and (file.i_writecount or world.kernel.collapse_regular_file is no_read_only_thp_for_fs):
            return False
        if file is not None and world.kernel.file_thp_enabled is not file_thp_enabled and not file.large_folios:
            return False
        slots = world.mapping.i_pages.slots[operation.start : behind]
        self.large = any(isinstance(entry, Folio) and 0 < entry.order < world.spec.hpage_order for entry in slots)
        return all(
            isinstance(entry, Folio) and entry.uptodate and not entry.poisoned and (file is None or not entry.dirty)
            for entry in slots
        )


def _keeps_the_page_table(entry: Pte) -> bool:
    """Is it an entry with which collapse_pte_mapped_thp() leaves the page table as it is?"""
    return entry.kind == MARKER_UFFD_WP or (entry.folio is not None and entry.folio.anon)


class UndisturbedSplitWatcher(_Undisturbed):
    """No operation is under way besides the split; there is a large folio, and memory, which has not failed.

    So nobody has a reference but the page cache, the swap cache and the page tables, with which a split deals.
    """

    def _is_easy(self, operation: Operation) -> bool:
        return isinstance(operation, Split) and not self.world.may_fail and self._is_large(operation)

    def _objection(self, task: Task, operation: Operation, result: Result) -> str | None:
        del result
        if not isinstance(operation, Split) or not self._is_large(operation):
            return None
        return f"{task} {operation!r} has left the folio as it was, though nothing else ran"

    def _is_large(self, operation: Split) -> bool:
        """Is there still, or already, a folio that is larger than it is to be?"""
        entry = self.world.mapping.i_pages.entry_at(operation.index)
        return isinstance(entry, Folio) and entry.order > operation.order and entry.uptodate and not entry.poisoned
