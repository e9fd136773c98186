"""B22: a page table is freed under somebody who came from the file.

Symptom: zap_pte_range() takes a spinlock in memory that is somebody else's by now, and whatever is there for entries.

 1. truncate: unmap_mapping_range() has the i_mmap_rwsem for reading; it finds a PMD that points to a page table.
 2. collapse: collapse_pte_mapped_thp() has the mmap_lock for writing, and the page-table lock now and then: it clears
    the PMD and frees the page table.
 3. truncate: takes the lock of the page table, and reads its entries.

A little earlier, between the mapcount and the PMD, 3. finds an entry of the huge page, and lowers its mapcount again.

Mistake: "non-terminal page table entries can not be modified" under locks of page tables: whoever holds the mmap_lock,
an anon_vma's or the i_mmap_rwsem, be it for reading, may walk, and rely on what he has seen of the upper levels.  Fix:
8d3c106e19e8 ("mm/khugepaged: take the right locks for page table retraction"): take the i_mmap_rwsem for writing, too.
retract_page_tables() had it already.

Since 6.6 neither takes it for writing: page tables are freed after a grace period of RCU, and pte_offset_map_lock()
looks at the PMD again (Hugh Dickins).
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.madvise import free_page_table_of
from pagecache.collapse.scan import SCAN_FAIL, SCAN_PAGE_COMPOUND, SCAN_SUCCEED, SCAN_VMA_CHECK
from pagecache.folio import folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.locks import down_write, up_write
from pagecache.mm import Vma, find_vma
from pagecache.operations import Collapse, Load, PunchHole, Truncate
from pagecache.regular.read import filemap_lock_folio
from pagecache.step import step
from pagecache.world import VmaSpec, WorldSpec


async def collapse_pte_mapped_thp(vma: Vma, start: int, *, install_pmd: bool = True) -> str:
    """``collapse_pte_mapped_thp()`` of 6.0: map the huge page at ``start`` by a PMD.

    Without ``install_pmd`` (khugepaged) only the page table goes, so that the next fault does it.

    Returns:
        SCAN_SUCCEED also if it is mapped so already.
    """
    mapping = vma.mapping
    await down_write(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None or vma.uffd_wp:
        await up_write(vma.mm.mmap_lock)
        return SCAN_VMA_CHECK
    await step("pmd_offset", vma, start, target=("pmd", vma.number))  # find_pmd_or_thp_or_none()
    if vma.table(start).huge is not None:
        await up_write(vma.mm.mmap_lock)
        return SCAN_SUCCEED  # SCAN_PMD_MAPPED
    result = SCAN_FAIL
    folio = await filemap_lock_folio(mapping, start)
    if folio is not None:
        result = SCAN_SUCCEED if folio.order == mapping.hpage_pmd_order else SCAN_PAGE_COMPOUND
        if result == SCAN_SUCCEED and vma.table(start).present:
            result = await free_page_table_of(vma, start, folio)
        if result == SCAN_SUCCEED and install_pmd:
            result = await mapping.kernel.set_huge_pmd(vma, start, folio)
        await folio_unlock(folio)
        await folio_put(folio)
    await up_write(vma.mm.mmap_lock)
    return result


BUG: Final = Bug(
    number=22,
    name="table-freed-under-a-walk",
    kernel=LINUX_6_4_MENDED.replace(
        name="b22-table-freed-under-a-walk",
        summary="a page table is freed under somebody who came from the file",
        source="without 8d3c106e19e8",
        collapse_pte_mapped_thp=collapse_pte_mapped_thp,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="8d3c106e19e8",
    release="6.1",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_freed_memory_is_used", "no_kernel_assertion_fails", "every_reference_is_accounted_for"),
    focus=Focus(
        operations=(Collapse, Truncate, PunchHole, Load),
        worlds=(
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(1,)),), large=((0, 1),)),
        ),
    ),
)
