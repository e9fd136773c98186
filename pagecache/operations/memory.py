"""Memory management behind everybody's back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pagecache.evict import close_other
from pagecache.huge_memory import split_huge_pages
from pagecache.memory_failure import memory_failure
from pagecache.migrate import migrate_pages
from pagecache.operations.operation import Operation, Result
from pagecache.shrinker import shmem_unused_huge_scan
from pagecache.swapoff import sys_swapoff
from pagecache.vmscan import reclaim_folio
from pagecache.world import BACKINGS, World, WorldSpec

__all__ = ["CloseFile", "MemoryFailure", "Migrate", "PageOut", "Shrink", "Split", "Swapoff"]


@dataclass(frozen=True, slots=True, repr=False)
class PageOut(Operation):
    """Reclaim of one page, as by ``madvise(MADV_PAGEOUT)`` or memory pressure.  Result: 0, whatever became of it."""

    task_name: ClassVar[str] = "reclaim"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int

    async def run(self, world: World, tag: str) -> Result:
        await reclaim_folio(world.mapping, self.index)
        return 0


@dataclass(frozen=True, slots=True, repr=False)
class Swapoff(Operation):
    """``swapoff(2)`` of the swap device.  Result: 0; EINVAL if it is off, or going off; ENOMEM, and it stays."""

    task_name: ClassVar[str] = "swapoff"

    async def run(self, world: World, tag: str) -> Result:
        error = await sys_swapoff(world.inode)
        return error or 0


@dataclass(frozen=True, slots=True, repr=False)
class Migrate(Operation):
    """Migration of one folio to other memory, as by compaction or ``move_pages()``.  Result: 0 or an error."""

    task_name: ClassVar[str] = "migrate"
    index: int

    async def run(self, world: World, tag: str) -> Result:
        error = await migrate_pages(world.mapping, self.index)
        return error or 0


@dataclass(frozen=True, slots=True, repr=False)
class Split(Operation):
    """Split of a large folio into parts of ``order``, through ``split_huge_pages`` in debugfs.

    Result: 0, whatever became of it.
    """

    task_name: ClassVar[str] = "split"
    index: int
    order: int = 0

    def problem(self, world: WorldSpec) -> str:
        if self.order >= world.hpage_order:
            return f"order is {self.order}, but a huge page has {world.hpage_order}; choose a lower one"
        return super(Split, self).problem(world)

    async def run(self, world: World, tag: str) -> Result:
        await split_huge_pages(world.mapping, self.index, self.order)
        return 0


@dataclass(frozen=True, slots=True, repr=False)
class MemoryFailure(Operation):
    """A memory error in the page that is at ``index``.  Result: 0, ENOENT without a page, EHWPOISON or EBUSY."""

    task_name: ClassVar[str] = "mce"
    index: int

    async def run(self, world: World, tag: str) -> Result:
        return await memory_failure(world.mapping, self.index)


@dataclass(frozen=True, slots=True, repr=False)
class Shrink(Operation):
    """The shrinker of the superblock, which splits what reaches behind the end of its file.  Result: 0."""

    task_name: ClassVar[str] = "kswapd"
    files: ClassVar[int] = 2

    async def run(self, world: World, tag: str) -> Result:
        if world.sbinfo is not None:
            await shmem_unused_huge_scan(world.sbinfo)
        return 0


@dataclass(frozen=True, slots=True, repr=False)
class CloseFile(Operation):
    """``close(2)`` of the last descriptor of another file, which nobody can open again.  Result: 0, or EBADF."""

    task_name: ClassVar[str] = "close"
    files: ClassVar[int] = 2
    file: int

    async def run(self, world: World, tag: str) -> Result:
        error = await close_other(world.others[self.file - 1])
        return error or 0
