"""set_huge_pmd() that maps no huge page that has never been cleared, and none across the end of a regular file.

What MADV_COLLAPSE finds is not always what collapse_file() has made:

 1. ``fallocate()`` reserves a huge page of a file on a mount with ``huge=always``.  It stays !uptodate, and is not
    cleared: whoever uses it first will do that (shmem_get_folio()).
 2. ``madvise(MADV_COLLAPSE)``: the scan finds a folio of PMD order, SCAN_PTE_MAPPED_HUGEPAGE.  Nothing is left to do
    for collapse_file(), which would ask for its content.
 3. collapse_pte_mapped_thp() locks the folio and maps it by a PMD.
 4. A load reads what whoever had the memory before has left there.

And what collapse_file() has made may lie behind the end of a regular file, where page faults, since 74207de2ba10, map
nothing, but for shmem:

 1. ``madvise(MADV_COLLAPSE)``: page_cache_sync_readahead() has read ``i_size``.
 2. ``truncate(0)``.
 3. It takes the invalidate_lock, and reads pages that the file does not have any more: zeroes.  collapse_file() makes
    a huge page of them, and collapse_pte_mapped_thp() maps it by a PMD.
 4. A load gets zeroes instead of a SIGBUS, for as long as the PMD stays.

With a dirty huge page that a truncate could not split no race is needed: it lies across the end.

Here a folio must be uptodate to be mapped, and end within ``i_size``.  The folio's lock keeps it what it is, and
whoever lowers ``i_size`` comes for the folio afterwards.
"""

from __future__ import annotations

from pagecache.collapse import madvise
from pagecache.collapse.scan import SCAN_FAIL
from pagecache.folio import Folio
from pagecache.inode import i_size_read
from pagecache.mm import Vma

__all__ = ["set_huge_pmd"]


async def set_huge_pmd(vma: Vma, start: int, folio: Folio) -> str:
    """``set_huge_pmd()`` of the locked ``folio``, if it has been cleared and is within the file."""
    if not folio.uptodate:
        return SCAN_FAIL
    if vma.mapping.regular is not None:
        size = await i_size_read(vma.mapping.host)
        if size < folio.next_index:
            return SCAN_FAIL
    return await madvise.set_huge_pmd(vma, start, folio)
