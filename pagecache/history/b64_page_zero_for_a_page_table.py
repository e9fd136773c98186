"""B64: mremap() moves a page table that a collapse has taken away (CVE-2024-50066).

Symptom: the page at physical address 0 becomes a page table, for user space to write to.

 1. mremap(): move_page_tables() sees that the PMD at the old address points to a page table, all of which is to be
    moved; takes the i_mmap_rwsem.
 2. collapse: retract_page_tables() has come first, and has taken the page table away.
 3. mremap(): move_normal_pmd() takes the locks of both PMDs, clears the one, which is empty, and populates the other
    with what it takes for the page table (pmd_pgtable()).

Mistake: none before 6.6; retract_page_tables() took the mmap_lock, and left a process alone that is in mremap().  Since
1d65b771bc08 it holds the i_mmap_rwsem and the locks of the page tables.  Fix: 6fa1066fc5d0 ("mm/mremap: fix
move_normal_pmd/retract_page_tables race"), by Jann Horn: look again under the locks.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, flush_tlb_range, pmd_move
from pagecache.operations import Collapse, Load, Mremap
from pagecache.step import warn_on_once
from pagecache.touched import PMDS, PTES, TLB


async def move_normal_pmd(vma: Vma, new_vma: Vma, index: int) -> bool:
    """``move_normal_pmd()`` before 6.12: the PMD is cleared, and its page table put into another one.

    Returns:
        False if write protection has to be taken from its entries.

    Raises:
        KernelBug: if there is a page table at the new address already, or none at the old one any more.
    """
    if vma.uffd_registered:
        return False
    warn_on_once("" if new_vma.table(index).none else "pmd_none(*new_pmd) is not so", "move_normal_pmd()")
    await spin_lock(vma.mm.pml, also=[(PMDS, True), (PTES, True), (TLB, False)])
    there = vma.pmd_range(index)
    await pmd_move(vma, new_vma, index)
    await flush_tlb_range(vma, there.start, there.stop)
    await spin_unlock(vma.mm.pml)
    return True


BUG: Final = Bug(
    number=64,
    name="page-zero-for-a-page-table",
    kernel=LINUX_2026_MENDED.replace(
        name="b64-page-zero-for-a-page-table",
        summary="mremap() does not look again whether there still is a page table to be moved",
        source="before 6fa1066fc5d0",
        move_normal_pmd=move_normal_pmd,
    ),
    fixed=LINUX_2026_MENDED,
    fix="6fa1066fc5d0",
    release="6.12",
    minimum=Minimum(2, 2, 2),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Collapse, Mremap, Load),
        features={
            "pages": ("data",),
            "hpage_order": (1,),
            "huge_pages": (1,),
            "vmas": (2,),
            "vma.mm": ("A",),
            "vma.range": ((0, 2),),
        },
    ),
)
