"""Through a mapping, and by whoever pins what is mapped."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, Final

from pagecache.fault import access
from pagecache.folio import folio_put
from pagecache.gup import dma_write, pin_user_pages_fast, set_page_dirty, unpin_user_pages_dirty_lock
from pagecache.madvise import madvise_dontneed
from pagecache.mremap import mremap
from pagecache.operations.operation import Operation, Result
from pagecache.syscalls import do_munmap, mincore
from pagecache.world import BACKINGS, VmaSpec, World, WorldSpec

__all__ = [
    "ACCESSES",
    "FAULTS",
    "DontNeed",
    "Load",
    "Mincore",
    "Mremap",
    "Munmap",
    "PinWrite",
    "Poke",
    "Store",
    "Touch",
]


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


@dataclass(frozen=True, slots=True, repr=False)
class Mremap(Operation):
    """``mremap(MREMAP_MAYMOVE | MREMAP_FIXED)`` of a whole mapping, to where ``new_vma`` is: that is unmapped first.

    ``dontunmap``: with MREMAP_DONTUNMAP; the page tables are moved, and the old mapping stays.

    The two are mappings of the same range by one process, and alike, but for what they are registered for, since the
    world says once for all what is where.

    Result: 0; EFAULT if there is no mapping any more; ENOMEM.
    """

    task_name: ClassVar[str] = "mremap"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    vma: int
    new_vma: int
    dontunmap: bool = False

    @classmethod
    def fits(cls, world: WorldSpec) -> bool:
        """Are there two mappings of which one can take the place of the other?"""
        return world.backing in cls.backings and cls.pairs(world) != ()

    @staticmethod
    def pairs(world: WorldSpec) -> tuple[tuple[int, int], ...]:
        """Which mapping can be moved to where another one is: the numbers of both."""
        pairs = itertools.permutations(range(len(world.vmas)), 2)
        return tuple((one, other) for one, other in pairs if _alike(world.vmas[one], world.vmas[other]))

    def problem(self, world: WorldSpec) -> str:
        """Why it makes no sense in this world; empty if it does."""
        problem = Operation.problem(self, world)
        if problem or (self.vma, self.new_vma) in self.pairs(world):
            return problem
        return (
            f"Mremap moves vma {self.vma} to where vma {self.new_vma} is, which is not alike; choose another mapping, "
            "shared like the first, with the same mm, start, end, huge and writable"
        )

    async def run(self, world: World, tag: str) -> Result:
        return await mremap(world.vmas[self.vma], world.vmas[self.new_vma], dontunmap=self.dontunmap)


def _alike(one: VmaSpec, other: VmaSpec) -> bool:
    if one.private or other.private:
        return False
    return all(getattr(one, name) == getattr(other, name) for name in ("mm", "start", "end", "huge", "writable"))


FAULTS: Final = (Load, Store, Touch, PinWrite)
"""Whatever touches a page through a mapping and waits for the userfaultfd if it must; a Poke stays asleep there."""

ACCESSES: Final = (*FAULTS, Poke)
"""Whatever touches a page through a mapping."""
