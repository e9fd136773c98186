"""shmem_get_partial_folio() that reads back a large swap entry if any of it is within ``i_size``, and until it has.

``ftruncate()`` to the middle of pages that were swapped out as one large entry:

 1. shmem_setattr() lowers ``i_size`` to page s, then calls shmem_undo_range() from page s on.
 2. The first pass leaves the entry alone: it begins before s (find_lock_entries()).
 3. shmem_get_partial_folio() is asked for page s, and asks shmem_get_folio(SGP_READ): EINVAL, behind ``i_size``.
 4. The second pass finds the entry; shmem_free_swap() refuses, since it begins before s; so it is skipped.
 5. A truncate goes round until nothing is left behind s.  The entry is.  It never returns.

Before 8a1968bd997f (January 2026) shmem_free_swap() freed the whole entry at 4, with the data in front of s.

And a hole punched into such an entry while there is no memory: shmem_get_partial_folio() comes back with nothing, the
second pass skips the entry ("the truncate_inode_partial_folio above should have at least zeroed its content once"), and
fallocate() returns 0 with the data in place.

Here 3 asks for the first page of the entry, which is within ``i_size`` if any of it is, until a folio is there or there
is no large entry any more; for memory it waits, as __GFP_NOFAIL does: a truncate has no way to fail.  It is not enough
to split the entry: a large folio that somebody is reading into the swap cache would find its entries partly gone, and
be looked for in vain ("never partially freed without split of both entry and folio", shmem_add_to_page_cache()).
"""

from __future__ import annotations

from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.inode import Inode
from pagecache.shmem import SGP_READ
from pagecache.xarray import Entry, XaState, xa_get_order

__all__ = ["shmem_get_partial_folio"]


async def shmem_get_partial_folio(inode: Inode, index: int) -> Folio | None:
    """``shmem_get_partial_folio()``: the folio at ``index``, locked and referenced, whatever its flags."""
    mapping = inode.i_mapping
    while True:
        entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
        if entry is None:
            return None
        if isinstance(entry, Folio):
            await folio_lock(entry)
            if entry.mapping is mapping:
                return entry
            await folio_unlock(entry)
            await folio_put(entry)
            continue
        order = await xa_get_order(XaState(mapping.i_pages, index))
        base = index >> order << order
        error, folio = await mapping.kernel.shmem_get_folio(inode, base, SGP_READ)
        if folio is not None and index < folio.next_index:
            return folio  # type: ignore[no-any-return]
        if folio is not None:
            # There was no memory for all of it: the entry has been split; what has become of the rest?
            await folio_unlock(folio)
            await folio_put(folio)
        elif order == 0 or error == "EINVAL":
            return None
