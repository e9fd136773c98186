"""What a task of a program can do, mostly system calls: frozen records with one coroutine each.

The ``repr`` of an operation is what reports and the corpus show; fields that have their default are left
out.  Sizes, indices and lengths are counted in pages of the file.  ``vma`` is the number of a mapping in
the world's list.

Results are what user space gets: an ``int``, the content of a page (see :mod:`pagecache.folio`), the name of
an error (``"EEXIST"``), or a signal (``"SIGBUS"``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Final

from pagecache.collapse.khugepaged import khugepaged_scan_mm_slot
from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import SCAN_SUCCEED
from pagecache.fault import access
from pagecache.filemap import SEEK_DATA, SEEK_HOLE
from pagecache.folio import ZERO, folio_put
from pagecache.gup import dma_write, pin_user_pages_fast, set_page_dirty, unpin_user_pages_dirty_lock
from pagecache.huge_memory import split_huge_pages
from pagecache.memory_failure import memory_failure
from pagecache.mfill_continue import mfill_atomic_continue
from pagecache.migrate import migrate_pages
from pagecache.mprotect import mwriteprotect_range
from pagecache.regular.backing import put_write_access
from pagecache.regular.open import close, open_for_write
from pagecache.regular.read import filemap_read
from pagecache.regular.truncate import vfs_truncate
from pagecache.regular.write import generic_file_write, writeback
from pagecache.swapoff import sys_swapoff
from pagecache.syscalls import (
    do_munmap,
    mincore,
    shmem_fallocate,
    shmem_file_llseek,
    shmem_file_read,
    shmem_file_write,
    shmem_getattr,
    shmem_punch_hole,
)
from pagecache.userfaultfd import EVENT, mfill_atomic, userfaultfd_register, userfaultfd_unregister
from pagecache.vmscan import reclaim_folio
from pagecache.world import BACKINGS, World, WorldSpec

__all__ = [
    "EVENT",
    "OPERATIONS",
    "OPERATIONS_BY_NAME",
    "UFFD_MODES",
    "CloseWrite",
    "Collapse",
    "Fallocate",
    "Khugepaged",
    "Load",
    "MemoryFailure",
    "Migrate",
    "Mincore",
    "Munmap",
    "OpenWrite",
    "Operation",
    "PageOut",
    "PinWrite",
    "Poke",
    "PunchHole",
    "Read",
    "Result",
    "SeekData",
    "SeekHole",
    "Split",
    "Stat",
    "Store",
    "Swapoff",
    "Touch",
    "Truncate",
    "UffdContinue",
    "UffdCopy",
    "UffdRegister",
    "UffdUnregister",
    "UffdWriteProtect",
    "UffdZeropage",
    "Write",
    "Writeback",
]

Result = int | str

UFFD_MODES: Final = ("missing", "minor", "wp")
"""UFFDIO_REGISTER_MODE_MISSING and its siblings."""


@dataclass(frozen=True, slots=True, repr=False)
class Operation:
    """The shape of all operations; not one itself."""

    task_name: ClassVar[str] = ""
    """What a person would call a task that begins with it."""
    backings: ClassVar[tuple[str, ...]] = ("shmem",)
    """The kinds of files on which it is modelled, see :data:`pagecache.world.BACKINGS`."""

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if field.default is dataclasses.MISSING or getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def problem(self, world: WorldSpec) -> str:
        """Why it makes no sense in this world, as a sentence with the value and the remedy; empty if it does."""
        if world.backing not in self.backings:
            names = " or ".join(self.backings)
            return f"{type(self).__name__} is not modelled for backing {world.backing!r}; make the backing {names}"
        pages = len(world.pages)
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, value in values.items():
            if not isinstance(value, int):
                continue
            if value < 0:
                return f"{name} is {value}; it must not be negative"
            if name == "vma" and value >= len(world.vmas):
                return f"vma is {value}, but the world has {len(world.vmas)}; choose 0 to {len(world.vmas) - 1}"
            if name in ("index", "start") and value >= pages:
                return f"{name} is {value}, but the file has {pages} pages; choose 0 to {pages - 1}"
            if name == "size" and value > pages:
                return f"size is {value}, but the file has {pages} pages; choose 0 to {pages}"
            if name == "length" and not 0 < value <= pages - values["start"]:
                longest = pages - values["start"]
                return f"length is {value}, but the file ends {longest} pages behind start; choose 1 to {longest}"
        return ""

    async def run(self, world: World, tag: str) -> Result:
        """Carry it out; ``tag`` is the content that this operation writes, if it writes."""
        raise NotImplementedError


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
class Read(Operation):
    """``pread()`` of one page.  Result: its content, or 0 at or behind the end of the file."""

    task_name: ClassVar[str] = "read"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int

    async def run(self, world: World, tag: str) -> Result:
        read = shmem_file_read if world.mapping.regular is None else filemap_read
        return await read(world.inode, self.index)


@dataclass(frozen=True, slots=True, repr=False)
class Write(Operation):
    """``pwrite()`` of one whole page.  Result: 1 (page written), or an error.

    A regular file is opened for it, and closed again.
    """

    task_name: ClassVar[str] = "write"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    index: int

    async def run(self, world: World, tag: str) -> Result:
        if world.mapping.regular is None:
            return await shmem_file_write(world.inode, self.index, tag)
        await world.kernel.do_dentry_open(world.mapping)
        written = await generic_file_write(world.inode, self.index, tag)
        await put_write_access(world.mapping)
        return written


@dataclass(frozen=True, slots=True, repr=False)
class SeekData(Operation):
    """``lseek(SEEK_DATA)``.  Result: the first index from ``index`` on with data, or ENXIO."""

    task_name: ClassVar[str] = "lseek"
    index: int

    async def run(self, world: World, tag: str) -> Result:
        return await shmem_file_llseek(world.inode, self.index, SEEK_DATA)


@dataclass(frozen=True, slots=True, repr=False)
class SeekHole(Operation):
    """``lseek(SEEK_HOLE)``.  Result: the first index from ``index`` on without data (the end counts), or ENXIO."""

    task_name: ClassVar[str] = "lseek"
    index: int

    async def run(self, world: World, tag: str) -> Result:
        return await shmem_file_llseek(world.inode, self.index, SEEK_HOLE)


@dataclass(frozen=True, slots=True, repr=False)
class Stat(Operation):
    """``fstat()``.  Result: the size in pages and the number of blocks, as in ``"st_size 2, st_blocks 16"``."""

    task_name: ClassVar[str] = "stat"

    async def run(self, world: World, tag: str) -> Result:
        return await shmem_getattr(world.inode)


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
class Truncate(Operation):
    """``ftruncate()``, or ``truncate()`` of a regular file.  Result: 0."""

    task_name: ClassVar[str] = "truncate"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    size: int

    async def run(self, world: World, tag: str) -> Result:
        if world.mapping.regular is not None:
            return await vfs_truncate(world.inode, self.size)
        result: int = await world.kernel.shmem_setattr(world.inode, self.size)
        return result


@dataclass(frozen=True, slots=True, repr=False)
class PunchHole(Operation):
    """``fallocate(FALLOC_FL_PUNCH_HOLE)``.  Result: 0."""

    task_name: ClassVar[str] = "punch"
    start: int
    length: int = 1

    async def run(self, world: World, tag: str) -> Result:
        return await shmem_punch_hole(world.inode, self.start, self.length)


@dataclass(frozen=True, slots=True, repr=False)
class Fallocate(Operation):
    """``fallocate()``.  Result: 0 or an error."""

    task_name: ClassVar[str] = "fallocate"
    start: int
    length: int = 1
    keep_size: bool = False

    async def run(self, world: World, tag: str) -> Result:
        return await shmem_fallocate(world.inode, self.start, self.length, keep_size=self.keep_size)


@dataclass(frozen=True, slots=True, repr=False)
class UffdRegister(Operation):
    """``ioctl(UFFDIO_REGISTER)`` of a whole mapping, for one mode.  Result: 0 or EINVAL."""

    task_name: ClassVar[str] = "uffd"
    vma: int = 0
    mode: str = "missing"

    def problem(self, world: WorldSpec) -> str:
        if self.mode not in UFFD_MODES:
            return f"mode is {self.mode!r}; choose one of {', '.join(UFFD_MODES)}"
        return super(UffdRegister, self).problem(world)

    async def run(self, world: World, tag: str) -> Result:
        return await userfaultfd_register(world.vmas[self.vma], self.mode)


@dataclass(frozen=True, slots=True, repr=False)
class UffdUnregister(Operation):
    """``ioctl(UFFDIO_UNREGISTER)`` of a whole mapping.  Result: 0 or EINVAL."""

    task_name: ClassVar[str] = "uffd"
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await userfaultfd_unregister(world.vmas[self.vma])


@dataclass(frozen=True, slots=True, repr=False)
class UffdCopy(Operation):
    """``ioctl(UFFDIO_COPY)`` of one page.  Result: 0, EEXIST, EFAULT, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic(world.vmas[self.vma], self.index, tag)


@dataclass(frozen=True, slots=True, repr=False)
class UffdZeropage(Operation):
    """``ioctl(UFFDIO_ZEROPAGE)`` of one page.  Results as for UffdCopy."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic(world.vmas[self.vma], self.index, ZERO)


@dataclass(frozen=True, slots=True, repr=False)
class UffdContinue(Operation):
    """``ioctl(UFFDIO_CONTINUE)`` of one page.  Result: 0, EEXIST, EFAULT, EINVAL, EIO, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic_continue(world.vmas[self.vma], self.index)


@dataclass(frozen=True, slots=True, repr=False)
class UffdWriteProtect(Operation):
    """``ioctl(UFFDIO_WRITEPROTECT)`` of one page, to protect it or to lift that.  Result: 0, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0
    lift: bool = False

    async def run(self, world: World, tag: str) -> Result:
        return await mwriteprotect_range(world.vmas[self.vma], self.index, protect=not self.lift)


@dataclass(frozen=True, slots=True, repr=False)
class Munmap(Operation):
    """``munmap()`` of a whole mapping.  Result: 0."""

    task_name: ClassVar[str] = "munmap"
    backings: ClassVar[tuple[str, ...]] = BACKINGS
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await do_munmap(world.vmas[self.vma])


@dataclass(frozen=True, slots=True, repr=False)
class OpenWrite(Operation):
    """``open(O_WRONLY)`` of a regular file; it stays open.  Result: 0."""

    task_name: ClassVar[str] = "open"
    backings: ClassVar[tuple[str, ...]] = ("file",)

    async def run(self, world: World, tag: str) -> Result:
        return await open_for_write(world.mapping)


@dataclass(frozen=True, slots=True, repr=False)
class CloseWrite(Operation):
    """``close()`` of a descriptor that somebody has opened for writing.  Result: 0, or EBADF if there is none."""

    task_name: ClassVar[str] = "close"
    backings: ClassVar[tuple[str, ...]] = ("file",)

    async def run(self, world: World, tag: str) -> Result:
        return await close(world.mapping)


@dataclass(frozen=True, slots=True, repr=False)
class Writeback(Operation):
    """``sync_file_range()`` of one page, to the end of its I/O.  Result: 0, whatever there was to be written."""

    task_name: ClassVar[str] = "writeback"
    backings: ClassVar[tuple[str, ...]] = ("file",)
    index: int

    async def run(self, world: World, tag: str) -> Result:
        await writeback(world.mapping, self.index)
        return 0


OPERATIONS: Final[tuple[type[Operation], ...]] = (
    Collapse,  # the protocol under test
    Load,  # through a mapping
    Store,
    Touch,
    Read,  # through the file
    Write,
    SeekData,  # looks and never locks a folio
    SeekHole,
    Mincore,
    Stat,
    Truncate,  # takes pages away
    PunchHole,
    Fallocate,
    UffdRegister,  # user space fills the holes itself
    UffdUnregister,
    UffdCopy,
    UffdZeropage,
    Munmap,
    PageOut,  # memory management behind everybody's back
    MemoryFailure,
    PinWrite,  # a reference that outlives every lock
    Migrate,
    Split,
    OpenWrite,  # regular files only
    CloseWrite,
    Writeback,
    Poke,  # what a userfaultfd hears of stores, and of pages that are there
    UffdWriteProtect,
    UffdContinue,
    Swapoff,
    Khugepaged,  # a collapse that gives up sooner
)

OPERATIONS_BY_NAME: Final = {operation.__name__: operation for operation in OPERATIONS}
