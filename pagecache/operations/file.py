"""Through a file descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pagecache.filemap import SEEK_DATA, SEEK_HOLE
from pagecache.operations.operation import Operation, Result
from pagecache.regular.backing import put_write_access
from pagecache.regular.open import close, open_for_write
from pagecache.regular.read import filemap_read
from pagecache.regular.truncate import vfs_truncate
from pagecache.regular.write import generic_file_write, writeback
from pagecache.syscalls import (
    shmem_fallocate,
    shmem_file_llseek,
    shmem_file_read,
    shmem_file_write,
    shmem_getattr,
    shmem_punch_hole,
)
from pagecache.world import BACKINGS, World

__all__ = [
    "CloseWrite",
    "Fallocate",
    "OpenWrite",
    "PunchHole",
    "Read",
    "SeekData",
    "SeekHole",
    "Stat",
    "Truncate",
    "Write",
    "Writeback",
]


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
