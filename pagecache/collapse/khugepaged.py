"""khugepaged, the kernel thread (``mm/khugepaged.c``): it collapses what is worth it, by its own limits.

Leaves out: how it gets from one process and VMA to the next, and when it sleeps: who calls it has chosen the huge page.
Up to 6.5 it only noted a huge page that is not mapped by a PMD (khugepaged_add_pte_mapped_thp()), and did something
about it when it came by again; here it does so at once.
"""

from __future__ import annotations

from pagecache.collapse.madvise import still_a_huge_page
from pagecache.collapse.scan import SCAN_FAIL, SCAN_PTE_MAPPED_HUGEPAGE, CollapseControl
from pagecache.locks import down_read_trylock, up_read
from pagecache.mm import Vma, find_vma

__all__ = ["khugepaged_scan_mm_slot"]


async def khugepaged_scan_mm_slot(vma: Vma, start: int, max_ptes_none: int, max_ptes_swap: int) -> str:
    """``khugepaged_scan_mm_slot()`` of the one huge page that starts at ``start``.

    Args:
        vma: where it looks.
        start: the first index.
        max_ptes_none: how many pages may be missing, those on swap included.
        max_ptes_swap: how many may be on swap; in a regular file, how many may have been evicted.

    Returns:
        What its trace says: SCAN_SUCCEED, or why not.

    Unlike madvise_collapse() it does not wait for the mmap_lock, and maps nothing: where there is a huge page already,
    it takes the page table out, so that the next fault does.
    """
    mm, mapping = vma.mm, vma.mapping
    locked = await down_read_trylock(mm.mmap_lock)
    if not locked:
        return SCAN_FAIL
    found = find_vma(vma)
    if found is None or not (vma.start <= start and start + (1 << mapping.hpage_pmd_order) <= vma.end):
        await up_read(mm.mmap_lock)
        return SCAN_FAIL
    if mapping.regular is not None:
        enabled = await mapping.kernel.file_thp_enabled(mapping)
        if not enabled:
            await up_read(mm.mmap_lock)
            return SCAN_FAIL
    cc = CollapseControl(vma, is_khugepaged=True, max_ptes_none=max_ptes_none, max_ptes_swap=max_ptes_swap)
    result: str = await mapping.kernel.hpage_collapse_scan_file(mm, mapping, start, cc)
    if result == SCAN_PTE_MAPPED_HUGEPAGE:
        if vma.huge:
            result = await mapping.kernel.collapse_pte_mapped_thp(vma, start, install_pmd=False)
        else:
            result = await still_a_huge_page(vma, start)
    return result
