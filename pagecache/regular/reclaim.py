"""Reclaim of a page of a regular file (``mm/vmscan.c``)."""

from __future__ import annotations

from pagecache.folio import Folio, folio_put, folio_ref_freeze, folio_ref_unfreeze, folio_unlock
from pagecache.inode import AddressSpace
from pagecache.regular.backing import regular
from pagecache.rmap import try_to_unmap_flush
from pagecache.xarray import ValueEntry, XaState, xas_lock_irq, xas_set_order, xas_store, xas_unlock_irq

__all__ = ["SHADOWS", "shrink_regular_folio"]

SHADOWS = 100
"""The first shadow entry that an eviction leaves; those of the beginning are lower."""


async def shrink_regular_folio(mapping: AddressSpace, folio: Folio) -> bool:
    """``shrink_folio_list()`` of one folio, isolated and locked; unlocks it.  Returns whether it is freed.

    What is dirty or under write-back stays: writing it is the flusher's business.
    """
    if folio.mapping is not mapping or folio.writeback is not None:
        await folio_unlock(folio)
        return False
    if folio.mapcount:
        await mapping.kernel.try_to_unmap(mapping, folio, batch_flush=True, sync=folio.order > 0)
    await try_to_unmap_flush(mapping)
    removed = False
    if not folio.mapcount and not folio.dirty:
        removed = await _remove_mapping(mapping, folio)
    await folio_unlock(folio)
    if removed:
        folio.lru = False
        await folio_put(folio)
    return removed


async def _remove_mapping(mapping: AddressSpace, folio: Folio) -> bool:
    """``__remove_mapping()``: freeze the references, only then look whether it is dirty; leave a shadow entry.

    Returns:
        Whether it is out of the page cache; one reference, the isolation's, is left.
    """
    xas = XaState(mapping.i_pages, folio.index)
    await xas_lock_irq(xas)
    frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
    if not frozen:
        await xas_unlock_irq(xas)
        return False
    if folio.dirty:
        await folio_ref_unfreeze(folio, 1 + folio.nr_pages)
        await xas_unlock_irq(xas)
        return False
    file = regular(mapping)
    shadow = ValueEntry(SHADOWS + file.evictions)  # workingset_eviction()
    file.evictions += 1
    if folio.order == mapping.hpage_pmd_order:
        file.count_thps(-1)  # filemap_unaccount_folio()
    xas_set_order(xas, folio.index, folio.order)
    await xas_store(xas, shadow)
    folio.mapping = None
    mapping.nrpages -= folio.nr_pages
    await xas_unlock_irq(xas, also=[(("refcount", folio.number), True)])
    folio.refcount = 1
    folio.frozen_by = None
    return True
