"""Inserting a folio into the page cache of a regular file (``mm/filemap.c``)."""

from __future__ import annotations

from pagecache.folio import Folio, __folio_set_locked, folio_add_lru, folio_unlock
from pagecache.inode import AddressSpace
from pagecache.xarray import (
    Entry,
    XaState,
    xa_is_value,
    xas_destroy,
    xas_find_conflict,
    xas_get_order,
    xas_lock_irq,
    xas_nomem,
    xas_reset,
    xas_set_err,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["__filemap_add_folio", "filemap_add_folio"]


async def filemap_add_folio(mapping: AddressSpace, folio: Folio, index: int) -> str:
    """``filemap_add_folio()``: insert a new folio, locked, and put it on its LRU list.

    Returns:
        Empty; ``"EEXIST"`` if a folio is there; ``"ENOMEM"``.  After an error it is not locked.

    Leaves out: what the shadow entry says about the working set.
    """
    await __folio_set_locked(folio)
    error: str = await mapping.kernel.filemap_add_folio(mapping, folio, index)
    if error:
        await folio_unlock(folio)
    else:
        await folio_add_lru(folio)
    return error


async def __filemap_add_folio(mapping: AddressSpace, folio: Folio, index: int) -> str:
    """``__filemap_add_folio()``: store a small locked folio at ``index``, over a shadow entry or over nothing.

    A shadow entry of a higher order is split first.  The nodes for that are allocated without the ``xa_lock``, and are
    full of the shadow entry: if another one stands there when the lock has been taken again, or one of another
    order, they are destroyed, and it begins anew.
    """
    folio.refcount += folio.nr_pages  # nobody can see it yet
    folio.mapping = mapping
    folio.index = index
    xas = XaState(mapping.i_pages, index, folio.order)
    alloced_shadow: Entry = None
    alloced_order = 0
    while True:
        order, split_order = -1, 0
        await xas_lock_irq(xas)
        old = await xas_find_conflict(xas)
        if old is not None:
            order = await xas_get_order(xas)
        if alloced_order and (old != alloced_shadow or order != alloced_order):
            await xas_destroy(xas)
            alloced_order = 0
        if old is not None and not xa_is_value(old):
            xas_set_err(xas, "EEXIST")
        elif order > folio.order and not alloced_order:
            split_order = order
        else:
            if order > folio.order:
                await xas_split(xas, old, order)
                xas_reset(xas)
            await xas_store(xas, folio)
            if not xas.error:
                mapping.nrpages += folio.nr_pages
        await xas_unlock_irq(xas)
        if split_order:
            await xas_split_alloc(xas, old, split_order)
            if xas.error:
                break
            alloced_shadow, alloced_order = old, split_order
            xas_reset(xas)
            continue
        again = await xas_nomem(xas)
        if not again:
            break
    if xas.error:
        folio.mapping = None
        folio.refcount -= folio.nr_pages
    return xas.error
