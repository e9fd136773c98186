"""madvise(MADV_COLLAPSE), and what it does once there is a huge page (``mm/khugepaged.c``).

It looks at the VMA under the mmap_lock and keeps only the file; the scan and the collapse are the kernel's
(:mod:`pagecache.collapse.scan`).  Then it maps the huge page by a PMD, where that may be.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_ALLOC_HUGE_PAGE_FAIL,
    SCAN_CGROUP_CHARGE_FAIL,
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_DIRTY_OR_WRITEBACK,
    SCAN_PAGE_FILLED,
    SCAN_PAGE_LOCK,
    SCAN_PAGE_LRU,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    SCAN_VMA_CHECK,
    CollapseControl,
    no_read_only_thp_for_fs,
)
from pagecache.folio import Folio, folio_get, folio_lock, folio_put, folio_put_refs, folio_unlock
from pagecache.huge_pmd import do_set_pmd, flush_pmd_tlb_range
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, down_write, spin_lock, spin_unlock, up_read, up_write
from pagecache.mm import (
    Vma,
    find_vma,
    pmdp_collapse_flush,
    pte_changed,
    pte_clear,
    pte_free_now,
    tlb_remove_table_sync_one,
)
from pagecache.regular.backing import inode_is_open_for_write
from pagecache.regular.read import filemap_lock_folio
from pagecache.step import step
from pagecache.xarray import Entry

__all__ = [
    "collapse_pte_mapped_thp_6_1",
    "collapse_pte_mapped_thp_6_6",
    "file_thp_enabled",
    "free_page_table_of",
    "madvise_collapse",
    "map_huge_page",
    "set_huge_pmd",
    "still_a_huge_page",
]

_ERRNO: Final = {
    SCAN_ALLOC_HUGE_PAGE_FAIL: "ENOMEM",
    SCAN_CGROUP_CHARGE_FAIL: "EBUSY",
    SCAN_EXCEED_NONE_PTE: "EBUSY",
    SCAN_PAGE_COUNT: "EAGAIN",
    SCAN_PAGE_LOCK: "EAGAIN",
    SCAN_PAGE_LRU: "EAGAIN",
    SCAN_DEL_PAGE_LRU: "EAGAIN",
    SCAN_PAGE_FILLED: "EAGAIN",
    SCAN_PAGE_DIRTY_OR_WRITEBACK: "EAGAIN",
}
"""madvise_collapse_errno() as of 6.4; every other failure is EINVAL."""


async def madvise_collapse(vma: Vma, start: int) -> int | str:
    """``madvise_collapse()`` of the one huge page that starts at ``start``.

    Returns:
        0, or an error.

    It maps the huge page by a PMD, too, if the VMA may have one: collapse_file() says SCAN_PTE_MAPPED_HUGEPAGE once it
    has succeeded.  In other VMAs a collapse that succeeded has succeeded.
    """
    mm, mapping = vma.mm, vma.mapping
    await down_read(mm.mmap_lock)
    found = find_vma(vma)
    if found is None or not (vma.start <= start and start + (1 << mapping.hpage_pmd_order) <= vma.end):
        await up_read(mm.mmap_lock)
        return "EINVAL"
    if mapping.regular is not None:
        enabled = await mapping.kernel.file_thp_enabled(mapping)
        if not enabled:
            await up_read(mm.mmap_lock)
            return "EINVAL"
    # hpage_collapse_scan_file() releases the mmap_lock; its callers do so just before in the kernel.
    result = await mapping.kernel.hpage_collapse_scan_file(mm, mapping, start, CollapseControl(vma))
    if result == SCAN_SUCCEED and vma.huge:
        result = SCAN_PTE_MAPPED_HUGEPAGE
    if result == SCAN_PTE_MAPPED_HUGEPAGE:
        collapse = mapping.kernel.collapse_pte_mapped_thp if vma.huge else still_a_huge_page
        result = await collapse(vma, start)
    return 0 if result == SCAN_SUCCEED else _ERRNO.get(result, "EINVAL")


async def file_thp_enabled(mapping: AddressSpace) -> bool:
    """``file_thp_enabled()``: may pages of this regular file be collapsed?  Not while it is open for writing."""
    if mapping.kernel.collapse_regular_file is no_read_only_thp_for_fs:
        return False
    writers = await inode_is_open_for_write(mapping)
    return not writers


async def still_a_huge_page(vma: Vma, start: int) -> str:
    """``collapse_pte_mapped_thp()``, install_pmd false: somebody was faster; is there still a huge page?"""
    mapping = vma.mapping
    await down_write(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None:
        await up_write(vma.mm.mmap_lock)
        return SCAN_VMA_CHECK
    result = SCAN_FAIL
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, start)
    if isinstance(entry, Folio):
        await folio_lock(entry)
        if entry.mapping is mapping and entry.order == mapping.hpage_pmd_order:
            result = SCAN_SUCCEED
        await folio_unlock(entry)
        await folio_put(entry)
    await up_write(vma.mm.mmap_lock)
    return result


async def collapse_pte_mapped_thp_6_1(vma: Vma, start: int, *, install_pmd: bool = True) -> str:
    """``collapse_pte_mapped_thp()`` of 6.1 to 6.5: map the huge page at ``start`` by a PMD.

    Without ``install_pmd`` (khugepaged) only the page table goes, so that the next fault does it.

    The page table is freed at once.  So every lock is taken for writing under which somebody may walk page tables: the
    mmap_lock, and the i_mmap_rwsem of who comes from the file; gup_fast() gets an IPI.

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
            await down_write(mapping.i_mmap_rwsem)
            result = await free_page_table_of(vma, start, folio)
            await up_write(mapping.i_mmap_rwsem)
        if result == SCAN_SUCCEED and install_pmd:
            result = await mapping.kernel.set_huge_pmd(vma, start, folio)
        await folio_unlock(folio)
        await folio_put(folio)
    await up_write(vma.mm.mmap_lock)
    return result


async def free_page_table_of(vma: Vma, start: int, folio: Folio) -> str:
    """Remove a page table that maps pages of ``folio`` only, and free it with all that is in it.

    "Only lockless_pages_from_mm() and the hardware page walker can access page tables while all the high-level locks
    are held in write mode", so nobody minds that its entries outlive their mapcount and their references.
    """
    table = vma.table(start)
    there = vma.pmd_range(start)
    # Step 1: are all entries that are present those of the right huge page?
    await spin_lock(table.ptl)
    if not _maps_nothing_else(vma, there, folio):
        await spin_unlock(table.ptl)
        return SCAN_FAIL
    # Step 2: the mapcount.
    nr_mapped = 0
    for index in range(there.start, there.stop):
        if vma.mapped(index) is folio:
            target = ("refcount", folio.number)
            await step("page_remove_rmap", folio, index, target=target, writes=True, also=pte_changed(folio))
            folio.mapcount -= 1
            nr_mapped += 1
    await spin_unlock(table.ptl)
    # Step 3: the references.
    if nr_mapped:
        await folio_put_refs(folio, nr_mapped)
    # Step 4: collapse_and_free_pmd().
    await pmdp_collapse_flush(vma, start)
    await tlb_remove_table_sync_one(vma.mm)
    await pte_free_now(vma, start)
    return SCAN_SUCCEED


async def collapse_pte_mapped_thp_6_6(vma: Vma, start: int, *, install_pmd: bool = True) -> str:
    """``collapse_pte_mapped_thp()`` since 6.6: map the huge page at ``start`` by a PMD.

    Without ``install_pmd`` (khugepaged) only the page table goes, so that the next fault does it.

    The page table is freed after a grace period of RCU (pte_free_defer()), so that page-table locks are enough.  The
    folio lock keeps faults from mapping anything once its entries are cleared, but not UFFDIO_COPY, which puts a page
    into a private mapping "without even looking up page cache": there both locks are held from then on (a98460494b16).

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
            hold = vma.uffd_registered and vma.private
            result = await map_huge_page(vma, start, folio, install_pmd=install_pmd, hold_locks=hold)
        await folio_unlock(folio)
        await folio_put(folio)
    await up_read(vma.mm.mmap_lock)
    return result


async def map_huge_page(vma: Vma, start: int, folio: Folio, *, install_pmd: bool, hold_locks: bool) -> str:
    """``collapse_pte_mapped_thp()`` of 6.6, once it has the huge page, locked, which keeps faults off.

    It takes the page table out, if there is one, and perhaps sets the PMD.

    ``hold_locks``: from the first entry that is cleared until the page table is gone, both locks are held.
    """
    table = vma.table(start)
    await step("pmd_offset", vma, start, target=("pmd", vma.number))  # find_pmd_or_thp_or_none()
    if table.huge is not None:
        return SCAN_SUCCEED  # SCAN_PMD_MAPPED
    if table.present:
        emptied = await _empty_page_table(vma, start, folio, hold_locks=hold_locks)
        if not emptied:
            return SCAN_FAIL
    if not install_pmd:
        return SCAN_SUCCEED
    return await vma.mapping.kernel.set_huge_pmd(vma, start, folio)  # type: ignore[no-any-return]


async def set_huge_pmd(vma: Vma, start: int, folio: Folio) -> str:
    """``set_huge_pmd()``: map the locked ``folio``, which has the right order, whatever is in it.

    It may be one that fallocate() has reserved, and nobody has cleared yet: see :mod:`pagecache.mended.set_huge_pmd`.
    """
    huge = await do_set_pmd(vma, start, folio, write=False)
    if not huge:
        return SCAN_FAIL
    await folio_get(folio)
    return SCAN_SUCCEED


async def _empty_page_table(vma: Vma, start: int, folio: Folio, *, hold_locks: bool) -> bool:
    """Remove a page table that maps pages of ``folio`` only, in the steps that the kernel's comments count (6.6)."""
    table = vma.table(start)
    there = vma.pmd_range(start)
    # Step 1: are all entries that are present those of the right huge page?
    await spin_lock(table.ptl)
    if not table.present or not _maps_nothing_else(vma, there, folio):
        await spin_unlock(table.ptl)
        return False
    await spin_unlock(table.ptl)
    # Step 2, after the MMU notifiers: clear them.  "Must clear entry, or a racing truncate may re-remove it."
    nr_mapped = 0
    if hold_locks:
        await spin_lock(vma.mm.pml)
    await spin_lock(table.ptl)
    if not table.present or not _maps_nothing_else(vma, there, folio):
        await spin_unlock(table.ptl)
        if hold_locks:
            await spin_unlock(vma.mm.pml)
        return False
    for index in range(there.start, there.stop):
        if vma.mapped(index) is folio:
            await pte_clear(vma, index)  # "PTE dirty? Shmem page is already dirty; file is read-only."
            folio.mapcount -= 1
            nr_mapped += 1
    if not hold_locks:
        await spin_unlock(table.ptl)
    # Step 3: the references.
    if nr_mapped:
        await folio_put_refs(folio, nr_mapped)
    # Step 4: remove the empty page table; it is freed after a grace period of RCU.
    if not hold_locks:
        await spin_lock(vma.mm.pml)
        await spin_lock(table.ptl)
    empty = table.present
    if empty:
        await pmdp_collapse_flush(vma, start)
    else:
        # madvise(MADV_DONTNEED) has been faster: flush_tlb_mm(), for what has been cleared in step 2.
        await flush_pmd_tlb_range(vma, start)
    await spin_unlock(table.ptl)
    await spin_unlock(vma.mm.pml)
    return empty


def _maps_nothing_else(vma: Vma, there: range, folio: Folio) -> bool:
    return all(entry.folio is folio for entry in map(vma.ptes.get, there) if entry is not None)
