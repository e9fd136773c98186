"""set_huge_pmd() that maps no huge page that has never been cleared.

 1. ``fallocate()`` reserves a huge page of a file on a mount with ``huge=always``.  It stays !uptodate, and is not
    cleared: whoever uses it first will do that (shmem_get_folio()).
 2. ``madvise(MADV_COLLAPSE)``: the scan finds a folio of PMD order, SCAN_PTE_MAPPED_HUGEPAGE.  Nothing is left to do
    for collapse_file(), which would ask for its content.
 3. collapse_pte_mapped_thp() locks the folio and maps it by a PMD.
 4. A load reads what whoever had the memory before has left there.

Here a folio must be uptodate to be mapped.  The folio's lock keeps it what it is.
"""

from __future__ import annotations

from pagecache.collapse import madvise
from pagecache.collapse.scan import SCAN_FAIL
from pagecache.folio import Folio
from pagecache.mm import Vma

__all__ = ["set_huge_pmd"]


async def set_huge_pmd(vma: Vma, start: int, folio: Folio) -> str:
    """``set_huge_pmd()`` of the locked ``folio``, if it has been cleared."""
    if not folio.uptodate:
        return SCAN_FAIL
    return await madvise.set_huge_pmd(vma, start, folio)
