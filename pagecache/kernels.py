"""The kernels, in the order of their protocols' appearance on the list.

They differ in the collapse of shmem pages, its charge and its scan, and in nothing else: the page cache around it is
that of 6.6, so that a verdict is about the protocol.  That of linux-2026 swaps in, migrates and splits as of 2026.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse import (
    linux_4_8,
    linux_6_2,
    linux_6_4,
    linux_2026,
    regular_6_2,
    regular_6_4,
    regular_2026,
    regular_writable,
    retry_during_scan,
    stevens_v1,
    stevens_v2,
    stevens_v3,
    stevens_v5,
    wilcox_2023_02,
    wilcox_2023_02_literal,
)
from pagecache.collapse.madvise import (
    collapse_pte_mapped_thp_6_1,
    collapse_pte_mapped_thp_6_6,
    file_thp_enabled,
    set_huge_pmd,
)
from pagecache.collapse.scan import (
    hpage_collapse_scan_file_4_8,
    hpage_collapse_scan_file_2026,
    no_read_only_thp_for_fs,
    retract_page_tables_4_8,
    retract_page_tables_6_6,
)
from pagecache.fault import shmem_fault
from pagecache.fault_around import filemap_map_pages
from pagecache.filemap import filemap_get_entry, mapping_seek_hole_data
from pagecache.finish_fault import finish_fault, finish_fault_6_18
from pagecache.folio_split import split_unmapped_folio, try_folio_split_6_15
from pagecache.gup import gup_fast
from pagecache.huge_memory import split_folio, try_folio_split
from pagecache.huge_pmd import split_huge_pmd_locked
from pagecache.inode import shmem_recalc_inode, shmem_recalc_inode_6_6
from pagecache.kernel import Kernel
from pagecache.madvise import madvise_dontneed_single_vma, madvise_dontneed_single_vma_6_14
from pagecache.memory_failure import shmem_error_remove_folio
from pagecache.mended import any_vma_missing as mended_any_vma_missing
from pagecache.mended import create_range as mended_create_range
from pagecache.mended import fault_around as mended_fault_around
from pagecache.mended import find as mended_find
from pagecache.mended import lookup as mended_lookup
from pagecache.mended import mfill as mended_mfill
from pagecache.mended import migrate as mended_migrate
from pagecache.mended import mkwrite as mended_mkwrite
from pagecache.mended import mremap as mended_mremap
from pagecache.mended import open as mended_open
from pagecache.mended import partial as mended_partial
from pagecache.mended import regular as mended_regular
from pagecache.mended import seek as mended_seek
from pagecache.mended import set_huge_pmd as mended_set_huge_pmd
from pagecache.mended import setattr as mended_setattr
from pagecache.mended import split as mended_split
from pagecache.mended import unregister as mended_unregister
from pagecache.mended import zap as mended_zap
from pagecache.mfill_private import mfill_atomic_pte_copy, mfill_atomic_pte_zeropage
from pagecache.migrate import folio_migrate_mapping, migrate_folio_6_6, migrate_folio_2026
from pagecache.mprotect import uffd_wp_range
from pagecache.mremap import move_normal_pmd, move_pgt_entry, move_ptes
from pagecache.regular.add import __filemap_add_folio
from pagecache.regular.mkwrite import page_mkwrite
from pagecache.regular.open import do_dentry_open
from pagecache.rmap import try_to_unmap
from pagecache.shmem import shmem_alloc_and_add_folio, shmem_get_folio
from pagecache.shmem_charge import (
    shmem_charge_4_8,
    shmem_charge_4_20,
    shmem_charge_6_6,
    shmem_uncharge_4_8,
    shmem_uncharge_6_6,
)
from pagecache.shmem_swap import (
    shmem_free_swap,
    shmem_swap_alloc_folio,
    shmem_swap_alloc_folio_2026,
    shmem_swapin_folio,
    shmem_writepage,
)
from pagecache.shrinker import shmem_unused_huge_shrink
from pagecache.syscalls import mincore_page, shmem_setattr
from pagecache.truncate import shmem_get_partial_folio, shmem_undo_range
from pagecache.userfaultfd import (
    any_vma_missing,
    handle_userfault,
    mfill_establish_pmd,
    shmem_mfill_atomic_pte,
    userfaultfd_unregister,
)
from pagecache.vmscan import remove_mapping
from pagecache.xarray.create import create_range
from pagecache.xarray.walk import find, xas_descend
from pagecache.zap import tlb_finish_mmu, unmap_mapping_folio, zap_pte_range

__all__ = [
    "FUZZED",
    "KERNELS",
    "KERNELS_BY_NAME",
    "LINUX_4_8",
    "LINUX_6_2",
    "LINUX_6_4",
    "LINUX_6_4_MENDED",
    "LINUX_2026",
    "LINUX_2026_MENDED",
    "LINUX_2026_WRITABLE",
]

LINUX_6_2: Final = Kernel(
    name="linux-6.2",
    summary="store the new folio while scanning, copy afterwards",
    source="mm/khugepaged.c at v6.2",
    hpage_collapse_scan_file=hpage_collapse_scan_file_4_8,
    collapse_file=linux_6_2.collapse_file,
    retract_page_tables=retract_page_tables_4_8,
    collapse_pte_mapped_thp=collapse_pte_mapped_thp_6_1,
    set_huge_pmd=set_huge_pmd,
    shmem_charge=shmem_charge_4_20,
    shmem_uncharge=shmem_uncharge_4_8,
    shmem_recalc_inode=shmem_recalc_inode,
    filemap_get_entry=filemap_get_entry,
    shmem_get_folio=shmem_get_folio,
    shmem_alloc_and_add_folio=shmem_alloc_and_add_folio,
    shmem_fault=shmem_fault,
    finish_fault=finish_fault,
    filemap_map_pages=filemap_map_pages,
    shmem_swapin_folio=shmem_swapin_folio,
    shmem_swap_alloc_folio=shmem_swap_alloc_folio,
    shmem_writepage=shmem_writepage,
    shmem_free_swap=shmem_free_swap,
    remove_mapping=remove_mapping,
    shmem_unused_huge_shrink=shmem_unused_huge_shrink,
    shmem_setattr=shmem_setattr,
    shmem_undo_range=shmem_undo_range,
    shmem_get_partial_folio=shmem_get_partial_folio,
    error_remove_folio=shmem_error_remove_folio,
    mfill_establish_pmd=mfill_establish_pmd,
    shmem_mfill_atomic_pte=shmem_mfill_atomic_pte,
    mfill_atomic_pte_copy=mfill_atomic_pte_copy,
    mfill_atomic_pte_zeropage=mfill_atomic_pte_zeropage,
    handle_userfault=handle_userfault,
    userfaultfd_unregister=userfaultfd_unregister,
    uffd_wp_range=uffd_wp_range,
    any_vma_missing=any_vma_missing,
    mapping_seek_hole_data=mapping_seek_hole_data,
    mincore_page=mincore_page,
    gup_fast=gup_fast,
    try_to_unmap=try_to_unmap,
    unmap_mapping_folio=unmap_mapping_folio,
    zap_pte_range=zap_pte_range,
    tlb_finish_mmu=tlb_finish_mmu,
    madvise_dontneed_single_vma=madvise_dontneed_single_vma,
    move_pgt_entry=move_pgt_entry,
    move_normal_pmd=move_normal_pmd,
    move_ptes=move_ptes,
    split_huge_pmd_locked=split_huge_pmd_locked,
    split_folio=split_folio,
    try_folio_split=try_folio_split,
    split_unmapped_folio=split_unmapped_folio,
    migrate_folio=migrate_folio_6_6,
    folio_migrate_mapping=folio_migrate_mapping,
    xas_descend=xas_descend,
    xas_create_range=create_range,
    xas_find=find,
    collapse_regular_file=regular_6_2.collapse_file,
    filemap_add_folio=__filemap_add_folio,
    page_mkwrite=page_mkwrite,
    file_thp_enabled=file_thp_enabled,
    do_dentry_open=do_dentry_open,
)

LINUX_4_8: Final = LINUX_6_2.replace(
    name="linux-4.8",
    summary="store the new page while scanning, frozen",
    source="f3f0e1d2150b",
    collapse_file=linux_4_8.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
    shmem_charge=shmem_charge_4_8,
)

STEVENS_V1: Final = LINUX_6_2.replace(
    name="stevens-v1",
    summary="6.2, giving up at a hole if the scanned VMA is armed",
    source="David Stevens, 1 February 2023",
    hpage_collapse_scan_file=stevens_v1.hpage_collapse_scan_file,
    collapse_file=stevens_v1.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

STEVENS_V2: Final = LINUX_6_2.replace(
    name="stevens-v2",
    summary="6.2, but holes stay holes, are counted again, and all VMAs are asked",
    source="David Stevens, 6 February 2023",
    collapse_file=stevens_v2.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

WILCOX_2023_02: Final = LINUX_6_2.replace(
    name="wilcox-2023-02",
    summary="old folios stay in place, frozen; holes stay holes; copy, then store",
    source="Matthew Wilcox, February 2023, repaired",
    collapse_file=wilcox_2023_02.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

WILCOX_2023_02_LITERAL: Final = LINUX_6_2.replace(
    name="wilcox-2023-02-literal",
    summary="the same as posted: old folios are freed before the store, the rollback skips pages",
    source="Matthew Wilcox, February 2023",
    collapse_file=wilcox_2023_02_literal.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

RETRY_DURING_SCAN: Final = LINUX_6_2.replace(
    name="retry-during-scan",
    summary="RETRY entries in the holes from the scan to the store",
    source="a remark of Matthew Wilcox, February 2023",
    collapse_file=retry_during_scan.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

STEVENS_V3: Final = LINUX_6_2.replace(
    name="stevens-v3",
    summary="v2, uptodate before it is stored, RETRY entries in the last section",
    source="David Stevens, 14 February 2023",
    collapse_file=stevens_v3.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

STEVENS_V5: Final = LINUX_6_2.replace(
    name="stevens-v5",
    summary="old folios stay in place, frozen; copy, RETRY, recount, ask, store",
    source="David Stevens, 7 March 2023",
    collapse_file=stevens_v5.collapse_file,
    collapse_regular_file=no_read_only_thp_for_fs,
)

LINUX_6_4: Final = LINUX_6_2.replace(
    name="linux-6.4",
    summary="old folios stay in place, locked; copy, RETRY, recount, ask, store",
    source="a2e17cc2efc7 and e8c716bc6812",
    collapse_file=linux_6_4.collapse_file,
    collapse_regular_file=regular_6_4.collapse_file,
)

LINUX_2026: Final = LINUX_6_4.replace(
    name="linux-2026",
    summary="6.4, charging after the scan, retracting page tables without the mmap_lock",
    source="an mm development tree of 2026",
    hpage_collapse_scan_file=hpage_collapse_scan_file_2026,
    collapse_file=linux_2026.collapse_file,
    collapse_regular_file=regular_2026.collapse_file,
    retract_page_tables=retract_page_tables_6_6,
    collapse_pte_mapped_thp=collapse_pte_mapped_thp_6_6,
    shmem_charge=shmem_charge_6_6,
    shmem_uncharge=shmem_uncharge_6_6,
    shmem_recalc_inode=shmem_recalc_inode_6_6,
    shmem_swap_alloc_folio=shmem_swap_alloc_folio_2026,
    migrate_folio=migrate_folio_2026,
    madvise_dontneed_single_vma=madvise_dontneed_single_vma_6_14,
    try_folio_split=try_folio_split_6_15,
    finish_fault=finish_fault_6_18,
)

LINUX_2026_MENDED: Final = LINUX_2026.replace(
    name="linux-2026-mended",
    summary="2026, without the mistakes that this fuzzer found",
    source="pagecache/mended/",
    filemap_get_entry=mended_lookup.filemap_get_entry,
    filemap_map_pages=mended_fault_around.filemap_map_pages,
    mapping_seek_hole_data=mended_seek.mapping_seek_hole_data,
    mfill_atomic_pte_copy=mended_mfill.mfill_atomic_pte_copy,
    mfill_atomic_pte_zeropage=mended_mfill.mfill_atomic_pte_zeropage,
    set_huge_pmd=mended_set_huge_pmd.set_huge_pmd,
    shmem_setattr=mended_setattr.shmem_setattr,
    userfaultfd_unregister=mended_unregister.userfaultfd_unregister,
    any_vma_missing=mended_any_vma_missing.any_vma_missing,
    xas_create_range=mended_create_range.create_range,
    xas_find=mended_find.find,
    collapse_regular_file=mended_regular.collapse_file,
    page_mkwrite=mended_mkwrite.page_mkwrite,
    do_dentry_open=mended_open.do_dentry_open,
    migrate_folio=mended_migrate.migrate_folio,
    shmem_get_partial_folio=mended_partial.shmem_get_partial_folio,
    shmem_swap_alloc_folio=shmem_swap_alloc_folio,
    split_unmapped_folio=mended_split.split_unmapped_folio,
    zap_pte_range=mended_zap.zap_pte_range,
    move_normal_pmd=mended_mremap.move_normal_pmd,
)

LINUX_2026_WRITABLE: Final = LINUX_2026_MENDED.replace(
    name="linux-2026-writable",
    summary="2026 mended, and files that are open for writing are collapsed, too",
    source='"mm/khugepaged: remove READ_ONLY_THP_FOR_FS check"',
    file_thp_enabled=regular_writable.file_thp_enabled,
    collapse_regular_file=regular_writable.collapse_file,
)
"""Not among KERNELS: it differs from linux-2026 only for file systems that can write large folios back."""

LINUX_6_4_MENDED: Final = LINUX_6_4.replace(
    name="linux-6.4-mended",
    summary="6.4, without the mistakes that this fuzzer found: what older bugs are put back into",
    source="pagecache/mended/, and shmem_uncharge() of 6.6",
    shmem_uncharge=shmem_uncharge_6_6,
    filemap_get_entry=mended_lookup.filemap_get_entry,
    filemap_map_pages=mended_fault_around.filemap_map_pages,
    mapping_seek_hole_data=mended_seek.mapping_seek_hole_data,
    mfill_atomic_pte_copy=mended_mfill.mfill_atomic_pte_copy,
    mfill_atomic_pte_zeropage=mended_mfill.mfill_atomic_pte_zeropage,
    set_huge_pmd=mended_set_huge_pmd.set_huge_pmd,
    shmem_setattr=mended_setattr.shmem_setattr,
    userfaultfd_unregister=mended_unregister.userfaultfd_unregister,
    any_vma_missing=mended_any_vma_missing.any_vma_missing,
    xas_create_range=mended_create_range.create_range,
    xas_find=mended_find.find,
    collapse_regular_file=mended_regular.collapse_file,
    page_mkwrite=mended_mkwrite.page_mkwrite,
    do_dentry_open=mended_open.do_dentry_open,
    migrate_folio=mended_migrate.migrate_folio,
    shmem_get_partial_folio=mended_partial.shmem_get_partial_folio,
)

KERNELS: Final[tuple[Kernel, ...]] = (
    LINUX_4_8,  # 2016
    LINUX_6_2,  # what the thread began with
    STEVENS_V1,  # February 2023
    STEVENS_V2,
    WILCOX_2023_02,
    WILCOX_2023_02_LITERAL,
    RETRY_DURING_SCAN,
    STEVENS_V3,
    STEVENS_V5,  # March 2023
    LINUX_6_4,  # what was merged
    LINUX_2026,
)

FUZZED: Final = (*KERNELS, LINUX_6_4_MENDED, LINUX_2026_MENDED)
"""The protocols, and what was merged as it could be."""

KERNELS_BY_NAME: Final = {kernel.name: kernel for kernel in FUZZED}
