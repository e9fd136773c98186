"""Emptying page tables, and finding those of a file (``mm/memory.c``: zap_page_range(), unmap_mapping_range())."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pagecache.folio import Folio, folio_put, vm_bug_on_folio
from pagecache.huge_pmd import BEHIND_A_PMD, flush_pmd_tlb_range, split_huge_pmd, sync_with_folio_pmd_zap, zap_huge_pmd
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, spin_lock, spin_trylock, spin_unlock, up_read
from pagecache.mm import Vma, flush_tlb_page, pmd_clear, pte_changed, pte_clear, pte_install_uffd_wp_if_needed
from pagecache.pte import MARKER_UFFD_WP, ZERO_PAGE, Pte, pte_target
from pagecache.step import Target, UseAfterFree, step
from pagecache.touched import PMDS, PTES, TLB

__all__ = [
    "ZapDetails",
    "do_zap_pte_range",
    "looked_at_by_a_zap",
    "tlb_finish_mmu",
    "tlb_flush_mmu_tlbonly",
    "tlb_flush_rmaps",
    "unmap_mapping_folio",
    "unmap_mapping_range",
    "zap_empty_pte_table",
    "zap_page_range",
    "zap_page_range_single",
    "zap_pte_range",
    "zap_pte_table_if_empty",
]


class ZapDetails(NamedTuple):
    """``struct zap_details``.

    Args:
        single_folio: the locked folio about which it is: it is to be mapped no more.
        even_cows: also the private copies?
        drop_markers: ZAP_FLAG_DROP_MARKER; without it write protection outlives the mapping, as a marker.
        reclaim_pt: take out the page tables of which nothing is left, too (6375e95f381e).
    """

    single_folio: Folio | None = None
    even_cows: bool = True
    drop_markers: bool = False
    reclaim_pt: bool = False


NO_DETAILS: Final = ZapDetails()


async def zap_page_range(vma: Vma, start: int, end: int, details: ZapDetails = NO_DETAILS) -> list[Folio]:
    """``zap_pmd_range()``, PMD by PMD: clear, flush, and only then let go of the pages (mmu_gather).

    A PMD that maps a huge page is cleared as a whole even if the range covers only a part of it: what is left is
    faulted in again, page by page.

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        details: what else.

    Returns:
        The folios that were mapped; their references are the caller's to drop.
    """
    zapped: list[Folio] = []
    order = vma.mapping.hpage_pmd_order
    kernel = vma.mapping.kernel
    vma.mm.tlb_flush_pending += 1  # tlb_gather_mmu()
    for number in range(len(vma.tables)):
        first, last = max(start, vma.start, number << order), min(end, vma.end, (number + 1) << order)
        done = first >= last
        while not done:
            done = await _zap_pmd(vma, first, last, details, zapped)
    await kernel.tlb_finish_mmu(vma, max(start, vma.start), min(end, vma.end), zapped)
    vma.mm.tlb_flush_pending -= 1
    return zapped


async def zap_page_range_single(vma: Vma, start: int, end: int, details: ZapDetails = NO_DETAILS) -> None:
    """``zap_page_range_single()``: zap_page_range(), and let go of the pages."""
    zapped = await zap_page_range(vma, start, end, details)
    for position in range(len(zapped)):
        await folio_put(zapped[position], also=[(PMDS, False)])  # of the next VMA


async def _zap_pmd(vma: Vma, first: int, last: int, details: ZapDetails, zapped: list[Folio]) -> bool:
    """One PMD of ``zap_pmd_range()``; false if its page table went away meanwhile: it is to be looked at again."""
    if vma.huge:
        await step("pmd_offset", vma, first, target=("pmd", vma.number), also=BEHIND_A_PMD)
        order = vma.mapping.hpage_pmd_order
        whole = last - first == 1 << order
        single_folio = details.single_folio
        table = vma.table(first)
        if table.huge is not None:
            if not whole:
                await split_huge_pmd(vma, first)
            else:
                cleared = await zap_huge_pmd(vma, first, zapped)
                if cleared:
                    await flush_pmd_tlb_range(vma, first)
                    return True
        elif single_folio is not None and single_folio.order == order and whole and table.none:
            # "Take and drop THP pmd lock so that we cannot return prematurely, while zap_huge_pmd() has cleared
            # *pmd, but not yet decremented compound_mapcount()."
            await sync_with_folio_pmd_zap(vma)
    if not vma.table(first).present:
        return True
    return await vma.mapping.kernel.zap_pte_range(vma, first, last, details, zapped)  # type: ignore[no-any-return]


async def zap_pte_range(vma: Vma, start: int, end: int, details: ZapDetails, zapped: list[Folio]) -> bool:
    """``zap_pte_range()``: the entries of one page table.

    The page-table lock is taken wherever there is a table, whether or not something is mapped: that is what
    shmem_mfill_atomic_pte() relies on to "serialize against truncate with the page table lock".  An
    entry that try_to_unmap() has emptied without a flush so far is flushed, too
    (flush_tlb_batched_pending()): once munmap() has returned, no CPU reaches the page.

    A page of a file to which a CPU may still write by way of the TLB is another matter: folio_mkclean() must not find
    it unmapped, and make it clean, before the TLB is flushed.  So that is flushed before the lock is dropped
    (1cf35d47712d), and only then is the page no longer counted as mapped (5df397dec7c4).

    Whoever holds one of the locks under which page tables may be walked relies on it that a PMD that points to a page
    table still does when it comes to the entries (8d3c106e19e8).

    With ``reclaim_pt`` the page table goes, too, if the range covers all of it and nothing stays in it.  If the
    lock has been dropped meanwhile, or the PMD lock cannot be had at once, it is looked through once more ("preventing
    the pte entries from being repopulated by another thread").  Here the lock is dropped only where there is no memory
    to note which pages are to be freed, and only with ``reclaim_pt``; in Linux also when somebody else wants the CPU.

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        details: what else.
        zapped: the folios that were mapped are put at its end, with their references.

    Returns:
        False if there is no page table any more (pte_offset_map_lock() of 6.5).

    Raises:
        UseAfterFree: if the page table was freed in between.
    """
    table = vma.table(start)
    generation = table.generation
    can_reclaim_pt = details.reclaim_pt and range(start, end) == vma.pmd_range(start)
    direct_reclaim = True
    index = start
    while index < end:
        await spin_lock(table.ptl, also=looked_at_by_a_zap(start, end))
        if table.generation != generation:
            raise UseAfterFree(f"zap_pte_range() locks a page table of {vma} at index {start} that has been freed")
        if vma.table(start) is not table or not table.present:
            await spin_unlock(table.ptl)
            return False
        delayed: list[Folio] = []
        force_break = False
        while index < end and not force_break:
            delay_rmap, force_break = await do_zap_pte_range(vma, index, details, zapped)
            if delay_rmap:
                delayed.append(zapped[-1])
            can_reclaim_pt &= index not in vma.ptes  # any_skipped
            index += 1
        direct_reclaim &= not force_break
        if can_reclaim_pt and direct_reclaim and index == end:
            direct_reclaim = await zap_empty_pte_table(vma, start)
        if delayed or force_break:
            await tlb_flush_mmu_tlbonly(vma, start, end)
            await tlb_flush_rmaps(delayed)
        await spin_unlock(table.ptl)
    if can_reclaim_pt and not direct_reclaim:
        await zap_pte_table_if_empty(vma, start)
    return True


async def do_zap_pte_range(vma: Vma, index: int, details: ZapDetails, zapped: list[Folio]) -> tuple[bool, bool]:
    """``do_zap_pte_range()`` of one entry, under the page-table lock.

    Returns:
        Whether the page counts as mapped until the TLB is flushed, since it is of a file and has been written to by way
        of this entry; and whether there is no memory to note any more pages (tlb_next_batch()).
    """
    if index not in vma.ptes or not _should_zap(vma.ptes[index], details):
        return False, False
    entry = await pte_clear(vma, index, also=BEHIND_A_PMD)
    if not details.drop_markers:
        pte_install_uffd_wp_if_needed(vma, index, entry)
    if entry.folio is None:
        return False, False
    entry.folio.dirty |= entry.dirty  # folio_mark_dirty()
    zapped.append(entry.folio)
    delay_rmap = entry.dirty and not entry.folio.anon
    entry.folio.mapcount -= not delay_rmap
    if not details.reclaim_pt:
        return delay_rmap, False
    current = await step("tlb_next_batch", fails="ENOMEM")
    return delay_rmap, current.failing


async def zap_empty_pte_table(vma: Vma, index: int) -> bool:
    """``zap_empty_pte_table()``: take out a page table that has just been emptied; its lock is held since.

    Here the lock of another PMD may be the one that is held (``spin_trylock()`` fails where an allocation would).

    Returns:
        False if the PMD lock, which comes first, cannot be had.
    """
    locked = await spin_trylock(vma.mm.pml, also=[(PMDS, True), (PTES, True), (TLB, False)])
    if not locked:
        return False
    await pmd_clear(vma, index)
    await spin_unlock(vma.mm.pml)
    return True


async def zap_pte_table_if_empty(vma: Vma, index: int) -> None:
    """``zap_pte_table_if_empty()``: take out the page table if there is one, and nothing in it."""
    table = vma.table(index)
    await spin_lock(vma.mm.pml, also=BEHIND_A_PMD)
    if table.present:
        await spin_lock(table.ptl, also=BEHIND_A_PMD)
        if all(one not in vma.ptes for one in vma.pmd_range(index)):
            await pmd_clear(vma, index)
        await spin_unlock(table.ptl)
    await spin_unlock(vma.mm.pml)


async def tlb_finish_mmu(vma: Vma, start: int, end: int, zapped: list[Folio]) -> None:
    """``tlb_finish_mmu()``: no CPU reaches any of the pages any more; their references are dropped by the caller.

    Who is not alone in a process flushes all of his range, also what somebody else has cleared, and is about to flush
    only later (mm_tlb_flush_nested(), 99baac21e458): when his madvise(MADV_DONTNEED) returns, no CPU sees what was
    there.  And what reclaim has cleared is flushed, too (flush_tlb_batched_pending(), here at the end).

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        zapped: what he has cleared himself.
    """
    all_of_it = vma.mm.tlb_flush_pending > 1 or vma.mm.tlb_flush_batched
    for index in range(start, end):
        if index in vma.tlb and (all_of_it or vma.tlb[index].folio in zapped):
            await flush_tlb_page(vma, index, also=looked_at_by_a_zap(start, end))


async def tlb_flush_mmu_tlbonly(vma: Vma, start: int, end: int) -> None:
    """``tlb_flush_mmu_tlbonly()``: flush what the TLB has of the indices ``start`` to ``end - 1``."""
    for index in range(start, end):
        if index in vma.tlb:
            await flush_tlb_page(vma, index, also=looked_at_by_a_zap(start, end))


def looked_at_by_a_zap(start: int, end: int) -> list[tuple[Target, bool]]:
    """What is looked at behind the steps of a zap: the TLB, and the next page table."""
    return [*BEHIND_A_PMD, *((pte_target(index), True) for index in range(start, end))]


async def tlb_flush_rmaps(delayed: Sequence[Folio]) -> None:
    """``tlb_flush_rmaps()``: once the TLB has been flushed, they count no longer as mapped by entries that are gone."""
    for position in range(len(delayed)):
        folio = delayed[position]
        changed = [*pte_changed(folio), *BEHIND_A_PMD]
        await step("folio_remove_rmap_pte", folio, target=("refcount", folio.number), writes=True, also=changed)
        folio.mapcount -= 1


def _should_zap(entry: Pte, details: ZapDetails) -> bool:
    """``zap_drop_markers()``, ``should_zap_folio()``: private copies only if asked for; the zero page is none."""
    if entry.kind == MARKER_UFFD_WP:
        return details.drop_markers
    return details.even_cows or entry.kind == ZERO_PAGE or entry.folio is None or not entry.folio.anon


async def unmap_mapping_range(mapping: AddressSpace, start: int, end: int, *, even_cows: bool = True) -> None:
    """``unmap_mapping_range()``: zap whatever maps indices ``start`` to ``end - 1``, in every VMA.

    It does not lock the folios: a fault may map one again at once.

    Args:
        mapping: the file.
        start: the first index.
        end: the index behind the last one.
        even_cows: also the private copies?  A truncate takes them, a hole punch does not.
    """
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        await zap_page_range_single(vma, start, end, ZapDetails(even_cows=even_cows))
    await up_read(mapping.i_mmap_rwsem)


async def unmap_mapping_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``unmap_mapping_folio()`` of a locked folio: zap what maps it, and wait for whoever is about to.

    "Typically, for efficiency, the range of nearby pages has already been unmapped by unmap_mapping_range().  But once
    truncation or invalidation holds the lock on a page, it may find that the page has been remapped again."
    """
    vm_bug_on_folio(folio.locked_by is None, folio, "unmap_mapping_folio() without its lock")
    details = ZapDetails(folio, even_cows=False, drop_markers=True)
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        await zap_page_range_single(vma, folio.index, folio.next_index, details)
    await up_read(mapping.i_mmap_rwsem)
