"""B54: collapse_pte_mapped_thp() takes a page table out that it has emptied, and UFFDIO_COPY has filled again.

Symptom: the page is lost ("BUG: Bad rss-counter state"), and the mapping shows what the file has.

 1. collapse: under the page-table lock, finds nothing but pages of the huge page, and clears the entries.
 2. UFFDIO_COPY: maps a page of a private mapping's own.
 3. collapse: takes the PMD lock and the page-table lock, and removes the page table, with the page.

Mistake: the lock of the huge page was to keep the page table empty, but UFFDIO_COPY into a private mapping does not
ask for the page of the file.  It came when the mmap_lock was held for reading only (1043173eb5eb, 6.6-rc1).  Fix:
a98460494b16 ("mm/khugepaged: fix collapse_pte_mapped_thp() versus uffd"), by Hugh Dickins; Jann Horn had shown it:
there the PMD lock is taken first, so that the page-table lock need not be dropped.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.madvise import map_huge_page
from pagecache.collapse.scan import SCAN_FAIL, SCAN_PAGE_COMPOUND, SCAN_VMA_CHECK
from pagecache.folio import folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, up_read
from pagecache.mm import Vma, find_vma
from pagecache.operations import Collapse, Load, Store, UffdCopy
from pagecache.regular.read import filemap_lock_folio
from pagecache.world import VmaSpec, WorldSpec


async def collapse_pte_mapped_thp_6_6(vma: Vma, start: int, *, install_pmd: bool = True) -> str:
    """``collapse_pte_mapped_thp()`` of 6.6-rc1: map the huge page at ``start`` by a PMD.

    Without ``install_pmd`` (khugepaged) only the page table goes, so that the next fault does it.

    The page table is freed after a grace period of RCU (pte_free_defer()), so that page-table locks are enough.

    Returns:
        SCAN_SUCCEED also if it is mapped so already.
    """
    await down_read(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None or vma.uffd_wp:
        # "Keep pmd pgtable for uffd-wp": there may be markers in it (SCAN_PTE_UFFD_WP).
        await up_read(vma.mm.mmap_lock)
        return SCAN_VMA_CHECK
    result = SCAN_FAIL
    folio = await filemap_lock_folio(vma.mapping, start)
    if folio is not None:
        result = SCAN_PAGE_COMPOUND
        if folio.order == vma.mapping.hpage_pmd_order:
            result = await map_huge_page(vma, start, folio, install_pmd=install_pmd, hold_locks=False)
        await folio_unlock(folio)
        await folio_put(folio)
    await up_read(vma.mm.mmap_lock)
    return result


BUG: Final = Bug(
    number=54,
    name="copy-lost",
    kernel=LINUX_2026_MENDED.replace(
        name="b54-copy-lost",
        summary="collapse_pte_mapped_thp() removes a page table that UFFDIO_COPY has filled again",
        source="before a98460494b16",
        collapse_pte_mapped_thp=collapse_pte_mapped_thp_6_6,
    ),
    fixed=LINUX_2026_MENDED,
    fix="a98460494b16",
    release="6.6",
    minimum=Minimum(2, 2, 1),
    breaks=("every_call_is_explained_by_a_sparse_file", "every_reference_is_accounted_for", "nothing_leaks"),
    focus=Focus(
        operations=(Collapse, Load, Store, UffdCopy),
        worlds=tuple(
            WorldSpec(vmas=(VmaSpec(private=True, missing=True, huge=True, mapped=(one,)),), large=((0, 1),))
            for one in (0, 1)
        ),
    ),
)
