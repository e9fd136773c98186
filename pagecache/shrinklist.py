"""Files whose last folio reaches behind their end, and memory pressure that splits it (``shrinklist``, mm/shmem.c).

A large folio that a fault or a write allocates may be larger than the file.  Its inode is put on a list of the
superblock then, whose shrinker takes one inode after the other, splits that folio, and drops what is behind the end.

The shrinker (:mod:`pagecache.shrinker`) works without the lock of that list, on one of its own, which it moves the
inodes to.
"""

from __future__ import annotations

from typing import ClassVar

from pagecache.folio import Folio
from pagecache.inode import Inode, i_size_read
from pagecache.kernel import Kernel
from pagecache.list_head import ListHead, list_add_tail, list_del_init, list_empty, list_empty_careful
from pagecache.locks import SpinLock, spin_lock, spin_unlock

__all__ = ["OtherFile", "ShmemSbInfo", "add_to_shrinklist", "remove_from_shrinklist"]


class ShmemSbInfo:
    """``struct shmem_sb_info``: the list of the inodes with something to split, its length and its lock."""

    __fingerprint_skip__: ClassVar = ("kernel",)
    __slots__ = ("kernel", "shrinklist", "shrinklist_len", "shrinklist_lock")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.shrinklist = ListHead("sbinfo->shrinklist")
        self.shrinklist_len = 0
        self.shrinklist_lock = SpinLock("sbinfo->shrinklist_lock", "shrinklist_lock")

    def add(self, inode: Inode) -> None:
        """What add_to_shrinklist() does, for a world that begins with it."""
        assert inode.shrinklist is not None
        last = self.shrinklist.prev
        inode.shrinklist.next, inode.shrinklist.prev = self.shrinklist, last
        last.next = self.shrinklist.prev = inode.shrinklist
        self.shrinklist_len += 1


class OtherFile:
    """Another file of the same superblock, which one descriptor keeps, unlinked as a memfd is; and a pin on its page.

    ``pinned`` is the folio that a device still does I/O to; whoever closes the file has waited for that.
    """

    __slots__ = ("inode", "is_open", "number", "pinned")

    def __init__(self, number: int, inode: Inode, pinned: Folio | None) -> None:
        self.number = number
        self.inode = inode
        self.is_open = True
        self.pinned = pinned

    def __str__(self) -> str:
        return str(self.inode)


async def add_to_shrinklist(inode: Inode, folio: Folio) -> None:
    """``shmem_get_folio_gfp()`` behind "alloced": a new large folio that reaches behind ``i_size`` may be split.

    In a world whose superblock has one file only nobody ever looks at the list, and there is none.
    """
    sbinfo, entry = inode.sbinfo, inode.shrinklist
    if sbinfo is None or entry is None or not folio.order:
        return
    size = await i_size_read(inode)
    if size >= folio.next_index:
        return
    await spin_lock(sbinfo.shrinklist_lock)
    # "_careful to defend against unlocked access to ->shrink_list in shmem_unused_huge_shrink()".
    empty = await list_empty_careful(entry)
    if empty:
        await list_add_tail(entry, sbinfo.shrinklist)
        sbinfo.shrinklist_len += 1
    await spin_unlock(sbinfo.shrinklist_lock)


async def remove_from_shrinklist(inode: Inode) -> None:
    """``shmem_evict_inode()``: a look without the lock, then another one; nobody puts it on a list any more."""
    sbinfo, entry = inode.sbinfo, inode.shrinklist
    if sbinfo is None or entry is None:
        return
    empty = await list_empty(entry)
    if empty:
        return
    await spin_lock(sbinfo.shrinklist_lock)
    empty = await list_empty(entry)
    if not empty:
        await list_del_init(entry)
        sbinfo.shrinklist_len -= 1
    await spin_unlock(sbinfo.shrinklist_lock)
