"""B03: lookups spin on a huge page that is frozen until the collapse is done.

Symptom: lockups under load.

Ladder:

 1. K: freezes the huge page and stores it at index 0; at index 1 it sleeps: it swaps in, or waits for a lock.
 2. R: any lookup of index 0 finds a page whose count is zero, and goes round, and round.

Mistake: a frozen reference count was used as a lock that is held across sleeps.

Fix: 87c460a0bded (4.20, and stable from 4.8 on): the huge page is not frozen, but locked, and not uptodate: who looks
it up gets a reference and sleeps.

Here the function of 6.2 freezes it.  Left out: the CPU that cannot be preempted, where spinning becomes a deadlock.
"""

from __future__ import annotations

from typing import Final

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
    clear_highpage,
    copy_highpage,
    folio_add_lru,
    folio_get,
    folio_isolate_lru,
    folio_mark_uptodate,
    folio_put,
    folio_putback_lru,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_6_2
from pagecache.mm import Mm
from pagecache.operations import Collapse, Load, Mincore, PageOut, Read, SeekData
from pagecache.rmap import try_to_unmap_flush
from pagecache.shmem import SGP_NOALLOC
from pagecache.xarray import (
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
    await folio_ref_freeze(hpage, 1)

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
                    xas_set(xas, index)
                charged = await kernel.shmem_charge(mapping.host, 1)
                if not charged:
                    await xas_unlock_irq(xas)
                    raise Rollback(SCAN_FAIL)
                await xas_store(xas, hpage)
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
        position = 0
        for index in range(start, end):
            xas_set(xas, index)
            entry = await xas_load(xas)
            if entry is None:
                continue
            if position == len(pagelist) or index < pagelist[position].index:
                if not nr_none:
                    break
                nr_none -= 1
                # Put the hole back where it was.
                await xas_store(xas, None)
                continue
            # Unfreeze the old page and put it back.
            await folio_ref_unfreeze(pagelist[position], 2)
            await xas_store(xas, pagelist[position])
            await xas_unlock_irq(xas)
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
            position += 1
            await xas_lock_irq(xas)
        vm_bug_on_folio(nr_none != 0, hpage, f"rollback of {nr_none} holes too few")
        await xas_unlock_irq(xas)
        await folio_ref_unfreeze(hpage, 1)
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
    await folio_mark_uptodate(hpage)
    await folio_ref_unfreeze(hpage, hpage.nr_pages)
    hpage.dirty = True
    await folio_add_lru(hpage)
    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)
    return SCAN_SUCCEED


BUG: Final = Bug(
    number=3,
    name="frozen-huge-page",
    kernel=LINUX_6_2.replace(
        name="b03-frozen-huge-page",
        summary="lookups spin on a huge page that is frozen until the collapse is done",
        source="mm/khugepaged.c before 87c460a0bded",
        collapse_file=collapse_file,
    ),
    fixed=LINUX_6_2,
    fix="87c460a0bded",
    release="4.20",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    # mincore() spins under the page-table lock; a collapse that goes on to unmap a page needs that lock.
    breaks=("no_lookup_spins_on_a_sleeping_task", "no_deadlock"),
    focus=Focus((Collapse, Load, Read, SeekData, Mincore, PageOut), {"pages": ("data", "swapped", "hole")}),
)
