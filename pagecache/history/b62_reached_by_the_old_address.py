"""B62: a page is read at the address at which it was, when it has been freed (CVE-2018-18281).

Symptom: a load, or a store, reaches a page that belongs to somebody else by now.

 1. a load: its CPU has the page's address in the TLB.
 2. mremap(): move_ptes() takes the entry, which is clean, from one page table to another, and drops the locks of both.
 3. truncate: finds the entry at the new address, clears it, flushes the TLB for that address, and frees the page.
 4. a load: on the CPU of 1, at the old address.
 5. mremap(): move_page_tables() flushes the TLB.

Mistake: only for dirty entries was the TLB flushed before a lock was dropped (B61), and of the two locks it was that of
the old page table only, while whoever unmaps the page takes the one where it is.  Fix: eb66ae030829 ("mremap: properly
flush TLB before releasing the page"), by Linus Torvalds, after Jann Horn had found it: mremap() is special in that it
takes no reference when it takes an entry away, so whoever holds the lock of the new page table may free the page.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_write, spin_lock, spin_lock_nested, spin_unlock, up_write
from pagecache.mm import Vma, flush_tlb_range, pte_clear
from pagecache.mremap import flush_tlb_batched_pending, set_moved_pte
from pagecache.operations import Load, Mremap, PunchHole, Truncate
from pagecache.touched import PMDS, PTES, TLB
from pagecache.world import VmaSpec, WorldSpec


async def move_ptes(vma: Vma, new_vma: Vma, start: int, end: int, *, need_rmap_locks: bool) -> bool:
    """``move_ptes()`` from 4.9 to 4.18: the entries of one page table, or a part of it.

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
        force_flush = need_flush = False
        await flush_tlb_batched_pending(vma, start, end)
        for index in range(start, end):
            if index in vma.ptes:
                entry = await pte_clear(vma, index)
                force_flush |= entry.folio is not None and entry.dirty
                need_flush |= entry.folio is not None
                await set_moved_pte(vma, new_vma, index, entry)
        await spin_unlock(new.ptl)
        if force_flush:
            await flush_tlb_range(vma, start, end)
    await spin_unlock(old.ptl)
    if moved and need_flush:
        await flush_tlb_range(vma, start, end)
    if need_rmap_locks:
        await up_write(mapping.i_mmap_rwsem, also=[(PMDS, False)])
    return moved


READ: Final = VmaSpec(end=1)

BUG: Final = Bug(
    number=62,
    name="reached-by-the-old-address",
    kernel=LINUX_2026_MENDED.replace(
        name="b62-reached-by-the-old-address",
        summary="mremap() flushes the TLB for clean entries when it has dropped the locks of the page tables",
        source="before eb66ae030829",
        move_ptes=move_ptes,
    ),
    fixed=LINUX_2026_MENDED,
    fix="eb66ae030829",
    release="4.19",
    minimum=Minimum(2, 4, 1),
    breaks=("no_freed_memory_is_used",),
    focus=Focus(
        programs=tuple(((Load(0), Mremap(0, 1)), (remove, Load(0))) for remove in (Truncate(0), PunchHole(0))),
        worlds=(WorldSpec(vmas=(READ, READ)),),
    ),
)
