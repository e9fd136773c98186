"""The first version of February 2023: skip shmem whose VMA has an armed userfaultfd.

As :mod:`pagecache.collapse.linux_6_2`, and

  - remember, before the mmap_lock is released, whether the VMA is armed: then a range with a hole is not
    even tried;
  - take the mmap_lock for reading from the scan to the end (after xas_create_range(), whose loop ends with the
    xa_lock held);
  - at a hole, give up if the VMA is armed.

Known about it: it looks at one VMA, while another one, of this process or of another, may be the armed
one (Peter Xu); the VMA may be gone by the time it is looked at again (Yang Shi); the mmap_lock sleeps; and
as it is held for reading, retract_page_tables() cannot have it for writing.

From: David Stevens, "mm/khugepaged: skip shmem with armed userfaultfd", 1 February 2023.
<20230201034137.2463113-1-stevensd@google.com>
"""

from __future__ import annotations

from pagecache.collapse.scan import (
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_EXCEED_SWAP_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_LOCK,
    SCAN_PAGE_LRU,
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
    folio_ref_count,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, rcu_read_lock, rcu_read_unlock, up_read
from pagecache.mm import Mm, userfaultfd_missing
from pagecache.rmap import try_to_unmap_flush
from pagecache.shmem import SGP_NOALLOC
from pagecache.xarray import (
    ValueEntry,
    XaState,
    xa_is_retry,
    xas_create_range,
    xas_get_order,
    xas_load,
    xas_lock_irq,
    xas_next_entry,
    xas_nomem,
    xas_retry,
    xas_set,
    xas_set_order,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["collapse_file", "hpage_collapse_scan_file"]


async def hpage_collapse_scan_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``hpage_collapse_scan_file()`` of v1: an armed VMA must have no hole, whatever else was found."""
    uffd_was_armed = userfaultfd_missing(cc.vma)
    await up_read(mm.mmap_lock)
    xas = XaState(mapping.i_pages, start)
    end = start + (1 << mapping.hpage_pmd_order)
    result = SCAN_SUCCEED
    present = swap = 0
    await rcu_read_lock()
    index = start
    while index < end:
        xas_set(xas, index)
        entry = await xas_load(xas)
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, ValueEntry) and cc.is_khugepaged:
            order = await xas_get_order(xas)
            swap += 1 << order
            if swap > cc.max_ptes_swap:
                result = SCAN_EXCEED_SWAP_PTE
                break
            index = (index >> order) + 1 << order
            continue
        index += 1
        if not isinstance(entry, Folio):
            continue
        if entry.order:
            huge = entry.order == mapping.hpage_pmd_order and entry.index == start
            result = SCAN_PTE_MAPPED_HUGEPAGE if huge else SCAN_PAGE_COMPOUND
            break
        if not entry.lru:
            result = SCAN_PAGE_LRU
            break
        refcount = await folio_ref_count(entry)
        if refcount != 1 + entry.mapcount:
            result = SCAN_PAGE_COUNT
            break
        present += 1
    await rcu_read_unlock()
    if uffd_was_armed and present < end - start:
        result = SCAN_EXCEED_SWAP_PTE
    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
        result = SCAN_EXCEED_NONE_PTE
    if result != SCAN_SUCCEED:
        return result
    return await mapping.kernel.collapse_file(mm, mapping, start, cc)  # type: ignore[no-any-return]


async def collapse_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """See the module's text; returns a SCAN result."""
    kernel = mapping.kernel
    order = mapping.hpage_pmd_order
    end = start + (1 << order)
    pagelist: list[Folio] = []
    nr_none = 0
    mmap_locked = False

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

        await down_read(mm.mmap_lock)
        mmap_locked = True
        # The xa_lock is held at each loop head.
        xas.order = 0
        for index in range(start, end):
            xas_set(xas, index)
            folio = await xas_load(xas)
            if folio is None:
                if userfaultfd_missing(cc.vma):
                    await xas_unlock_irq(xas)
                    raise Rollback(SCAN_EXCEED_NONE_PTE)
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
        hpage.mapping = None
        if mmap_locked:
            await up_read(mm.mmap_lock)
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
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    hpage.dirty = True
    await folio_add_lru(hpage)
    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)
    await up_read(mm.mmap_lock)
    return SCAN_SUCCEED
