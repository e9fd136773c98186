"""B17: a page becomes dirty behind the test whether it is dirty.

Symptom: what was written to a file is there at first, and gone when memory is short: reclaim drops a clean huge page.

Ladder:

 1. K has scanned the range.  G: pins a page of a shared mapping for a device to write to (FOLL_WRITE), which makes it
    dirty.
 2. W: it is written back, and clean.
 3. K: it is locked, and not dirty.
 4. G: the device writes.  The driver says so, without the folio lock (set_page_dirty()), and lets go of the page.
 5. K: unmaps it; there are no references but those of the collapse, so it becomes part of a clean huge page.

Mistake: what may make a locked page dirty is looked at in the wrong order: dirty, then references, as in B33.

Fix: "mm/khugepaged: add folio dirty check after try_to_unmap()", of the series of 2026 that removes
CONFIG_READ_ONLY_THP_FOR_FS; its comment says that try_to_unmap() may have moved the dirty bit of a page-table entry to
the folio.

That ladder, the catalogue's, is not there: a store by way of a writable entry between 3. and 5. cannot happen, since a
page that is clean has none.  The first store to a clean page faults, and the fault waits for the lock that K has, with
a reference that K counts; write-back takes the permission away before it makes a folio clean (folio_mkclean(),
d08b3851da41).  An exhaustive search finds no store that is lost.  What the second test is good for is somebody with
a reference from before, who needs no lock.

Before that series it needed more: while a writable mapping exists i_writecount is not zero, as vm_file keeps the
descriptor (put_file_access() in __fput()), and a collapse looks at it before (file_thp_enabled()) and after the scan.
So the file has to be opened and mapped behind the first look, and unmapped and closed, though the page is still pinned,
before the second.  Here the kernel is one that asks nobody (:mod:`pagecache.collapse.regular_writable`); the
huge page in the world says that its file system can write large folios back.
"""

from __future__ import annotations

from typing import Final

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
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_WRITABLE
from pagecache.mm import Mm
from pagecache.operations import Collapse, PinWrite, Writeback
from pagecache.regular.read import page_cache_sync_readahead
from pagecache.rmap import try_to_unmap_flush
from pagecache.step import warn_on_once
from pagecache.world import VmaSpec, WorldSpec
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

__all__ = ["BUG", "collapse_file"]


async def collapse_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """See the module's text; returns a SCAN result."""
    del mm, cc
    kernel = mapping.kernel
    order = mapping.hpage_pmd_order
    end = start + (1 << order)
    pagelist: list[Folio] = []

    await page_cache_sync_readahead(mapping, start, end)
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
                raise Rollback(SCAN_FAIL)
            if folio.dirty or folio.writeback is not None:
                # Not flushed since it was written: filemap_flush(), and come back later.
                await xas_unlock_irq(xas)
                raise Rollback(SCAN_PAGE_DIRTY_OR_WRITEBACK)
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
                if refcount == 2 + folio.nr_pages:
                    pagelist.append(folio)
                    index = folio.next_index
                    continue
                why = SCAN_PAGE_COUNT
                await xas_unlock_irq(xas)
                await folio_putback_lru(folio)
            await folio_unlock(folio)
            await folio_put(folio)
            raise Rollback(why)

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


BUG: Final = Bug(
    number=17,
    name="dirty-after-the-test",
    kernel=LINUX_2026_WRITABLE.replace(
        name="b17-dirty-after-the-test",
        summary="a page that has become dirty is part of a clean huge page",
        source='"mm/khugepaged: remove READ_ONLY_THP_FOR_FS check"',
        collapse_regular_file=collapse_file,
    ),
    fixed=LINUX_2026_WRITABLE,
    fix='"mm/khugepaged: add folio dirty check after try_to_unmap()"',
    release="2026",
    minimum=Minimum(3, 3, 3),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        worlds=(WorldSpec(("data",) * 4, 1, 4, (VmaSpec(end=4, writable=True),), ((2, 1),), backing="file"),),
        programs=(((Collapse(0),), (PinWrite(0, unlocked=True),), (Writeback(0),)),),
    ),
)
