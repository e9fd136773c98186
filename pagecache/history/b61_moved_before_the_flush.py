"""B61: a page is written to at the address at which it was, when write-back has found it at the new one.

Symptom: what was stored into a file is lost.

 1. mremap(): move_ptes() takes an entry that is dirty from one page table to another, and drops the locks of both.
 2. write-back: page_mkclean() finds the page at the new address, makes the entry there clean and read-only, and flushes
    the TLB for that address.  The page is clean, and written to the disk.
 3. a store: on a CPU whose TLB has the old address, dirty as it was.
 4. mremap(): move_page_tables() flushes the TLB.  The page is clean, and reclaim drops it.

Mistake: the TLB was flushed when all page tables had been moved, long after their locks had been dropped.  Fix:
5d1904204c99 ("mremap: fix race between mremap() and page cleanning"), by Aaron Lu, after Dave Hansen had found it by
inspection, two and a half years after the same in zap_pte_range() (B57): entries that are dirty are flushed before the
lock of the old page table is dropped.  The others had to wait for B62.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_write, spin_lock, spin_lock_nested, spin_unlock, up_write
from pagecache.mm import Vma, flush_tlb_range, pte_clear
from pagecache.mremap import flush_tlb_batched_pending, set_moved_pte
from pagecache.operations import Mremap, Store, Writeback
from pagecache.touched import PMDS, PTES, TLB
from pagecache.world import VmaSpec, WorldSpec


async def move_ptes(vma: Vma, new_vma: Vma, start: int, end: int, *, need_rmap_locks: bool) -> bool:
    """``move_ptes()`` before 4.9: the entries of one page table, or a part of it.

    Args:
        vma: from where.
        new_vma: to where.
        start: the first index.
        end: the index behind the last one.
        need_rmap_locks: see move_page_tables().

    Returns:
        False if one of the two page tables has gone.
    """
    mapping = vma.mapping
    if need_rmap_locks:
        await down_write(mapping.i_mmap_rwsem)
    old, new = vma.table(start), new_vma.table(start)
    await spin_lock(old.ptl, also=[(PMDS, False), (PTES, False), (TLB, False)])
    moved = old.present and new.present
    if moved:
        await spin_lock_nested(new.ptl, also=[(PTES, False), (TLB, False)])
        force_flush = False
        await flush_tlb_batched_pending(vma, start, end)
        for index in range(start, end):
            if index in vma.ptes:
                entry = await pte_clear(vma, index)
                force_flush |= entry.folio is not None
                await set_moved_pte(vma, new_vma, index, entry)
        await spin_unlock(new.ptl)
    await spin_unlock(old.ptl)
    if moved and force_flush:
        await flush_tlb_range(vma, start, end)
    if need_rmap_locks:
        await up_write(mapping.i_mmap_rwsem, also=[(PMDS, False)])
    return moved


WRITABLE: Final = VmaSpec(end=1, writable=True)

BUG: Final = Bug(
    number=61,
    name="moved-before-the-flush",
    kernel=LINUX_2026_MENDED.replace(
        name="b61-moved-before-the-flush",
        summary="mremap() flushes the TLB when it has dropped the locks of the page tables",
        source="before 5d1904204c99",
        move_ptes=move_ptes,
    ),
    fixed=LINUX_2026_MENDED,
    fix="5d1904204c99",
    release="4.9",
    minimum=Minimum(2, 4, 1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        programs=(((Store(0), Mremap(0, 1)), (Writeback(0), Store(0))),),
        worlds=(WorldSpec(("data", "dirty"), vmas=(WRITABLE, WRITABLE), backing="file"),),
    ),
)
