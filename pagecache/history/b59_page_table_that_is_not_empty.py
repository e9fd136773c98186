"""B59: madvise(MADV_DONTNEED) frees a page table in which there is something.

Symptom: "BUG: Bad rss-counter state", and a page that leaves the page cache and counts as mapped (fstests generic/437,
on 6.14-rc1).

 1. madvise(MADV_DONTNEED): clears the first entries of a page table, and drops its lock: somebody wants the CPU, or
    there is no memory for the list of pages that are to be freed.
 2. a fault: maps a page there again.
 3. madvise(MADV_DONTNEED): takes the lock, clears the other entries; the end of the range is reached, so all must be
    empty.  It has the PMD lock at once, and takes the page table out.

Mistake: that the lock was dropped in between was thought of only where the PMD lock cannot be had.  Fix: "mm: pgtable:
fix incorrect reclaim of non-empty PTE pages", by Qi Zheng (`<20250211072625.89188-1-zhengqi.arch@bytedance.com>`).
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma
from pagecache.operations import DontNeed, Load, Store
from pagecache.step import UseAfterFree
from pagecache.zap import (
    ZapDetails,
    do_zap_pte_range,
    looked_at_by_a_zap,
    tlb_flush_mmu_tlbonly,
    tlb_flush_rmaps,
    zap_empty_pte_table,
    zap_pte_table_if_empty,
)


async def zap_pte_range(vma: Vma, start: int, end: int, details: ZapDetails, zapped: list[Folio]) -> bool:
    """``zap_pte_range()`` of 6.14-rc1: the entries of one page table.

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        details: what else.
        zapped: the folios that were mapped are put at its end, with their references.

    Returns:
        False if there is no page table any more.

    Raises:
        UseAfterFree: if the page table was freed in between.
    """
    table = vma.table(start)
    generation = table.generation
    can_reclaim_pt = details.reclaim_pt and range(start, end) == vma.pmd_range(start)
    direct_reclaim = False
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
        if delayed or force_break:
            await tlb_flush_mmu_tlbonly(vma, start, end)
            await tlb_flush_rmaps(delayed)
        if can_reclaim_pt and index == end:
            direct_reclaim = await zap_empty_pte_table(vma, start)
        await spin_unlock(table.ptl)
    if can_reclaim_pt and not direct_reclaim:
        await zap_pte_table_if_empty(vma, start)
    return True


BUG: Final = Bug(
    number=59,
    name="page-table-that-is-not-empty",
    kernel=LINUX_2026_MENDED.replace(
        name="b59-page-table-that-is-not-empty",
        summary="a page table is freed that has been filled again behind madvise(MADV_DONTNEED)",
        source="6375e95f381e",
        zap_pte_range=zap_pte_range,
    ),
    fixed=LINUX_2026_MENDED,
    fix="Qi Zheng, February 2025",
    release="6.14",
    minimum=Minimum(2, 2, 1),
    breaks=("every_reference_is_accounted_for", "nothing_leaks"),
    focus=Focus(
        operations=(DontNeed(0, 2), Load, Store),
        features={"pages": ("data",), "vmas": (1, 2)},
        failures=True,
    ),
)
