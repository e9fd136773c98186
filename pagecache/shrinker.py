"""Memory pressure splits what reaches behind the end of its file (``shmem_unused_huge_shrink()``, mm/shmem.c).

The shrinker must not sleep with the lock of the list.  So it pins the inodes, moves them to a list of its own, and
works on that without the lock.  An inode that it has let go of may be evicted by whoever has it last, and that takes it
from the list that it is on, under the lock: it must be on the superblock's by then, or on none (62c9827cbb99).
"""

from __future__ import annotations

from typing import Final

from pagecache.evict import igrab, iput
from pagecache.folio import Folio, folio_put, folio_trylock, unlock_and_put
from pagecache.inode import Inode, i_size_read
from pagecache.list_head import LISTS, ListHead, list_del_init, list_move, list_next
from pagecache.locks import spin_lock, spin_unlock
from pagecache.shrinklist import ShmemSbInfo
from pagecache.step import step

__all__ = ["MOVE_BACK", "shmem_unused_huge_scan", "shmem_unused_huge_shrink", "split_behind_the_end"]

DROP: Final = "drop"
MOVE_BACK: Final = "move_back"


async def shmem_unused_huge_scan(sbinfo: ShmemSbInfo) -> None:
    """``shmem_unused_huge_scan()``: called by kswapd, or by whoever needs memory, for this superblock."""
    await step("shmem_unused_huge_scan", target=LISTS)
    if sbinfo.shrinklist_len:  # READ_ONCE()
        await sbinfo.kernel.shmem_unused_huge_shrink(sbinfo)


async def shmem_unused_huge_shrink(sbinfo: ShmemSbInfo) -> None:
    """``shmem_unused_huge_shrink()``: split the folio at the end of each file of the list.

    Leaves out: the batch, which ends the first walk early; ``nr_to_free``, with which an allocation that finds no
    space ends the second one.
    """
    batch = ListHead("list")
    await spin_lock(sbinfo.shrinklist_lock)
    entry = await list_next(sbinfo.shrinklist)
    while entry is not sbinfo.shrinklist:
        following = await list_next(entry)
        assert entry.inode is not None
        pinned = await igrab(entry.inode)
        if pinned:
            await list_move(entry, batch)
        else:
            await list_del_init(entry)  # "inode is about to be evicted"
        sbinfo.shrinklist_len -= 1
        entry = following
    await spin_unlock(sbinfo.shrinklist_lock)

    entry = await list_next(batch)
    while entry is not batch:
        following = await list_next(entry)
        assert entry.inode is not None
        inode = entry.inode
        what = await split_behind_the_end(inode)
        if what == MOVE_BACK:
            # On the superblock's list, or on none, before iput(): it may be evicted then, while we walk ours.
            await spin_lock(sbinfo.shrinklist_lock)
            await list_move(entry, sbinfo.shrinklist)
            sbinfo.shrinklist_len += 1
            await spin_unlock(sbinfo.shrinklist_lock)
        else:
            await list_del_init(entry)
        await iput(inode)
        entry = following


async def split_behind_the_end(inode: Inode) -> str:
    """``shmem_unused_huge_shrink()``, what it does about one file.

    Returns:
        Whether its inode is dropped from the list, as there is nothing to split (any more), or moved back to it, since
        the lock is taken, or somebody has a reference to the folio.
    """
    mapping = inode.i_mapping
    size = await i_size_read(inode)
    entry = await mapping.kernel.filemap_get_entry(mapping, size)
    if not isinstance(entry, Folio):
        return DROP
    end = max(size, inode.info.fallocend)  # shmem_fallocend()
    if not entry.order or end <= entry.index or end >= entry.next_index:
        await folio_put(entry)
        return DROP
    # "Waiting for the lock may lead to deadlock in the reclaim path".
    locked = await folio_trylock(entry)
    if not locked:
        await folio_put(entry)
        return MOVE_BACK
    error = await mapping.kernel.split_folio(mapping, entry)
    await unlock_and_put(entry)
    return MOVE_BACK if error else DROP
