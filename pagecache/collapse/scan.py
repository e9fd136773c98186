"""What all collapses share: results, the scan before, the page tables after (``mm/khugepaged.c``).

madvise(MADV_COLLAPSE) and khugepaged are the callers (:mod:`pagecache.collapse.madvise`,
:mod:`pagecache.collapse.khugepaged`).  hpage_collapse_scan_file() releases their mmap_lock and looks the range over
without any lock; then collapse_file(), a file of its own for each protocol, does the work.

Only khugepaged has limits, and only the scan keeps them.  It counts a moment before: collapse_file() counts the holes
again, but does not compare them with any limit.
"""

from __future__ import annotations

from typing import Final

from pagecache.cow import has_anon_vma
from pagecache.filemap import spin_while_frozen
from pagecache.folio import Folio, folio_put, folio_ref_count, folio_try_get
from pagecache.inode import AddressSpace
from pagecache.locks import (
    down_read,
    down_write,
    down_write_trylock,
    rcu_read_lock,
    rcu_read_unlock,
    spin_lock,
    spin_unlock,
    up_read,
    up_write,
)
from pagecache.mm import Mm, Vma, pmdp_collapse_flush, pte_free_now, tlb_remove_table_sync_one
from pagecache.shmem import alloc_folio
from pagecache.step import step
from pagecache.touched import PMDS
from pagecache.xarray import (
    ValueEntry,
    XaState,
    xa_is_retry,
    xas_get_order,
    xas_load,
    xas_reload,
    xas_retry,
    xas_set,
)

__all__ = [
    "SCAN_ALLOC_HUGE_PAGE_FAIL",
    "SCAN_CGROUP_CHARGE_FAIL",
    "SCAN_COPY_MC",
    "SCAN_DEL_PAGE_LRU",
    "SCAN_EXCEED_NONE_PTE",
    "SCAN_EXCEED_SWAP_PTE",
    "SCAN_FAIL",
    "SCAN_PAGE_COMPOUND",
    "SCAN_PAGE_COUNT",
    "SCAN_PAGE_DIRTY_OR_WRITEBACK",
    "SCAN_PAGE_FILLED",
    "SCAN_PAGE_LOCK",
    "SCAN_PAGE_LRU",
    "SCAN_PTE_MAPPED_HUGEPAGE",
    "SCAN_STORE_FAILED",
    "SCAN_SUCCEED",
    "SCAN_TRUNCATED",
    "SCAN_VMA_CHECK",
    "CollapseControl",
    "Rollback",
    "alloc_charge_folio",
    "collapse_any_file",
    "file_backed_vma_is_retractable",
    "hpage_collapse_scan_file_4_8",
    "hpage_collapse_scan_file_2026",
    "no_read_only_thp_for_fs",
    "retract_page_tables_4_8",
    "retract_page_tables_6_6",
]

SCAN_SUCCEED: Final = "SCAN_SUCCEED"
SCAN_FAIL: Final = "SCAN_FAIL"
SCAN_VMA_CHECK: Final = "SCAN_VMA_CHECK"
SCAN_ALLOC_HUGE_PAGE_FAIL: Final = "SCAN_ALLOC_HUGE_PAGE_FAIL"
SCAN_CGROUP_CHARGE_FAIL: Final = "SCAN_CGROUP_CHARGE_FAIL"
SCAN_EXCEED_NONE_PTE: Final = "SCAN_EXCEED_NONE_PTE"
SCAN_EXCEED_SWAP_PTE: Final = "SCAN_EXCEED_SWAP_PTE"
SCAN_PAGE_COUNT: Final = "SCAN_PAGE_COUNT"
SCAN_PAGE_LRU: Final = "SCAN_PAGE_LRU"
SCAN_PAGE_LOCK: Final = "SCAN_PAGE_LOCK"
SCAN_PAGE_COMPOUND: Final = "SCAN_PAGE_COMPOUND"
SCAN_PTE_MAPPED_HUGEPAGE: Final = "SCAN_PTE_MAPPED_HUGEPAGE"
SCAN_DEL_PAGE_LRU: Final = "SCAN_DEL_PAGE_LRU"
SCAN_TRUNCATED: Final = "SCAN_TRUNCATED"
SCAN_COPY_MC: Final = "SCAN_COPY_MC"
SCAN_PAGE_DIRTY_OR_WRITEBACK: Final = "SCAN_PAGE_DIRTY_OR_WRITEBACK"
SCAN_PAGE_FILLED: Final = "SCAN_PAGE_FILLED"
SCAN_STORE_FAILED: Final = "SCAN_STORE_FAILED"


class Rollback(Exception):  # noqa: N818 - the kernel's label, not an error of ours
    """``goto rollback``, with the result that is to be returned."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


class CollapseControl:
    """``struct collapse_control``, and the VMA it is about.

    No protocol but the first of February 2023 looks at the VMA again once the mmap_lock is released.

    The limits, in pages, are khugepaged's; MADV_COLLAPSE ignores them.  In the kernel they are those of
    /sys/kernel/mm/transparent_hugepage/khugepaged/, which may change at any time; here they are the caller's.
    """

    __slots__ = ("is_khugepaged", "max_ptes_none", "max_ptes_swap", "vma")

    def __init__(
        self, vma: Vma, *, is_khugepaged: bool = False, max_ptes_none: int = 0, max_ptes_swap: int = 0
    ) -> None:
        self.vma = vma
        self.is_khugepaged = is_khugepaged
        self.max_ptes_none = max_ptes_none
        self.max_ptes_swap = max_ptes_swap


async def no_read_only_thp_for_fs(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """A kernel without ``CONFIG_READ_ONLY_THP_FOR_FS``, or a protocol that is modelled for shmem only."""
    await step("file_thp_enabled", mm.name, mapping.nrpages, start, cc.vma)
    return SCAN_VMA_CHECK


async def collapse_any_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``collapse_file()``, whose branches for regular files have a place of their own in the table."""
    kernel = mapping.kernel
    collapse = kernel.collapse_file if mapping.regular is None else kernel.collapse_regular_file
    return await collapse(mm, mapping, start, cc)  # type: ignore[no-any-return]


async def alloc_charge_folio(mapping: AddressSpace) -> tuple[str, Folio | None]:
    """``alloc_charge_folio()``: a huge folio, charged to the memory cgroup."""
    hpage = await alloc_folio(mapping.memory, mapping.hpage_pmd_order)
    if hpage is None:
        return SCAN_ALLOC_HUGE_PAGE_FAIL, None
    current = await step("mem_cgroup_charge", hpage, sleeps=True, fails="ENOMEM")
    if current.failing:
        await folio_put(hpage)
        return SCAN_CGROUP_CHARGE_FAIL, None
    return SCAN_SUCCEED, hpage


async def hpage_collapse_scan_file_4_8(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``khugepaged_scan_shmem()``, later ``hpage_collapse_scan_file()``: is the range worth a collapse?

    It looks at folios without a reference, as at memory that may be anything by now.  Entries for several pages on swap
    are younger (6.12), and counted as then.
    """
    await up_read(mm.mmap_lock)
    xas = XaState(mapping.i_pages, start)
    end = start + (1 << mapping.hpage_pmd_order)
    result = SCAN_SUCCEED
    present = swap = 0
    await rcu_read_lock()
    index = start
    while index < end:
        xas_set(xas, index)
        entry = await xas_load(xas)
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, ValueEntry) and cc.is_khugepaged:
            order = await xas_get_order(xas)
            swap += 1 << order
            if swap > cc.max_ptes_swap:
                result = SCAN_EXCEED_SWAP_PTE
                break
            index = (index >> order) + 1 << order
            continue
        index += 1
        if not isinstance(entry, Folio):
            continue
        if entry.order:
            huge = entry.order == mapping.hpage_pmd_order and entry.index == start
            result = SCAN_PTE_MAPPED_HUGEPAGE if huge else SCAN_PAGE_COMPOUND
            break
        if not entry.lru:
            result = SCAN_PAGE_LRU
            break
        refcount = await folio_ref_count(entry)
        if refcount != 1 + entry.mapcount:
            result = SCAN_PAGE_COUNT
            break
        if cc.is_khugepaged:
            present += 1
    await rcu_read_unlock()
    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
        result = SCAN_EXCEED_NONE_PTE
    if result != SCAN_SUCCEED:
        return result
    return await collapse_any_file(mm, mapping, start, cc)


async def hpage_collapse_scan_file_2026(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``hpage_collapse_scan_file()`` of 2026: it takes a reference before it looks.

    What is on swap counts against both of khugepaged's limits.  MADV_COLLAPSE counts as well, for a trace that nobody
    reads here; it steps through a large swap entry page by page.
    """
    await up_read(mm.mmap_lock)
    xas = XaState(mapping.i_pages, start)
    end = start + (1 << mapping.hpage_pmd_order)
    result = SCAN_SUCCEED
    present = swap = 0
    await rcu_read_lock()
    index = start
    while index < end:
        xas_set(xas, index)
        entry = await xas_load(xas)
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, ValueEntry) and cc.is_khugepaged:
            order = await xas_get_order(xas)
            swap += 1 << order
            if swap > cc.max_ptes_swap:
                result = SCAN_EXCEED_SWAP_PTE
                break
            index = (index >> order) + 1 << order
            continue
        if not isinstance(entry, Folio):
            index += 1
            continue
        got = await folio_try_get(entry)
        if not got:
            await spin_while_frozen(xas, entry)
            continue
        again = await xas_reload(xas)
        if again is not entry:
            await folio_put(entry)
            continue
        if entry.order == mapping.hpage_pmd_order and entry.index == start:
            # "folio_put(); break": the rest is the caller's.
            result = SCAN_PTE_MAPPED_HUGEPAGE
            await folio_put(entry)
            break
        if not entry.lru:
            result = SCAN_PAGE_LRU
            await folio_put(entry)
            break
        refcount = await folio_ref_count(entry)
        expected = entry.nr_pages + entry.mapcount + 1
        await folio_put(entry)
        if refcount != expected:
            result = SCAN_PAGE_COUNT
            break
        if cc.is_khugepaged:
            present += entry.nr_pages
        index = entry.next_index
    await rcu_read_unlock()
    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
        result = SCAN_EXCEED_NONE_PTE
    if result != SCAN_SUCCEED:
        return result
    return await collapse_any_file(mm, mapping, start, cc)


async def retract_page_tables_4_8(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` up to 6.5: free the empty page tables, so that the next fault maps the huge page.

    A VMA whose mmap_lock is taken is skipped, and one that is registered for WP events: its markers are in the table.
    So is a private one with copies in it, which is asked again once the mmap_lock is held: the folio lock does not keep
    UFFDIO_COPY from putting the first one there (023f47a8250c).
    """
    end = start + (1 << mapping.hpage_pmd_order)
    await down_write(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        has_copies = await has_anon_vma(vma)
        if has_copies or vma.start > start or vma.end < end or not vma.table(start).present:
            continue
        locked = await down_write_trylock(vma.mm.mmap_lock, also=[(PMDS, False)])
        if not locked:
            continue
        has_copies = await has_anon_vma(vma)
        if not (has_copies or vma.uffd_wp):
            await pmdp_collapse_flush(vma, start)
            await tlb_remove_table_sync_one(vma.mm)
            await pte_free_now(vma, start)
        await up_write(vma.mm.mmap_lock, also=[(PMDS, False)])  # of the next VMA
    await up_write(mapping.i_mmap_rwsem)


async def retract_page_tables_6_6(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` since 6.6: page-table locks instead of the mmap_lock, tables freed after RCU.

    The folio lock keeps faults from mapping anything, but not an ioctl() of userfaultfd from putting markers into the
    table.  So the VMA is asked again under the locks ("protects from one category"; 1d65b771bc08), and whether there
    still is a table (6c18ec9af86c).
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
        if table.present:
            await spin_lock(table.ptl)
            retractable = await file_backed_vma_is_retractable(vma)
            if retractable:
                await pmdp_collapse_flush(vma, start)
            await spin_unlock(table.ptl)
        await spin_unlock(vma.mm.pml)
    await up_read(mapping.i_mmap_rwsem)


async def file_backed_vma_is_retractable(vma: Vma) -> bool:
    """``file_backed_vma_is_retractable()``: has its page table nothing that a fault could not bring back?

    Its vm_flags and its anon_vma may change meanwhile: the mmap_lock is not held.
    """
    has_copies = await has_anon_vma(vma)
    if has_copies:
        return False
    await step("userfaultfd_wp", vma, target=("vm_flags", vma.number), also=[(PMDS, False)])
    return not vma.uffd_wp
