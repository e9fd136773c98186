"""Through a mapping, and by whoever pins what is mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pagecache.fault import access
from pagecache.folio import folio_put
from pagecache.gup import dma_write, pin_user_pages_fast, set_page_dirty, unpin_user_pages_dirty_lock
from pagecache.madvise import madvise_dontneed
from pagecache.operations.operation import Operation, Result
from pagecache.syscalls import do_munmap, mincore
from pagecache.world import BACKINGS, World

__all__ = ["ACCESSES", "FAULTS", "DontNeed", "Load", "Mincore", "Munmap", "PinWrite", "Poke", "Store", "Touch"]


@dataclass(frozen=True, slots=True, repr=False)
class Load(Operation):
    """A load through a mapping; faults as needed, and waits for the userfaultfd if it must.

    Result: the content; SIGBUS beyond the end of the file; SIGSEGV if it is not mapped.
    """

    task_name: ClassVar[str] = "load"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await access(world.vmas[self.vma], self.index, None, waits=True)


@dataclass(frozen=True, slots=True, repr=False)
class Store(Operation):
    """A store through a mapping.  Result: 0, SIGBUS or SIGSEGV."""

    task_name: ClassVar[str] = "store"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        answer = await access(world.vmas[self.vma], self.index, tag, waits=True)
        return 0 if answer == tag else answer


@dataclass(frozen=True, slots=True, repr=False)
class Touch(Operation):
    """A load by a thread that nobody needs again: if its fault is reported to a userfaultfd, it stays asleep.

    Result: :data:`EVENT` in that case, otherwise as for Load.
    """

    task_name: ClassVar[str] = "touch"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await access(world.vmas[self.vma], self.index, None, waits=False)


@dataclass(frozen=True, slots=True, repr=False)
class Poke(Operation):
    """A store by a thread that nobody needs again: if its fault is reported to a userfaultfd, it stays asleep.

    Result: :data:`EVENT` in that case, otherwise as for Store.
    """

    task_name: ClassVar[str] = "poke"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        answer = await access(world.vmas[self.vma], self.index, tag, waits=False)
        return 0 if answer == tag else answer


@dataclass(frozen=True, slots=True, repr=False)
class PinWrite(Operation):
    """O_DIRECT read(2) into a mapping: pin the page, let a device write into it, mark it dirty, unpin it.

    ``unlocked``: it is marked dirty without its lock, as by many a driver before unpin_user_pages_dirty_lock().

    Result: 0, or EFAULT.
    """

    task_name: ClassVar[str] = "pin"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int
    vma: int = 0
    unlocked: bool = False

    async def run(self, world: World, tag: str) -> Result:
        folio = await pin_user_pages_fast(world.vmas[self.vma], self.index)
        if folio is None:
            return "EFAULT"
        await dma_write(folio, self.index, tag)
        if self.unlocked:
            await set_page_dirty(folio)
            await folio_put(folio)
        else:
            await unpin_user_pages_dirty_lock(folio)
        return 0


@dataclass(frozen=True, slots=True, repr=False)
class Mincore(Operation):
    """``mincore()`` of one page.  Result: 1 or 0, or ENOMEM if it is not mapped."""

    task_name: ClassVar[str] = "mincore"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mincore(world.vmas[self.vma], self.index)


@dataclass(frozen=True, slots=True, repr=False)
class Munmap(Operation):
    """``munmap()`` of a whole mapping.  Result: 0."""

    task_name: ClassVar[str] = "munmap"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await do_munmap(world.vmas[self.vma])


@dataclass(frozen=True, slots=True, repr=False)
class DontNeed(Operation):
    """``madvise(MADV_DONTNEED)``.  Result: 0, or ENOMEM if not all of the range is mapped."""

    task_name: ClassVar[str] = "dontneed"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    start: int
    length: int = 1
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await madvise_dontneed(world.vmas[self.vma], self.start, self.start + self.length)


FAULTS: Final = (Load, Store, Touch, PinWrite)
"""Whatever touches a page through a mapping and waits for the userfaultfd if it must; a Poke stays asleep there."""

ACCESSES: Final = (*FAULTS, Poke)
"""Whatever touches a page through a mapping."""
