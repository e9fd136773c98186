"""B10: a pointer to a slot is kept while the tree's lock is dropped.

Symptom: a use after free in collapse_shmem(): the huge page is stored into a node of the tree that was freed.

Ladder:

 1. K: finds a swap entry, and keeps the pointer to its slot; drops the tree_lock, to swap it in.
 2. T: punches the hole.  Nothing else stood in that node, so it is freed.
 3. K: shmem_getpage() finds a hole, and allocates a page, in a new node; K takes the lock, and stores through the
    pointer.

Or the slot is the root itself, of a file with nothing but its first page: T adds a page, the root becomes a node, and K
overwrites it.

Mistake: a lock that protects what a pointer points to was dropped, and the pointer was used.

Fix: 91a45f71078a ("mm: khugepaged: close use-after-free race during shmem collapsing", Johannes Weiner, 4.10): the slot
is looked up again.

Left out: the pointers by which the iteration goes on.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_DEL_PAGE_LRU,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_LOCK,
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
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_4_8
from pagecache.mended import collapse_4_8
from pagecache.mended.collapse_4_8 import fill_gap
from pagecache.mm import Mm
from pagecache.operations import Collapse, Load, PunchHole, Store, Truncate
from pagecache.shmem import SGP_CACHE
from pagecache.shmem_charge import shmem_charge_4_20
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import (
    XaState,
    xas_load,
    xas_lock_irq,
    xas_set,
    xas_store,
    xas_unlock_irq,
)
from pagecache.xarray.raw_slot import radix_tree_replace_slot, raw_slot


async def collapse_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """See the module's text; returns a SCAN result."""
    del mm, cc
    kernel = mapping.kernel
    end = start + (1 << mapping.hpage_pmd_order)
    pagelist: list[Folio] = []
    nr_none = 0
    filled = start

    result, new_page = await alloc_charge_folio(mapping)
    if new_page is None:
        return result
    await __folio_set_locked(new_page)
    new_page.swapbacked = True
    new_page.index = start
    new_page.mapping = mapping
    await folio_ref_freeze(new_page, 1)

    # At this point the new page is locked, and frozen: nobody can touch it until we are ready.
    xas = XaState(mapping.i_pages, start)
    try:
        await xas_lock_irq(xas)
        for index in range(start, end):
            xas_set(xas, index)
            page = await xas_load(xas)
            slot = raw_slot(xas)
            if page is None:
                # radix_tree_for_each_slot() steps over it; the next present page fills the gap.
                continue
            if index > filled:
                why, gap = await fill_gap(mapping, xas, new_page, filled, index)
                nr_none += gap
                if why != SCAN_SUCCEED:
                    await xas_unlock_irq(xas)
                    raise Rollback(why)
                filled = index

            if not isinstance(page, Folio) or not page.uptodate:
                await xas_unlock_irq(xas)
                # Swap in, or instantiate a fallocated page.
                error, page = await kernel.shmem_get_folio(mapping.host, index, SGP_CACHE)
                if error:
                    raise Rollback(SCAN_FAIL)
                await xas_lock_irq(xas)
            else:
                locked = await folio_trylock(page)
                if not locked:
                    await xas_unlock_irq(xas)
                    raise Rollback(SCAN_PAGE_LOCK)
                await folio_get(page)

            # The page is locked: the tree lock can be dropped without racing with truncate.
            vm_bug_on_folio(not page.uptodate, page, "not uptodate")
            why = SCAN_SUCCEED
            if page.order:
                # Somebody else was faster.
                why = SCAN_PAGE_COMPOUND
            elif page.mapping is not mapping:
                why = SCAN_TRUNCATED
            await xas_unlock_irq(xas)
            if why == SCAN_SUCCEED:
                isolated = await folio_isolate_lru(page)
                if not isolated:
                    why = SCAN_DEL_PAGE_LRU
            if why == SCAN_SUCCEED:
                if page.mapcount:
                    # unmap_mapping_range() in 4.8: the TLB is flushed at once.
                    await kernel.try_to_unmap(mapping, page)
                await xas_lock_irq(xas)
                # The page is expected to have three references: our pin, the page cache's, and
                # isolate_lru_page()'s.
                frozen = await folio_ref_freeze(page, 3)
                if frozen:
                    pagelist.append(page)
                    # Finally, replace it with the new page.
                    await radix_tree_replace_slot(slot, new_page)
                    filled = index + 1
                    continue
                why = SCAN_PAGE_COUNT
                await xas_unlock_irq(xas)
                await folio_putback_lru(page)
            await folio_unlock(page)
            await folio_put(page)
            raise Rollback(why)

        # The gap behind the last present page.
        if filled < end:
            why, gap = await fill_gap(mapping, xas, new_page, filled, end)
            nr_none += gap
            if why != SCAN_SUCCEED:
                await xas_unlock_irq(xas)
                raise Rollback(why)
        await xas_unlock_irq(xas)
    except Rollback as rollback:
        result = rollback.result

    if result != SCAN_SUCCEED:
        # Something went wrong: roll back the changes.
        await xas_lock_irq(xas)
        mapping.nrpages -= nr_none
        await kernel.shmem_uncharge(mapping.host, nr_none)
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
            await folio_putback_lru(pagelist[position])
            await folio_unlock(pagelist[position])
            position += 1
            await xas_lock_irq(xas)
        vm_bug_on_folio(nr_none != 0, new_page, f"rollback of {nr_none} holes too few")
        await xas_unlock_irq(xas)
        await folio_ref_unfreeze(new_page, 1)
        new_page.mapping = None
        await folio_unlock(new_page)
        await folio_put(new_page)
        return result

    # Replacing has succeeded: copy the content and free the old pages.
    for position in range(len(pagelist)):
        page = pagelist[position]
        await copy_highpage(new_page, page.index - start, page)
        await folio_unlock(page)
        await folio_ref_unfreeze(page, 1)
        page.mapping = None
        await folio_put(page)
    await kernel.retract_page_tables(mapping, start)
    # Everything is ready: unfreeze the new page.
    new_page.dirty = True
    await folio_mark_uptodate(new_page)
    await folio_ref_unfreeze(new_page, new_page.nr_pages)
    await folio_add_lru(new_page)
    await folio_unlock(new_page)
    return SCAN_SUCCEED


LINUX_4_8_MENDED: Final = LINUX_4_8.replace(
    name="linux-4.8-mended",
    summary="4.8, with a rollback that restores the counts: what older bugs are put back into",
    source="pagecache/mended/, and shmem_charge() of 4.20",
    collapse_file=collapse_4_8.collapse_file,
    shmem_charge=shmem_charge_4_20,
)

BUG: Final = Bug(
    number=10,
    name="slot-kept-without-the-lock",
    kernel=LINUX_4_8_MENDED.replace(
        name="b10-slot-kept-without-the-lock",
        summary="the huge page is stored through a pointer that was read before the lock was dropped",
        source="f3f0e1d2150b",
        collapse_file=collapse_file,
    ),
    fixed=LINUX_4_8_MENDED,
    fix="91a45f71078a",
    release="4.10",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_freed_memory_is_used", "no_kernel_assertion_fails", "no_livelock", "the_kernel_does_not_oops"),
    focus=Focus(
        (Collapse, PunchHole, Truncate, Load, Store),
        worlds=(
            WorldSpec(("hole",) * 4 + ("swapped", "hole"), size=6, vmas=(VmaSpec(end=6),)),
            WorldSpec(("data",) + ("hole",) * 3 + ("swapped", "hole"), size=6, vmas=(VmaSpec(end=6),)),
        ),
    ),
)
