"""Taking the pages of a regular file out of the page cache (``mm/truncate.c``)."""

from __future__ import annotations

from pagecache.filemap import find_get_entries, find_lock_entries
from pagecache.folio import ZERO, Folio, folio_lock, folio_put, folio_unlock
from pagecache.inode import AddressSpace, Inode, i_size_write
from pagecache.locks import down_write, up_write
from pagecache.regular.backing import get_write_access, put_write_access, regular
from pagecache.regular.read import filemap_lock_folio
from pagecache.regular.write import folio_wait_writeback
from pagecache.step import step
from pagecache.truncate import INFINITY, truncate_inode_folio, truncate_inode_partial_folio
from pagecache.xarray import XaState, xa_cmpxchg
from pagecache.zap import unmap_mapping_range

__all__ = ["truncate_inode_pages", "vfs_truncate"]


async def truncate_inode_pages(mapping: AddressSpace, start: int) -> None:
    """``truncate_inode_pages()``: remove what the cache has from ``start`` on, dirty or not, and shadow entries.

    The first pass takes what it can lock at once and is not under write-back.  Then the large folio at the beginning
    is zeroed in part and split.  The second pass waits for locks and for write-back, until nothing is left.
    """
    found = await find_lock_entries(mapping, start, INFINITY)
    for position in range(len(found)):
        index, entry = found[position]
        if isinstance(entry, Folio):
            await truncate_inode_folio(mapping, entry)
            await folio_unlock(entry)
            await folio_put(entry)
        else:
            await xa_cmpxchg(XaState(mapping.i_pages, index), entry, None)  # clear_shadow_entry()

    partial = await filemap_lock_folio(mapping, start)
    if partial is not None:
        await folio_wait_writeback(partial)
        whole = await truncate_inode_partial_folio(mapping, partial, start, INFINITY)
        if not whole:
            start = partial.next_index
        await folio_unlock(partial)
        await folio_put(partial)

    while True:
        rest, _ = await find_get_entries(mapping, start, INFINITY)
        if not rest:
            return
        for position in range(len(rest)):
            index, entry = rest[position]
            if isinstance(entry, Folio):
                await folio_lock(entry)
                await folio_wait_writeback(entry)
                await truncate_inode_folio(mapping, entry)
                await folio_unlock(entry)
                await folio_put(entry)
            else:
                await xa_cmpxchg(XaState(mapping.i_pages, index), entry, None)


async def vfs_truncate(inode: Inode, size: int) -> int:
    """``vfs_truncate()``, that is truncate(2), down to the file system's setattr(), ``ext4_setattr()`` for example.

    It does not open the file, so that huge pages stay: the one at the new end is split.  The blocks behind it are freed
    after the pages have gone, under the invalidate_lock, so that nobody reads them into the cache again.
    """
    mapping = inode.i_mapping
    await get_write_access(mapping)
    await down_write(inode.i_rwsem)
    await down_write(regular(mapping).invalidate_lock)
    old_size = inode.i_size
    if size != old_size:
        await i_size_write(inode, size)
    if size < old_size:
        # truncate_pagecache(): unmap twice, for private pages that were copied between the two.
        await unmap_mapping_range(mapping, size, INFINITY)
        await truncate_inode_pages(mapping, size)
        await unmap_mapping_range(mapping, size, INFINITY)
        await step("free_blocks", size, target=("disk", 0), writes=True)
        disk = regular(mapping).disk
        disk[size:] = [ZERO] * (len(disk) - size)
    await up_write(regular(mapping).invalidate_lock)
    await up_write(inode.i_rwsem)
    await put_write_access(mapping)
    return 0
