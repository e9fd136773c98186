"""move_normal_pmd() that asks for the userfaultfd before it wonders what is at the new address.

Since 6.13 (0cef0bb836e3) the page table of a VMA that is registered is not moved as a whole, so that write protection
can be taken from its entries.  So there may be a new page table when move_page_tables() comes by again:

 1. mremap() of 2 MB, registered for MISSING events: move_normal_pmd() says no, pte_alloc() sets up the new page table.
 2. collapse: retract_page_tables() takes the old page table away, with nothing but the locks of the page tables.
 3. mremap(): move_ptes() finds no page table (EAGAIN); move_page_tables() tries again, with move_normal_pmd(), which
    finds the new PMD established: WARN_ON_ONCE(!pmd_none(*new_pmd)).

Nothing is wrong but the warning (and whatever panic_on_warn makes of it).  move_huge_pmd() was told of that case when
retract_page_tables() came to do without the mmap_lock (1d65b771bc08).
"""

from __future__ import annotations

from pagecache.mm import Vma
from pagecache.mremap import move_pmd_if_present
from pagecache.step import warn_on_once

__all__ = ["move_normal_pmd"]


async def move_normal_pmd(vma: Vma, new_vma: Vma, index: int) -> bool:
    """``move_normal_pmd()``: the PMD is cleared, and its page table put into another one.

    Returns:
        False if there is none any more, or if write protection has to be taken from its entries.

    Raises:
        KernelBug: if there is a page table at the new address already, and one to be moved.
    """
    if vma.uffd_registered:
        return False
    warn_on_once("" if new_vma.table(index).none else "pmd_none(*new_pmd) is not so", "move_normal_pmd()")
    return await move_pmd_if_present(vma, new_vma, index)
