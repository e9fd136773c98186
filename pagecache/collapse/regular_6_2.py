"""collapse_file() of Linux 6.2, the branches for regular files (``!is_shmem``).

As :mod:`pagecache.collapse.linux_6_2`, but

  - what is not in the cache, a shadow entry for example, is read from the disk, so that there are no holes in the end;
  - a page that is dirty or under write-back ends the scan: huge pages of a file are read-only;
  - the new folio stands in the slots of the pages that were scanned, locked and not uptodate: who reads it waits for
    its lock;
  - after the scan ``nr_thps`` rises, and if the file is open for writing by then, the collapse gives up: whoever opens
    it later sees ``nr_thps`` and drops the pages.

Leaves out: private data (SCAN_PAGE_HAS_PRIVATE); the flush of dirty pages, which nobody waits for.

From: mm/khugepaged.c at v6.2.
"""

from __future__ import annotations

from pagecache.collapse.scan import (
    SCAN_DEL_PAGE_LRU,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
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
from pagecache.mm import Mm
from pagecache.regular.backing import filemap_nr_thps_dec, filemap_nr_thps_inc, inode_is_open_for_write
from pagecache.regular.read import filemap_lock_folio, page_cache_sync_readahead
from pagecache.rmap import try_to_unmap_flush
from pagecache.store_buffer import smp_mb
from pagecache.xarray import (
    XaState,
    xas_create_range,
    xas_load,
    xas_lock_irq,
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

    result, hpage = await alloc_charge_folio(mapping)
    if hpage is None:
        return result
    await __folio_set_locked(hpage)
    hpage.index = start
    hpage.mapping = mapping

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
            if not isinstance(folio, Folio):
                await xas_unlock_irq(xas)
                await page_cache_sync_readahead(mapping, index, end)
                folio = await filemap_lock_folio(mapping, index)
                if folio is None:
                    raise Rollback(SCAN_FAIL)
            elif folio.dirty or folio.writeback is not None:
                # Not flushed since it was written: filemap_flush(), and come back later.
                await xas_unlock_irq(xas)
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
            elif folio.dirty or folio.writeback is not None:
                why = SCAN_FAIL
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

        await filemap_nr_thps_inc(mapping)
        # Paired with the barrier in do_dentry_open(): we see the writer, or he sees nr_thps.
        await smp_mb()
        writers = await inode_is_open_for_write(mapping)
        if writers:
            await filemap_nr_thps_dec(mapping)
            await xas_unlock_irq(xas)
            raise Rollback(SCAN_FAIL)
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
        xas.order = 0
        for position in range(len(pagelist)):
            xas_set(xas, pagelist[position].index)
            # Unfreeze the old page and put it back.
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
    for position in range(len(pagelist)):
        await copy_highpage(hpage, position, pagelist[position])
        pagelist[position].mapping = None
        await folio_ref_unfreeze(pagelist[position], 1)
        await folio_unlock(pagelist[position])
        await folio_put(pagelist[position])
    await folio_mark_uptodate(hpage)
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    await folio_add_lru(hpage)
    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)
    return SCAN_SUCCEED
