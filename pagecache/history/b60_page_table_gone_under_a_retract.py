"""B60: retract_page_tables() frees a page table that madvise(MADV_DONTNEED) has freed.

Symptom: pte_lockptr() of a PMD that is none, an oops; else a page table that is freed twice.

 1. collapse: has put its huge page into the file; retract_page_tables() finds a page table in a VMA.
 2. madvise(MADV_DONTNEED): empties it, takes it out of the PMD, frees it.
 3. collapse: takes the PMD lock, takes the lock of the page table that the PMD is to point to, clears the PMD and frees
    that.

Mistake: none before 6.14; the folio lock and the i_mmap_rwsem kept page tables where they are, for nobody else took any
away under the mmap_lock for reading.  Fix: 6c18ec9af86c ("mm: khugepaged: recheck pmd state in
retract_page_tables()"), by Qi Zheng, in the series that changed that.  It looks under the PMD lock whether there is a
page table, and takes any, also one that is not the same.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import file_backed_vma_is_retractable
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import pmdp_collapse_flush
from pagecache.operations import Collapse, DontNeed, Load


async def retract_page_tables_6_6(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` since 6.6: page-table locks instead of the mmap_lock, tables freed after RCU.

    The folio lock keeps faults from mapping anything, but not an ioctl() of userfaultfd from putting markers into the
    table.  So the VMA is asked again under the locks ("protects from one category"; 1d65b771bc08).
    """
    end = start + (1 << mapping.hpage_pmd_order)
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        if vma.start > start or vma.end < end or not vma.table(start).present:
            continue
        retractable = await file_backed_vma_is_retractable(vma)
        if not retractable:
            continue
        await spin_lock(vma.mm.pml)
        table = vma.table(start)
        await spin_lock(table.ptl)
        retractable = await file_backed_vma_is_retractable(vma)
        if retractable:
            await pmdp_collapse_flush(vma, start)
        await spin_unlock(table.ptl)
        await spin_unlock(vma.mm.pml)
    await up_read(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=60,
    name="page-table-gone-under-a-retract",
    kernel=LINUX_2026_MENDED.replace(
        name="b60-page-table-gone-under-a-retract",
        summary="retract_page_tables() does not look whether there still is a page table",
        source="without 6c18ec9af86c",
        retract_page_tables=retract_page_tables_6_6,
    ),
    fixed=LINUX_2026_MENDED,
    fix="6c18ec9af86c",
    release="6.14",
    minimum=Minimum(2, 2, 1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Collapse, DontNeed, Load),
        features={"pages": ("data", "hole")},
    ),
)
