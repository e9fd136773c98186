"""The protocol under test, on behalf of user space or of khugepaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pagecache.collapse.khugepaged import khugepaged_scan_mm_slot
from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import SCAN_SUCCEED
from pagecache.operations.operation import Operation, Result
from pagecache.world import BACKINGS, World, WorldSpec

__all__ = ["Collapse", "Khugepaged"]


@dataclass(frozen=True, slots=True, repr=False)
class Collapse(Operation):
    """``madvise(MADV_COLLAPSE)`` of the huge page that starts at ``start``.  Result: 0 or an error."""

    task_name: ClassVar[str] = "khugepaged"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    start: int
    vma: int = 0

    def problem(self, world: WorldSpec) -> str:
        nr = 1 << world.hpage_order
        if self.start % nr:
            return f"start is {self.start}; with hpage_order {world.hpage_order} it must be a multiple of {nr}"
        return super(Collapse, self).problem(world)

    async def run(self, world: World, tag: str) -> Result:
        return await madvise_collapse(world.vmas[self.vma], self.start)


@dataclass(frozen=True, slots=True, repr=False)
class Khugepaged(Collapse):
    """A collapse by khugepaged, within its limits.  Result: 0, or what its trace says (``"SCAN_EXCEED_NONE_PTE"``)."""

    max_ptes_none: int = 0
    max_ptes_swap: int = 0

    def problem(self, world: WorldSpec) -> str:
        most = (1 << world.hpage_order) - 1
        for name, value in (("max_ptes_none", self.max_ptes_none), ("max_ptes_swap", self.max_ptes_swap)):
            if value > most:
                return f"{name} is {value}; with hpage_order {world.hpage_order} choose 0 to {most}"
        return super(Khugepaged, self).problem(world)

    async def run(self, world: World, tag: str) -> Result:
        vma = world.vmas[self.vma]
        result = await khugepaged_scan_mm_slot(vma, self.start, self.max_ptes_none, self.max_ptes_swap)
        return 0 if result == SCAN_SUCCEED else result
