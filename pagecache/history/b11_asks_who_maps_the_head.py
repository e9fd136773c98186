"""B11: the walk over the VMAs covers the first page only.

Symptom: as B02, if the registered VMA maps only the tail of the huge range.

 1. manager: UFFDIO_REGISTER of a VMA that maps index 1; sees a hole there.
 2. collapse: asks the VMAs that map index 0.
 3. collapse: fills the hole.

Mistake: vma_interval_tree_foreach(vma, &mapping->i_mmap, start, start) in v2 to v5.  Fix: "start, end" (v6,
after Hugh Dickins asked).
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_COPY_MC,
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_FILLED,
    SCAN_PAGE_LOCK,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_STORE_FAILED,
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
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, up_read
from pagecache.mm import Mm
from pagecache.operations import Collapse, Mincore, SeekHole, Touch
from pagecache.rmap import try_to_unmap_flush
from pagecache.shmem import SGP_NOALLOC
from pagecache.step import warn_on_once
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import (
    XA_RETRY_ENTRY,
    XaState,
    xas_create_range,
    xas_load,
    xas_lock_irq,
    xas_next,
    xas_next_entry,
    xas_nomem,
    xas_set,
    xas_set_order,
    xas_store,
    xas_unlock_irq,
)


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
            if folio is None:
                if index == start:
                    # Stop if the extent has been truncated or punched, and is now empty.
                    present = await xas_next_entry(xas, end - 1)
                    if present is None:
                        await xas_unlock_irq(xas)
                        raise Rollback(SCAN_TRUNCATED)
                nr_none += 1
                index += 1
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
            elif folio.order == order and folio.index == start:
                why = SCAN_PTE_MAPPED_HUGEPAGE
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
                # We control 2 + nr_pages references: our pin, folio_isolate_lru()'s, and one from the
                # page cache for each page.  If those are all, any new use has to come through the page cache and needs
                # the folio lock, so it is held off until the collapse or the rollback is done.
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

    try:
        if result == SCAN_SUCCEED and nr_none:
            charged = await kernel.shmem_charge(mapping.host, nr_none)
            if not charged:
                result = SCAN_FAIL
        if result != SCAN_SUCCEED:
            nr_none = 0
            raise Rollback(result)

        # The old folios are locked: they do not change any more.
        index = start
        for position in range(len(pagelist)):
            while index < pagelist[position].index:
                await clear_highpage(hpage, index - start)
                index += 1
            while index < pagelist[position].next_index:
                copied = await copy_mc_highpage(hpage, index - start, pagelist[position], index)
                if not copied:
                    raise Rollback(SCAN_COPY_MC)
                index += 1
        while index < end:
            await clear_highpage(hpage, index - start)
            index += 1

        if nr_none:
            nr_none_check = 0
            await down_read(mapping.i_mmap_rwsem)
            await xas_lock_irq(xas)
            xas_set(xas, start)
            for _ in range(start, end):
                entry = await xas_next(xas)
                if entry is None:
                    await xas_store(xas, XA_RETRY_ENTRY)
                    if xas.error:
                        # The nodes that xas_create_range() made may have gone while the lock was dropped.
                        result = SCAN_STORE_FAILED
                        break
                    nr_none_check += 1
            if result == SCAN_SUCCEED and nr_none != nr_none_check:
                result = SCAN_PAGE_FILLED
            elif result == SCAN_SUCCEED:
                # If user space observed a missing page in a VMA with a MISSING userfaultfd, it may
                # expect an event for it, which we must not suppress.  Any userfaultfd registered
                # from here on cannot observe a missing page, thanks to the RETRY entries.
                missing = await kernel.any_vma_missing(mapping, start, start)
                if missing:
                    result = SCAN_EXCEED_NONE_PTE
            await up_read(mapping.i_mmap_rwsem)
            if result != SCAN_SUCCEED:
                xas_set(xas, start)
                for _ in range(start, end):
                    entry = await xas_next(xas)
                    if entry is XA_RETRY_ENTRY:
                        await xas_store(xas, None)
                await xas_unlock_irq(xas)
                raise Rollback(result)
        else:
            await xas_lock_irq(xas)
    except Rollback as rollback:
        result = rollback.result

    if result != SCAN_SUCCEED:
        if nr_none:
            await xas_lock_irq(xas)
            mapping.nrpages -= nr_none
            await xas_unlock_irq(xas)
            await kernel.shmem_uncharge(mapping.host, nr_none)
        for position in range(len(pagelist)):
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
            await folio_put(pagelist[position])
        hpage.mapping = None
        await folio_unlock(hpage)
        await folio_put(hpage)
        return result

    # Uptodate before it is stored, lest it be mistaken for a fallocated page that nobody wrote.
    await folio_mark_uptodate(hpage)
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    hpage.dirty = True
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
    number=11,
    name="asks-who-maps-the-head",
    kernel=LINUX_2026_MENDED.replace(
        name="b11-asks-who-maps-the-head",
        summary="the walk over the VMAs covers the first page only",
        source="stevens-v6, after Hugh Dickins",
        collapse_file=collapse_file,
    ),
    fixed=LINUX_2026_MENDED,
    fix="stevens-v6, after Hugh Dickins",
    release="never merged",
    minimum=Minimum(2, 2, 0),
    breaks=("a_page_observed_missing_is_not_filled_without_an_event",),
    focus=Focus(
        operations=(Collapse, SeekHole, Touch, Mincore),
        worlds=(WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", 1, 2, missing=True))),),
    ),
)
