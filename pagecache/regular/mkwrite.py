"""A shared mapping of a regular file becomes writable, page by page (``->page_mkwrite()``).

The file system hears of the first store to each page that is clean, so that it can count dirty pages and find blocks
for them (d08b3851da41, 9637a5efd4fb): vm_page_prot does not allow to write (vma_wants_writenotify()), and write-back
takes the permission away again (:func:`pagecache.rmap.folio_mkclean`).  So, whenever nobody has the lock of a folio:

    if a page-table entry for it is writable or dirty, the folio is dirty.
"""

from __future__ import annotations

from pagecache.folio import Folio, folio_lock, folio_unlock
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.regular.backing import regular
from pagecache.touched import PMDS

__all__ = ["page_mkwrite"]


async def page_mkwrite(mapping: AddressSpace, folio: Folio, index: int) -> bool:
    """``do_page_mkwrite()``: ``vm_ops->page_mkwrite()`` of a disk file system, that of ext4 or XFS for example.

    The invalidate_lock keeps a truncate away; what has become of the folio since filemap_fault() is looked at under its
    lock (folio_mkwrite_check_truncate()): of the folio, not of the page at ``index``, see
    :mod:`pagecache.mended.mkwrite`.  The caller has a reference.

    Returns:
        False for VM_FAULT_NOPAGE: it has been truncated, and the access is tried again.  Otherwise the folio is locked,
        and dirty.

    Leaves out: blocks that have to be allocated (ENOSPC); devices that want what they write to stay as it is until
    then (folio_wait_stable()); throttling (balance_dirty_pages()).  filemap_page_mkwrite(), for file systems without
    one of their own, takes no invalidate_lock and does not look at ``i_size``.
    """
    del index
    await down_read(regular(mapping).invalidate_lock)
    await folio_lock(folio)
    size = await i_size_read(mapping.host)
    if folio.mapping is not mapping or folio.index >= size:
        await folio_unlock(folio)
        await up_read(regular(mapping).invalidate_lock)
        return False
    folio.dirty = True
    await up_read(regular(mapping).invalidate_lock, also=[(PMDS, False)])  # finish_fault()
    return True
