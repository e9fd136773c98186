"""Reclaim of one page (``mm/vmscan.c``)."""

from __future__ import annotations

from pagecache.filemap import __filemap_remove_folio
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
from pagecache.swap import forget
from pagecache.xarray import XaState, xas_lock_irq, xas_unlock_irq

__all__ = ["reclaim_folio", "remove_mapping"]


async def reclaim_folio(mapping: AddressSpace, index: int) -> None:
    """``reclaim_pages()`` of the folio at ``index``, as MADV_PAGEOUT or memory pressure would do it.

    Isolate it from its LRU list, lock it if that is free, unmap it, write it to swap if it is dirty, and free it if
    nobody else has a reference by then; whatever does not work out, it goes back to its list.

    If shmem_writepage() has to split a large folio, its parts follow one by one.  Leaves out: ageing: who calls it has
    chosen the page.
    """
    entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if not isinstance(entry, Folio):
        return
    isolated = await folio_isolate_lru(entry)
    await folio_put(entry)
    if not isolated:
        return
    folio_list = [entry]
    while folio_list:
        await _shrink_folio(mapping, folio_list.pop(), folio_list)


async def _shrink_folio(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> None:
    """``shrink_folio_list()`` of an isolated folio, and putback if it is not freed.

    Args:
        mapping: the file.
        folio: with the reference of its isolation.
        folio_list: gets the other parts, if it is split.
    """
    locked = await folio_trylock(folio)
    if not locked:
        await folio_putback_lru(folio)
        return
    if folio.poisoned and not folio.order:
        await _drop_poisoned_folio(mapping, folio)
        return
    if mapping.regular is None:
        freed = await _shrink_locked_folio(mapping, folio, folio_list)
    else:
        freed = await shrink_regular_folio(mapping, folio)
    if not freed:
        await folio_putback_lru(folio)


async def _drop_poisoned_folio(mapping: AddressSpace, folio: Folio) -> None:
    """What shrink_folio_list() does about a poisoned folio: unmap it, and not put it back (1b0449544c64, 6.15).

    Its memory has failed while it was isolated, so that memory_failure() could not take it off its list.  Before 6.15
    it went on like any other: what it held was written to swap as if nothing had happened.
    """
    if folio.mapping is mapping and folio.mapcount:
        await mapping.kernel.try_to_unmap(mapping, folio, sync=True)  # unmap_poisoned_folio()
    await folio_unlock(folio)
    await folio_put(folio)


async def _shrink_locked_folio(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> bool:
    """The same of one that is locked; unlocks it.  Returns whether it is freed."""
    if folio.mapping is not mapping:
        await folio_unlock(folio)
        return False
    if folio.mapcount:
        await mapping.kernel.try_to_unmap(mapping, folio, batch_flush=True, sync=folio.order > 0)
    # "Folio is dirty. Flush the TLB if a writable entry potentially exists to avoid CPU writes after I/O starts".
    await try_to_unmap_flush(mapping)
    if folio.mapcount:
        await folio_unlock(folio)
        return False
    if folio.dirty:
        written = await _pageout(mapping, folio, folio_list)
        if not written:
            await folio_unlock(folio)
            return False
        # The end of the I/O has unlocked it: somebody may have found it in the swap cache meanwhile.
        locked = await folio_trylock(folio)
        if not locked:
            return False
    removed = False
    if folio.swap >= 0 or folio.mapping is mapping:
        removed = await mapping.kernel.remove_mapping(mapping, folio)
    await folio_unlock(folio)
    if removed:
        folio.lru = False
        await folio_put(folio)
        return True
    return False


async def _pageout(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> bool:
    """``pageout()`` of a locked and dirty folio.  Returns whether it is written, and unlocked; else it is as before."""
    # is_page_cache_freeable(): ours, and the page cache's.
    await step("is_page_cache_freeable", folio, target=("refcount", folio.number))
    if folio.mapcount or folio.refcount != 1 + folio.nr_pages:
        return False
    folio.dirty = False  # clear_page_dirty_for_io()
    return await mapping.kernel.shmem_writepage(mapping, folio, folio_list)  # type: ignore[no-any-return]


async def remove_mapping(mapping: AddressSpace, folio: Folio) -> bool:
    """``__remove_mapping()`` of a locked folio: out of the swap cache or the page cache, if nobody else refers to it.

    The order matters: somebody with a reference may make the folio dirty and then drop the reference.  So first the
    references are frozen, and then the dirty flag is tested ("be careful with the order of the tests").

    A page of the page cache that nobody made dirty, zeroes for a fault that only read, leaves a hole.  Its block is
    still accounted for: shmem_recalc_inode() will notice ("undirtied hole pages").

    Returns:
        Whether it is gone; one reference, the isolation's, is left.

    Leaves out: ``i_lock`` around the ``xa_lock`` (for the LRU list of inodes).
    """
    refcount = 1 + folio.nr_pages
    xas = XaState(mapping.i_pages, folio.index)
    in_page_cache = folio.swap < 0
    if in_page_cache:
        await xas_lock_irq(xas)
    frozen = await folio_ref_freeze(folio, refcount)
    clean = not folio.dirty
    if frozen and not clean:
        await folio_ref_unfreeze(folio, refcount)
    thaws = [(("refcount", folio.number), True)]
    if frozen and clean and in_page_cache:
        await __filemap_remove_folio(xas, mapping, folio)
    elif frozen and clean:
        slots = ("swap", folio.swap >> mapping.swap.order)
        await step("__delete_from_swap_cache", folio, target=slots, writes=True, also=thaws)
        forget(mapping.swap, folio)
    if in_page_cache:
        await xas_unlock_irq(xas, also=thaws)
    if frozen and clean:
        folio.refcount = 1
        folio.frozen_by = None
    return frozen and clean
