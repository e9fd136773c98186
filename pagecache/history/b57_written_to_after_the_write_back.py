"""B57: a page is written to by way of the TLB when write-back has found that nobody maps it.

Symptom: what was stored into a file is lost.

 1. munmap() or madvise(MADV_DONTNEED): under the page-table lock clears an entry that is dirty, and says so to the
    page; drops the lock.
 2. write-back: page_mkclean() finds no entry that maps the page, so that nobody can write to it any more; the page is
    clean, and written to the disk.
 3. a store: on a CPU whose TLB has the entry, dirty as it was.
 4. munmap(): flushes the TLB.  The page is clean, and reclaim drops it.

Mistake: the dirty bit was taken over before the TLB was flushed, and the lock that page_mkclean() takes dropped in
between.  Fix: 1cf35d47712d ("mm: split 'tlb_flush_mmu()' into tlb flushing and memory freeing parts"), by Linus
Torvalds: where a shared page was dirty, the TLB is flushed before the page-table lock is dropped.  That was half of it
(B58).
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma
from pagecache.operations import DontNeed, Munmap, Store, Writeback
from pagecache.step import UseAfterFree
from pagecache.world import VmaSpec, WorldSpec
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
    """``zap_pte_range()`` before 3.15: the entries of one page table.

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
        await spin_unlock(table.ptl)
        if delayed or force_break:
            await tlb_flush_mmu_tlbonly(vma, start, end)
            await tlb_flush_rmaps(delayed)
    if can_reclaim_pt and not direct_reclaim:
        await zap_pte_table_if_empty(vma, start)
    return True


BUG: Final = Bug(
    number=57,
    name="written-to-after-the-write-back",
    kernel=LINUX_2026_MENDED.replace(
        name="b57-written-to-after-the-write-back",
        summary="the TLB is flushed when write-back can have found a page unmapped",
        source="before 1cf35d47712d",
        zap_pte_range=zap_pte_range,
    ),
    fixed=LINUX_2026_MENDED,
    fix="1cf35d47712d",
    release="3.15",
    minimum=Minimum(2, 4, 1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        programs=tuple(
            ((Store(0), unmap), (Writeback(0), Store(0))) for unmap in (DontNeed(0), DontNeed(0, 2), Munmap())
        ),
        worlds=(WorldSpec(("data", "dirty"), vmas=(VmaSpec(writable=True),), backing="file"),),
    ),
)
