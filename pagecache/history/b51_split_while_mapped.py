"""B51: a huge page is split while it is still mapped.

Symptom: "Stressing huge tmpfs often crashed on unmap_page()'s VM_BUG_ON_PAGE(!unmap_success): with dump_page() showing
mapcount:1, but then its raw struct page output showing _mapcount ffffffff i.e. mapcount 0."

 1. munmap: zap_huge_pmd() clears the PMD that maps the huge page; its mapcount is 1 as yet.
 2. punch: is to free a part of the page, has locked it, and splits it: try_to_unmap() finds pmd_none() and has
    nothing to do, without any lock.
 3. punch: the page is still mapped: VM_BUG_ON_PAGE().
 4. munmap: lowers the mapcount, and lets go of the PMD lock.

Mistake: that of B36, in the other direction: an entry that is gone says nothing about the mapcount.  Without
CONFIG_DEBUG_VM nothing happens but that the split fails: munmap() still has its reference.  Fix: 732ed55823fc ("mm/thp:
try_to_unmap() use TTU_SYNC for safe splitting"), by Hugh Dickins: take and drop the page-table lock where nothing is
found.  (504e070dc08f made a warning of the assertion all the same.)
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, drop_references
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.huge_pmd import split_huge_pmd_of_folio
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import flush_tlb_page, pte_changed, pte_clear, pte_install_uffd_wp_if_needed
from pagecache.operations import Munmap, PunchHole, Split, Truncate
from pagecache.rmap import finds_huge_pmd
from pagecache.touched import PTES
from pagecache.world import VmaSpec, WorldSpec


async def try_to_unmap(
    mapping: AddressSpace, folio: Folio, *, rmap_locked: bool = False, batch_flush: bool = False, sync: bool = False
) -> None:
    """``try_to_unmap()`` without TTU_SYNC: empty every page-table entry that maps the locked ``folio``.

    Args:
        mapping: the file.
        folio: locked by the caller, so that no new entry can appear.
        rmap_locked: TTU_RMAP_LOCKED, the caller holds ``i_mmap_rwsem``.
        batch_flush: TTU_BATCH_FLUSH, the TLB is flushed by a later try_to_unmap_flush(); until then CPUs
            still reach the page through old entries.
        sync: nobody knows it.
    """
    del sync
    if not rmap_locked:
        await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        huge = await finds_huge_pmd(vma, folio, sync=False)
        if huge:
            await split_huge_pmd_of_folio(vma, folio)  # TTU_SPLIT_HUGE_PMD
        for index in range(folio.index, folio.next_index):
            # page_vma_mapped_walk() peeks before it takes the lock.
            if vma.mapped(index) is not folio:
                continue
            table = vma.table(index)
            await spin_lock(table.ptl, also=[(PTES, False)])
            if table.vma.mapped(index) is folio:
                entry = await pte_clear(table.vma, index)
                pte_install_uffd_wp_if_needed(table.vma, index, entry)
                vma.mm.tlb_flush_batched |= batch_flush
                if not batch_flush:
                    await flush_tlb_page(vma, index, also=pte_changed(folio))
                folio.dirty |= entry.dirty  # "Move the dirty bit to the folio now the pte is gone."
                folio.mapcount -= 1
                # page_remove_rmap(), then folio_put(): the cache's reference remains.
                drop_references(folio, 1)
            await spin_unlock(table.ptl)
    if not rmap_locked:
        await up_read(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=51,
    name="split-while-mapped",
    kernel=LINUX_2026_MENDED.replace(
        name="b51-split-while-mapped",
        summary="a huge page is still mapped when it is split",
        source="before 732ed55823fc",
        try_to_unmap=try_to_unmap,
    ),
    fixed=LINUX_2026_MENDED,
    fix="732ed55823fc",
    release="5.13",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Munmap, PunchHole, Split, Truncate),
        worlds=(
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)), VmaSpec("B", huge=True)), large=((0, 1),)),
        ),
    ),
)
