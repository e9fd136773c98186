"""B56: madvise(MADV_DONTNEED) returns, and a CPU still sees what was there.

Symptom: memory that was given back is read, and written to, by way of the TLB.

 1. madvise(MADV_DONTNEED): clears the page-table entry, drops the lock; the TLB is flushed later, with those of other
    pages.
 2. another one, of the same page: finds nothing, so that it has nothing to flush, and returns.
 3. a load, or a store, after that: the TLB has the page as before.
 4. the first one: flushes the TLB.

Mistake: each remembers the range that it has cleared itself, and both hold the mmap_lock for reading.  Fix:
99baac21e458 ("mm: fix MADV_[FREE|DONTNEED] TLB flush miss problem"), by Minchan Kim; Nadav Amit had found it: who is
not alone in a process flushes all of his range.

Here the memory is a private copy of a page of a file.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma, flush_tlb_page
from pagecache.operations import DontNeed, Load, Store
from pagecache.touched import PMDS
from pagecache.world import VmaSpec, WorldSpec


async def tlb_finish_mmu(vma: Vma, start: int, end: int, zapped: list[Folio]) -> None:
    """``tlb_finish_mmu()`` before 4.14: no CPU reaches any of the pages that he has cleared.

    And what reclaim has cleared is flushed, too (flush_tlb_batched_pending()).

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        zapped: what he has cleared himself.
    """
    for index in range(start, end):
        if index in vma.tlb and (vma.mm.tlb_flush_batched or vma.tlb[index].folio in zapped):
            await flush_tlb_page(vma, index, also=[(PMDS, False)])


BUG: Final = Bug(
    number=56,
    name="flush-of-somebody-else",
    kernel=LINUX_2026_MENDED.replace(
        name="b56-flush-of-somebody-else",
        summary="who zaps what somebody else is zapping returns before the TLB is flushed",
        source="before 99baac21e458",
        tlb_finish_mmu=tlb_finish_mmu,
    ),
    fixed=LINUX_2026_MENDED,
    fix="99baac21e458",
    release="4.14",
    minimum=Minimum(2, 4, 1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        programs=tuple(((Store(0), one), (DontNeed(0), Load(0))) for one in (DontNeed(0), DontNeed(0, 2))),
        worlds=(WorldSpec(vmas=(VmaSpec(private=True),)),),
    ),
)
