"""A file: ``struct inode``, its ``struct address_space`` and ``struct shmem_inode_info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pagecache.list_head import ListHead
from pagecache.locks import RwSemaphore, SpinLock, WaitQueue, spin_lock, spin_unlock
from pagecache.rwonce import READ_ONCE
from pagecache.step import Target, step
from pagecache.swap_device import SwapDevice
from pagecache.touched import NRPAGES, PMDS
from pagecache.xarray import XArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagecache.folio import Memory
    from pagecache.kernel import Kernel
    from pagecache.mm import Vma
    from pagecache.regular.backing import RegularFile
    from pagecache.shrinklist import ShmemSbInfo

__all__ = [
    "BLOCKS_PER_PAGE",
    "AddressSpace",
    "Inode",
    "ShmemFalloc",
    "ShmemInodeInfo",
    "i_size_read",
    "i_size_write",
    "shmem_recalc_inode",
    "shmem_recalc_inode_6_6",
]

BLOCKS_PER_PAGE = 8


class ShmemInodeInfo:
    """``struct shmem_inode_info``: how many pages were allocated and how many are swapped out.

    ``fallocend`` is the end of what fallocate() reserved, so that splitting a huge folio keeps it.
    """

    __slots__ = ("alloced", "fallocend", "lock", "swapped")

    def __init__(self) -> None:
        self.lock = SpinLock("info->lock", "info_lock")
        self.alloced = 0
        self.swapped = 0
        self.fallocend = 0


class ShmemFalloc:
    """``struct shmem_falloc``: published in ``i_private`` while a range is punched or fallocated.

    ``waitq`` is set for a hole punch: faults in the range wait there.  For fallocate() ``nr_falloced`` says how many
    new pages it has reserved, and ``nr_unswapped`` how many of them reclaim wanted to write to swap, and did not.
    """

    __slots__ = ("next", "nr_falloced", "nr_unswapped", "start", "waitq")

    def __init__(self, start: int, next_: int, waitq: WaitQueue | None) -> None:
        self.start = start
        self.next = next_
        self.waitq = waitq
        self.nr_falloced = 0
        self.nr_unswapped = 0


class Inode:
    """An inode, with what shmem has of its own.  ``i_size`` is counted in pages: the model has no partial pages.

    ``huge`` is the mount option of its superblock.  ``sbinfo`` is that superblock and ``shrinklist`` the entry of the
    inode in its list, in a world with other files; ``freeing`` is I_FREEING.
    """

    __fingerprint_skip__: ClassVar = ("huge", "number")
    __slots__ = (
        "freeing",
        "huge",
        "i_blocks",
        "i_count",
        "i_lock",
        "i_mapping",
        "i_private",
        "i_rwsem",
        "i_size",
        "info",
        "number",
        "sbinfo",
        "shrinklist",
    )

    def __init__(
        self, i_pages: XArray, size: int, hpage_pmd_order: int, memory: Memory, kernel: Kernel, *, number: int = 0
    ) -> None:
        self.number = number
        self.i_rwsem = RwSemaphore("i_rwsem", "i_rwsem")
        self.i_lock = SpinLock("i_lock", "i_lock")
        self.i_size = size
        self.i_blocks = 0
        self.huge = "never"
        self.i_private: ShmemFalloc | None = None
        self.info = ShmemInodeInfo()
        self.i_mapping = AddressSpace(self, i_pages, hpage_pmd_order, memory, kernel)
        self.i_count = 1
        self.freeing = False
        self.sbinfo: ShmemSbInfo | None = None
        self.shrinklist: ListHead | None = None

    def join(self, sbinfo: ShmemSbInfo) -> None:
        """It belongs to a superblock, and is not on its list yet."""
        self.sbinfo = sbinfo
        self.shrinklist = ListHead(str(self), self)

    def __str__(self) -> str:
        return f"file {self.number}" if self.number else "the file"


class AddressSpace:
    """``struct address_space``: the cached pages of one file and the VMAs that map it.

    ``kernel`` is its table of functions, as ``a_ops`` is; ``memory`` the allocator its pages come from, ``swap`` where
    they go, or ``regular`` the disk where they are from, if it is no shmem file;
    ``hpage_pmd_order`` what HPAGE_PMD_ORDER is in this world.
    """

    __fingerprint_skip__: ClassVar = ("hpage_pmd_order", "kernel", "memory")
    __slots__ = (
        "host",
        "hpage_pmd_order",
        "i_mmap",
        "i_mmap_rwsem",
        "i_pages",
        "kernel",
        "memory",
        "nrpages",
        "regular",
        "swap",
    )

    def __init__(self, host: Inode, i_pages: XArray, hpage_pmd_order: int, memory: Memory, kernel: Kernel) -> None:
        self.host = host
        self.hpage_pmd_order = hpage_pmd_order
        self.i_pages = i_pages
        self.nrpages = 0
        self.i_mmap_rwsem = RwSemaphore("i_mmap_rwsem", "i_mmap_rwsem")
        self.i_mmap: list[Vma] = []
        self.memory = memory
        self.swap = SwapDevice(i_pages.nr_slots, hpage_pmd_order)
        self.regular: RegularFile | None = None
        self.kernel = kernel


async def i_size_read(inode: Inode, *, also: Sequence[tuple[Target, bool]] = ()) -> int:
    """``i_size_read()``, in pages; ``also`` is touched behind it (see Step)."""
    await step("i_size_read", target=("i_size", 0), also=[(PMDS, False), *also])
    return inode.i_size


async def i_size_write(inode: Inode, size: int) -> None:
    """``i_size_write()``, in pages; under ``i_rwsem``."""
    await step("i_size_write", size, target=("i_size", 0), writes=True)
    inode.i_size = size


async def shmem_recalc_inode(inode: Inode, alloced: int, swapped: int) -> None:
    """``shmem_recalc_inode()`` up to 6.5: apply a change, then drop what memory management freed by itself.

    Normally ``alloced == nrpages + swapped``.  Pages above that were dropped behind shmem's back.
    Leaves out quota and the superblock's limits, so that ``i_blocks`` follows ``alloced``.

    The caller held the lock then, and had applied the change.
    """
    info = inode.info
    await spin_lock(info.lock, also=[(NRPAGES, False)])
    info.alloced += alloced
    info.swapped += swapped
    inode.i_blocks += alloced * BLOCKS_PER_PAGE
    freed = info.alloced - info.swapped - inode.i_mapping.nrpages
    if freed > 0:
        info.alloced -= freed
        inode.i_blocks -= freed * BLOCKS_PER_PAGE
    await spin_unlock(info.lock)


async def shmem_recalc_inode_6_6(inode: Inode, alloced: int, swapped: int) -> None:
    """``shmem_recalc_inode()`` since 6.6: the same; the look at nrpages is marked, since it takes no xa_lock."""
    info = inode.info
    await spin_lock(info.lock, also=[(NRPAGES, False)])
    info.alloced += alloced
    info.swapped += swapped
    inode.i_blocks += alloced * BLOCKS_PER_PAGE
    freed = info.alloced - info.swapped - READ_ONCE(inode.i_mapping, "nrpages")
    if freed > 0:
        info.alloced -= freed
        inode.i_blocks -= freed * BLOCKS_PER_PAGE
    await spin_unlock(info.lock)
