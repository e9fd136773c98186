"""Reclaim of one page (``mm/vmscan.c``)."""

from __future__ import annotations

from pagecache.folio import (
    Folio,
    folio_isolate_lru,
    folio_put,
    folio_putback_lru,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
)
from pagecache.inode import AddressSpace
from pagecache.regular.reclaim import shrink_regular_folio
from pagecache.rmap import try_to_unmap_flush
from pagecache.step import step
from pagecache.swap import SwapDevice, forget

__all__ = ["reclaim_folio", "remove_mapping"]


async def reclaim_folio(mapping: AddressSpace, index: int) -> None:
    """``reclaim_pages()`` of the folio at ``index``, as MADV_PAGEOUT or memory pressure would do it.

    Isolate it from its LRU list, lock it if that is free, unmap it, write it to swap, and free it if nobody else
    has a reference by then; whatever does not work out, it goes back to its list.

    A large folio goes out as a whole.  Leaves out: splitting one for which there are no consecutive slots (it stays),
    ageing: who calls it has chosen the page.
    """
    entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if not isinstance(entry, Folio):
        return
    isolated = await folio_isolate_lru(entry)
    await folio_put(entry)
    if not isolated:
        return
    locked = await folio_trylock(entry)
    if not locked:
        await folio_putback_lru(entry)
        return
    shrink = _shrink_locked_folio if mapping.regular is None else shrink_regular_folio
    freed = await shrink(mapping, entry)
    if not freed:
        await folio_putback_lru(entry)


async def _shrink_locked_folio(mapping: AddressSpace, folio: Folio) -> bool:
    """``shrink_folio_list()`` of one folio, isolated and locked; unlocks it.  Returns whether it is freed."""
    if folio.mapping is not mapping:
        await folio_unlock(folio)
        return False
    if folio.mapcount:
        await mapping.kernel.try_to_unmap(mapping, folio, batch_flush=True)
    # "Folio is dirty. Flush the TLB if a writable entry potentially exists to avoid CPU writes after I/O starts".
    await try_to_unmap_flush(mapping)
    # pageout(): is_page_cache_freeable(): ours, and the page cache's.
    await step("is_page_cache_freeable", folio, target=("refcount", folio.number))
    if folio.mapcount or folio.refcount != 1 + folio.nr_pages:
        await folio_unlock(folio)
        return False
    folio.dirty = False  # clear_page_dirty_for_io()
    written = await mapping.kernel.shmem_writepage(mapping, folio)
    if not written:
        await folio_unlock(folio)
        return False
    # The end of the I/O has unlocked it: somebody may have found it in the swap cache meanwhile.
    locked = await folio_trylock(folio)
    if not locked:
        return False
    removed = False
    if folio.swap >= 0:
        removed = await mapping.kernel.remove_mapping(mapping.swap, folio)
    await folio_unlock(folio)
    if removed:
        folio.lru = False
        await folio_put(folio)
        return True
    return False


async def remove_mapping(swap: SwapDevice, folio: Folio) -> bool:
    """``__remove_mapping()`` of a folio of the swap cache: out of it, if nobody else has a reference.

    The order matters: somebody with a reference may make the folio dirty and then drop the reference.  So first the
    references are frozen, and then the dirty flag is tested ("be careful with the order of the tests").

    Returns:
        Whether it is gone; one reference, the isolation's, is left.
    """
    refcount = 1 + folio.nr_pages
    frozen = await folio_ref_freeze(folio, refcount)
    if not frozen:
        return False
    if folio.dirty:
        await folio_ref_unfreeze(folio, refcount)
        return False
    await step("__delete_from_swap_cache", folio, target=("swap", folio.swap >> swap.order), writes=True)
    forget(swap, folio)
    folio.refcount = 1
    folio.frozen_by = None
    return True
