"""khugepaged keeps its limits: it collapses no range in which more is missing, and gives up on none in which less is.

``max_ptes_none`` and ``max_ptes_swap`` count pages, whatever folio or entry they belong to (d60fcaf00d75).  They can
only be hints: the scan looks at one slot after the other without a lock, and collapse_file() asks no more for them.  So
nothing is said about ranges that somebody else may be changing.
"""

from __future__ import annotations

from collections.abc import Hashable

from pagecache.collapse.scan import SCAN_EXCEED_NONE_PTE, SCAN_EXCEED_SWAP_PTE
from pagecache.folio import Folio
from pagecache.operations import Khugepaged, Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Task
from pagecache.world import World
from pagecache.xarray import ValueEntry

__all__ = ["LimitsWatcher"]


class LimitsWatcher(Watcher):
    """Judges each run of khugepaged besides which no operation is under way, by what its range held before.

    What is on swap is missing, too.  Where there is a huge page already nothing is asked.

    Holes that a userfaultfd may want to hear of are given up with the same results, whatever the limits.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.under_way: set[int] = set()
        """The numbers of the tasks that are in an operation."""
        self.alone = -1
        """The number of the task whose khugepaged nobody disturbs."""
        self.missing = 0
        """How many pages of its range are not in the page cache."""
        self.swapped = 0
        """How many of these are on swap."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        self.alone, self.missing, self.swapped = -1, 0, 0
        if isinstance(operation, Khugepaged) and not self.under_way:
            self.alone = task.number
            behind = operation.start + (1 << self.world.spec.hpage_order)
            slots = self.world.mapping.i_pages.slots[operation.start : behind]
            self.missing = sum(not isinstance(entry, Folio) for entry in slots)
            self.swapped = sum(isinstance(entry, ValueEntry) for entry in slots)
        self.under_way.add(task.number)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number
        self.under_way.discard(task.number)
        if task.number != self.alone or not isinstance(operation, Khugepaged):
            return None
        over_none = self.missing > operation.max_ptes_none
        over_swap = self.swapped > operation.max_ptes_swap
        armed = any(vma.uffd_missing for vma in self.world.vmas)
        if (
            (result == 0 and (over_none or over_swap))
            or (result == SCAN_EXCEED_NONE_PTE and not over_none and not armed)
            or (result == SCAN_EXCEED_SWAP_PTE and not over_swap and not armed)
        ):
            return (
                f"{task} {operation!r} returned {result}, though {self.missing} pages of its range were missing, "
                f"{self.swapped} of them on swap, and nothing else ran"
            )
        return None

    def key(self) -> Hashable:
        return (frozenset(self.under_way), self.alone, self.missing, self.swapped)
