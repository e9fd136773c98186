"""B05: a collapse and mincore() wait for each other.

Symptom: none was reported; Hugh Dickins' NAK of the fifth version.

Ladder, with the pages of index 0 and 1 in one page table:

 1. K: unmaps and freezes the page of index 0, which stays in the page cache.
 2. M: mincore() takes the page-table lock and, for the pte that has gone, looks into the page cache: the lookup cannot
    get a reference to the frozen page and goes round.
 3. K: wants the page-table lock, to unmap the page of index 1.

Mistake: a reference count that stays frozen while other locks are taken is a spinlock, out of lockdep's sight.

Fix: never merged.  The sixth version (4 April 2023) does not freeze the old pages: they are locked, and it is enough
that nobody else has a reference at one moment.

Here the function of 6.4 freezes them where it should only look.  Left out: memcg charge moving, the other walker that
looks into the page cache under a page-table lock.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_COPY_MC,
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
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
    folio_putback_lru,
    folio_ref_add,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
)
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.locks import down_read, up_read
from pagecache.mm import Mm
from pagecache.operations import Collapse, Load, Mincore, SeekHole
from pagecache.rmap import try_to_unmap_flush
from pagecache.shmem import SGP_NOALLOC
from pagecache.step import warn_on_once
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

__all__ = ["BUG", "collapse_file"]


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
                # We control three references: our pin, the page cache's, and folio_isolate_lru()'s.
                # If those are all, take the count away from everybody else.
                frozen = await folio_ref_freeze(folio, 3)
                if frozen:
                    pagelist.append(folio)
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
        if result != SCAN_SUCCEED:
            raise Rollback(result)

        # The old folios are locked: they do not change any more.
        index = start
        for position in range(len(pagelist)):
            while index < pagelist[position].index:
                await clear_highpage(hpage, index - start)
                index += 1
            copied = await copy_mc_highpage(hpage, index - start, pagelist[position])
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
                missing = await kernel.any_vma_missing(mapping, start, end)
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
            await kernel.shmem_uncharge(mapping.host, nr_none)
            await xas_unlock_irq(xas)
        for position in range(len(pagelist)):
            await folio_ref_unfreeze(pagelist[position], 2)
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
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
        await folio_ref_unfreeze(pagelist[position], 1)
        await folio_unlock(pagelist[position])
        await folio_put(pagelist[position])
    return SCAN_SUCCEED


BUG: Final = Bug(
    number=5,
    name="frozen-in-place",
    kernel=LINUX_6_4_MENDED.replace(
        name="b05-frozen-in-place",
        summary="a collapse and mincore wait for each other",
        source="David Stevens, 7 March 2023",
        collapse_file=collapse_file,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="Hugh Dickins, in the review of v5",
    release="never merged",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_deadlock", "no_lookup_spins_on_a_sleeping_task"),
    focus=Focus((Collapse, Mincore, Load, SeekHole)),
)
