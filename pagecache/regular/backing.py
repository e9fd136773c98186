"""What a regular file has that a shmem file has not: a disk, and somebody who may have it open for writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pagecache.folio import Folio
from pagecache.locks import RwSemaphore
from pagecache.step import Target, step
from pagecache.store_buffer import Store, as_seen_by, store

if TYPE_CHECKING:
    from pagecache.inode import AddressSpace

__all__ = [
    "RegularFile",
    "filemap_nr_thps",
    "filemap_nr_thps_dec",
    "filemap_nr_thps_inc",
    "get_write_access",
    "inode_is_open_for_write",
    "put_write_access",
    "read_folio",
    "regular",
    "submit_bio",
]

WRITERS: Final[Target] = ("i_writecount", 0)
THPS: Final[Target] = ("nr_thps", 0)


class RegularFile:
    """The disk, by page; what ``struct inode`` and ``struct address_space`` have for such files; open descriptors.

    ``evictions`` is the clock of the shadow entries (``workingset_eviction()``): each eviction leaves another one.

    ``large_folios`` tells whether the file system can write large folios back (mapping_large_folio_support()).  Then
    they may be dirty, and nobody has to count them or to drop them when the file is opened for writing.

    A mapping is of a descriptor that is open for reading, as that of an executable is, or for reading and writing:
    then it counts in ``i_writecount`` until it is unmapped, since ``vm_file`` keeps the descriptor.

    Leaves out: partial pages, private data (buffer heads), ``mmap()``: who maps the file does so from the beginning.
    """

    __slots__ = (
        "descriptors",
        "disk",
        "evictions",
        "i_writecount",
        "invalidate_lock",
        "large_folios",
        "nr_thps",
        "unpublished",
    )
    __fingerprint_skip__: ClassVar = ("large_folios",)

    def __init__(self, disk: list[str], i_writecount: int = 0, *, large_folios: bool = False) -> None:
        self.disk = disk
        self.large_folios = large_folios
        self.i_writecount = i_writecount
        self.nr_thps = 0
        self.invalidate_lock = RwSemaphore("invalidate_lock", "invalidate_lock")
        self.descriptors = 0
        self.evictions = 0
        self.unpublished: tuple[Store, ...] = ()
        """What ``nr_thps`` was before, for all CPUs but those that have changed it (:mod:`pagecache.store_buffer`)."""

    def count_thps(self, change: int) -> None:
        """Add to ``nr_thps``, the number of huge pages that nobody can write back."""
        if not self.large_folios:
            self.nr_thps += change


def regular(mapping: AddressSpace) -> RegularFile:
    """The part of a mapping that only regular files have."""
    assert mapping.regular is not None, "a shmem file"
    return mapping.regular


async def get_write_access(mapping: AddressSpace) -> None:
    """``get_write_access()``: ``i_writecount`` rises; a full memory barrier."""
    await step("get_write_access", target=WRITERS, writes=True)
    regular(mapping).i_writecount += 1


async def put_write_access(mapping: AddressSpace) -> None:
    """``put_write_access()``."""
    await step("put_write_access", target=WRITERS, writes=True)
    regular(mapping).i_writecount -= 1


async def inode_is_open_for_write(mapping: AddressSpace) -> bool:
    """``inode_is_open_for_write()``."""
    await step("inode_is_open_for_write", target=WRITERS)
    return regular(mapping).i_writecount > 0


async def filemap_nr_thps(mapping: AddressSpace) -> int:
    """``filemap_nr_thps()``: how many huge pages the file has in the page cache."""
    current = await step("filemap_nr_thps", target=THPS)
    file = regular(mapping)
    return int(as_seen_by(current, file, (file, 0), file.nr_thps))


async def filemap_nr_thps_inc(mapping: AddressSpace) -> None:
    """``filemap_nr_thps_inc()``: atomic_inc(), which is no barrier."""
    current = await step("filemap_nr_thps_inc", target=THPS, writes=True)
    file = regular(mapping)
    store(current, file, (file, 0), file.nr_thps, THPS)
    file.count_thps(1)


async def filemap_nr_thps_dec(mapping: AddressSpace) -> None:
    """``filemap_nr_thps_dec()``: atomic_dec(), which is no barrier."""
    current = await step("filemap_nr_thps_dec", target=THPS, writes=True)
    file = regular(mapping)
    store(current, file, (file, 0), file.nr_thps, THPS)
    file.count_thps(-1)


async def read_folio(mapping: AddressSpace, folio: Folio) -> str:
    """``a_ops->read_folio()`` of a locked folio, to the end of the I/O: uptodate unless it failed, and unlocked.

    What the disk does not have is zeroes.

    Returns:
        Empty, or ``"EIO"``.
    """
    disk = regular(mapping).disk
    current = await step("read_folio", folio, target=("disk", 0), sleeps=True, fails="EIO")
    if not current.failing:
        folio.pages = [disk[index] for index in range(folio.index, folio.next_index)]
        await step("folio_mark_uptodate", folio, target=("flags", folio.number), writes=True)
        folio.uptodate = True
    await step("folio_unlock", folio, target=("folio_lock", folio.number), writes=True)
    folio.locked_by = None
    current.held.remove(folio)
    return "EIO" if current.failing else ""


async def submit_bio(mapping: AddressSpace, folio: Folio) -> None:
    """``submit_bio()``: the disk writes a folio that is under write-back, without a reference."""
    disk = regular(mapping).disk
    await step("submit_bio", folio, target=("disk", 0), writes=True, sleeps=True)
    for index in range(folio.index, folio.next_index):
        disk[index] = folio.page_at(index)
