"""collapse_file() of a development tree of 2026, the branches for regular files (``!is_shmem``).

As :mod:`pagecache.collapse.linux_2026`, but

  - what is not in the cache, a shadow entry for example, is read from the disk, so that there are no holes in the end;
  - a page that is dirty or under write-back ends the scan: huge pages of a file are read-only.  Whether it is dirty is
    looked at again when it has been unmapped, which moves the dirty bits of page-table entries to the folio;
  - after the scan ``nr_thps`` rises, and if the file is open for writing by then, the collapse gives up: whoever opens
    it later sees ``nr_thps`` and drops the pages.

Leaves out: private data (SCAN_PAGE_HAS_PRIVATE); the flush of dirty pages, which nobody waits for.

From: mm/khugepaged.c of an mm development tree, 2026.
"""

from __future__ import annotations

from pagecache.collapse.scan import (
    SCAN_COPY_MC,
    SCAN_DEL_PAGE_LRU,
    SCAN_FAIL,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_DIRTY_OR_WRITEBACK,
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
    copy_mc_highpage,
    folio_add_lru,
    folio_get,
    folio_isolate_lru,
    folio_mark_uptodate,
    folio_put,
    folio_put_refs,
    folio_putback_lru,
    folio_ref_add,
    folio_ref_count,
    folio_trylock,
    folio_unlock,
)
from pagecache.inode import AddressSpace
from pagecache.mm import Mm
from pagecache.regular.backing import filemap_nr_thps_dec, filemap_nr_thps_inc, inode_is_open_for_write
from pagecache.regular.read import filemap_lock_folio, page_cache_sync_readahead
from pagecache.rmap import try_to_unmap_flush
from pagecache.step import warn_on_once
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
        index = start
        while index < end:
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
                raise Rollback(SCAN_PAGE_DIRTY_OR_WRITEBACK)
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
            elif folio.order == order and folio.index == start:
                why = SCAN_PTE_MAPPED_HUGEPAGE
            elif folio.mapping is not mapping:
                why = SCAN_TRUNCATED
            elif folio.dirty or folio.writeback is not None:
                why = SCAN_PAGE_DIRTY_OR_WRITEBACK
            else:
                isolated = await folio_isolate_lru(folio)
                if not isolated:
                    why = SCAN_DEL_PAGE_LRU
            if why == SCAN_SUCCEED:
                if folio.mapcount:
                    await kernel.try_to_unmap(mapping, folio, batch_flush=True)
                await xas_lock_irq(xas)
                # We control 2 + nr_pages references: our pin, folio_isolate_lru()'s, and the page cache's.
                refcount = await folio_ref_count(folio)
                if refcount == 2 + folio.nr_pages and not folio.dirty:
                    pagelist.append(folio)
                    index = folio.next_index
                    continue
                why = SCAN_PAGE_DIRTY_OR_WRITEBACK if folio.dirty else SCAN_PAGE_COUNT
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
            result = SCAN_FAIL
            await filemap_nr_thps_dec(mapping)
        await xas_unlock_irq(xas)
    except Rollback as rollback:
        result = rollback.result

    # If the collapse goes on, the flush must be done before the copy; otherwise it clears the state.
    await try_to_unmap_flush(mapping)

    if result == SCAN_SUCCEED:
        # The old folios are locked: they do not change any more.
        position = 0
        for index in range(start, end):
            position += index == pagelist[position].next_index
            copied = await copy_mc_highpage(hpage, index - start, pagelist[position], index)
            if not copied:
                result = SCAN_COPY_MC
                await filemap_nr_thps_dec(mapping)
                break

    if result != SCAN_SUCCEED:
        for position in range(len(pagelist)):
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
            await folio_put(pagelist[position])
        hpage.mapping = None
        await folio_unlock(hpage)
        await folio_put(hpage)
        return result

    await xas_lock_irq(xas)
    await folio_mark_uptodate(hpage)
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    await folio_add_lru(hpage)
    # Join all the small entries into a single multi-index entry.
    xas_set_order(xas, start, order)
    await xas_store(xas, hpage)
    warn_on_once(xas.error, "xas_store() of the huge folio")
    await xas_unlock_irq(xas)

    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)

    for position in range(len(pagelist)):
        pagelist[position].mapping = None
        await folio_unlock(pagelist[position])
        await folio_put_refs(pagelist[position], 2 + pagelist[position].nr_pages)
    return SCAN_SUCCEED
