"""The third version of February 2023: uptodate before it is stored, RETRY entries in the holes.

As :mod:`pagecache.collapse.stevens_v2`, and

  - the new folio is marked uptodate before it is stored anywhere, so that what was present never looks
    like a hole;
  - the holes that are counted again are replaced by RETRY entries, so that a lockless lookup cannot see
    them any more; a failure turns them back before the xa_lock is dropped.

Known about it: "The data has to be there before we mark it uptodate" (Matthew Wilcox): a buffered read of
another file system does not lock an uptodate folio; shmem always does.  The bounds of the VMA walk are
still mistaken.

From: David Stevens, v3, 14 February 2023.
<20230214075710.2401855-2-stevensd@google.com>
"""

from __future__ import annotations

from pagecache.collapse.scan import (
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_FILLED,
    SCAN_PAGE_LOCK,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    SCAN_TRUNCATED,
    CollapseControl,
    Rollback,
    alloc_charge_folio,
)
from pagecache.folio import (
    Folio,
    __folio_set_locked,
    clear_highpage,
    copy_highpage,
    folio_add_lru,
    folio_get,
    folio_isolate_lru,
    folio_mark_uptodate,
    folio_put,
    folio_putback_lru,
    folio_ref_add,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
)
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, up_read
from pagecache.mm import Mm
from pagecache.rmap import try_to_unmap_flush
from pagecache.shmem import SGP_NOALLOC
from pagecache.xarray import (
    XA_RETRY_ENTRY,
    XaState,
    xas_create_range,
    xas_load,
    xas_lock_irq,
    xas_next_entry,
    xas_nomem,
    xas_set,
    xas_set_order,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["collapse_file"]


async def collapse_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """See the module's text; returns a SCAN result."""
    del mm, cc
    kernel = mapping.kernel
    order = mapping.hpage_pmd_order
    end = start + (1 << order)
    pagelist: list[Folio] = []
    nr_none = 0

    result, hpage = await alloc_charge_folio(mapping)
    if hpage is None:
        return result
    await __folio_set_locked(hpage)
    hpage.swapbacked = True
    hpage.index = start
    hpage.mapping = mapping
    await folio_mark_uptodate(hpage)

    xas = XaState(mapping.i_pages, start, order)
    try:
        while True:
            await xas_lock_irq(xas)
            await xas_create_range(xas)
            if not xas.error:
                break
            await xas_unlock_irq(xas)
            enough = await xas_nomem(xas)
            if not enough:
                raise Rollback(SCAN_FAIL)

        # The xa_lock is held at each loop head.
        xas.order = 0
        for index in range(start, end):
            xas_set(xas, index)
            folio = await xas_load(xas)
            if folio is None:
                if index == start:
                    # Stop if the extent has been truncated or punched, and is now empty.
                    present = await xas_next_entry(xas, end - 1)
                    if present is None:
                        await xas_unlock_irq(xas)
                        raise Rollback(SCAN_TRUNCATED)
                charged = await kernel.shmem_charge(mapping.host, 1)
                if not charged:
                    await xas_unlock_irq(xas)
                    raise Rollback(SCAN_FAIL)
                nr_none += 1
                continue
            if not isinstance(folio, Folio) or not folio.uptodate:
                # Swap in, or instantiate a fallocated page.
                await xas_unlock_irq(xas)
                error, folio = await kernel.shmem_get_folio(mapping.host, index, SGP_NOALLOC)
                if error:
                    raise Rollback(SCAN_FAIL)
            else:
                locked = await folio_trylock(folio)
                if not locked:
                    await xas_unlock_irq(xas)
                    raise Rollback(SCAN_PAGE_LOCK)
                await folio_get(folio)
                await xas_unlock_irq(xas)

            # The folio is locked: the xa_lock can be dropped without racing with truncate.
            why = SCAN_SUCCEED
            if not folio.uptodate:
                why = SCAN_FAIL
            elif folio.order:
                huge = folio.order == order and folio.index == start
                why = SCAN_PTE_MAPPED_HUGEPAGE if huge else SCAN_PAGE_COMPOUND
            elif folio.mapping is not mapping:
                why = SCAN_TRUNCATED
            else:
                isolated = await folio_isolate_lru(folio)
                if not isolated:
                    why = SCAN_DEL_PAGE_LRU
            if why == SCAN_SUCCEED:
                if folio.mapcount:
                    await kernel.try_to_unmap(mapping, folio, batch_flush=True)
                await xas_lock_irq(xas)
                xas_set(xas, index)  # the node may have gone
                # We control three references: our pin, the page cache's, and folio_isolate_lru()'s.
                # If those are all, take the count away from everybody else.
                frozen = await folio_ref_freeze(folio, 3)
                if frozen:
                    pagelist.append(folio)
                    # Finally, replace it with the new folio.
                    await xas_store(xas, hpage)
                    continue
                why = SCAN_PAGE_COUNT
                await xas_unlock_irq(xas)
                await folio_putback_lru(folio)
            await folio_unlock(folio)
            await folio_put(folio)
            raise Rollback(why)

        if nr_none:
            await xas_unlock_irq(xas)
            nr_none_check = 0
            # The order matters:
            #  1. We count nr_none holes and drop the xa_lock.
            #  2. A fault fills one of them; its folio is not on our list.
            #  3. We join the entries and lose that folio.
            # The recheck sees 2 as nr_none != nr_none_check.
            await down_read(mapping.i_mmap_rwsem)
            await xas_lock_irq(xas)
            for index in range(start, end):
                xas_set(xas, index)
                entry = await xas_load(xas)
                if entry is None:
                    await xas_store(xas, XA_RETRY_ENTRY)
                    nr_none_check += 1
            if nr_none != nr_none_check:
                result = SCAN_PAGE_FILLED
            else:
                missing = await kernel.any_vma_missing(mapping, start, start)
                if missing:
                    result = SCAN_EXCEED_NONE_PTE
            await up_read(mapping.i_mmap_rwsem)
            if result != SCAN_SUCCEED:
                for index in range(start, end):
                    xas_set(xas, index)
                    entry = await xas_load(xas)
                    if entry is XA_RETRY_ENTRY:
                        await xas_store(xas, None)
                await xas_unlock_irq(xas)
                raise Rollback(result)
        # Join all the entries into a single multi-index entry.
        xas_set_order(xas, start, order)
        await xas_store(xas, hpage)
        await xas_unlock_irq(xas)
    except Rollback as rollback:
        result = rollback.result

    # Flush before anybody touches the pages again.
    await try_to_unmap_flush(mapping)

    if result != SCAN_SUCCEED:
        await xas_lock_irq(xas)
        if nr_none:
            mapping.nrpages -= nr_none
            await kernel.shmem_uncharge(mapping.host, nr_none)
        xas.order = 0
        for position in range(len(pagelist)):
            # Unfreeze the old page and put it back.
            xas_set(xas, pagelist[position].index)
            await folio_ref_unfreeze(pagelist[position], 2)
            await xas_store(xas, pagelist[position])
            await xas_unlock_irq(xas)
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
            await xas_lock_irq(xas)
        await xas_unlock_irq(xas)
        hpage.mapping = None
        await folio_unlock(hpage)
        await folio_put(hpage)
        return result

    # Replacing the old pages has succeeded: now copy the content over and free them.
    index = start
    for position in range(len(pagelist)):
        while index < pagelist[position].index:
            await clear_highpage(hpage, index - start)
            index += 1
        await copy_highpage(hpage, index - start, pagelist[position])
        pagelist[position].mapping = None
        await folio_ref_unfreeze(pagelist[position], 1)
        await folio_unlock(pagelist[position])
        await folio_put(pagelist[position])
        index += 1
    while index < end:
        await clear_highpage(hpage, index - start)
        index += 1
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    hpage.dirty = True
    await folio_add_lru(hpage)
    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)
    return SCAN_SUCCEED
