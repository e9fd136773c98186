"""Emptying page tables, and finding those of a file (``mm/memory.c``: zap_page_range(), unmap_mapping_range())."""

from __future__ import annotations

from pagecache.folio import Folio, folio_put, vm_bug_on_folio
from pagecache.huge_pmd import flush_pmd_tlb_range, split_huge_pmd, sync_with_folio_pmd_zap, zap_huge_pmd
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import Vma, flush_tlb_page, pte_clear, pte_install_uffd_wp_if_needed
from pagecache.pte import MARKER_UFFD_WP, ZERO_PAGE, Pte, pte_target
from pagecache.step import UseAfterFree, step
from pagecache.touched import PMDS

__all__ = ["unmap_mapping_folio", "unmap_mapping_range", "zap_page_range"]


async def zap_page_range(
    vma: Vma,
    start: int,
    end: int,
    *,
    drop_markers: bool = False,
    single_folio: Folio | None = None,
    even_cows: bool = True,
) -> list[Folio]:
    """``zap_pmd_range()``, PMD by PMD: clear, flush, and only then let go of the pages (mmu_gather).

    A PMD that maps a huge page is cleared as a whole even if the range covers only a part of it: what is left is
    faulted in again, page by page.

    Args:
        vma: the mapping.
        start: the first index.
        end: the index behind the last one.
        drop_markers: ZAP_FLAG_DROP_MARKER; without it write protection outlives the mapping, as a marker.
        single_folio: the locked folio about which it is: it is to be mapped no more.
        even_cows: also the private copies?

    Returns:
        The folios that were mapped; their references are the caller's to drop.
    """
    zapped: list[Folio] = []
    order = vma.mapping.hpage_pmd_order
    for number in range(len(vma.tables)):
        table = vma.tables[number]
        first, last = max(start, vma.start, number << order), min(end, vma.end, (number + 1) << order)
        if first >= last:
            continue
        if vma.huge:
            await step("pmd_offset", vma, first, target=("pmd", vma.number))
            whole = last - first == 1 << order
            if table.huge is not None:
                if not whole:
                    await split_huge_pmd(vma, first)
                else:
                    await zap_huge_pmd(vma, first, zapped)
                    await flush_pmd_tlb_range(vma, first)
            elif single_folio is not None and single_folio.order == order and whole and table.none:
                # "Take and drop THP pmd lock so that we cannot return prematurely, while zap_huge_pmd() has cleared
                # *pmd, but not yet decremented compound_mapcount()."
                await sync_with_folio_pmd_zap(vma)
        if table.present:
            await _zap_pte_range(vma, first, last, zapped, drop_markers=drop_markers, even_cows=even_cows)
    return zapped


async def _zap_pte_range(
    vma: Vma, first: int, last: int, zapped: list[Folio], *, drop_markers: bool, even_cows: bool
) -> None:
    """``zap_pte_range()`` of one page table.

    The page-table lock is taken wherever there is a table, whether or not something is mapped: that is what
    shmem_mfill_atomic_pte() relies on to "serialize against truncate with the page table lock".  An
    entry that try_to_unmap() has emptied without a flush so far is flushed, too
    (flush_tlb_batched_pending()): once munmap() has returned, no CPU reaches the page.

    Whoever holds one of the locks under which page tables may be walked relies on it that a PMD that points to a page
    table still does when it comes to the entries (8d3c106e19e8).

    Raises:
        UseAfterFree: if the page table was freed in between.
    """
    table = vma.table(first)
    generation = table.generation
    # Behind it we look at the TLB, and at the next page table.
    behind = [(PMDS, False), *((pte_target(index), True) for index in range(first, last))]
    await spin_lock(table.ptl, also=behind)
    if table.generation != generation:
        raise UseAfterFree(f"zap_pte_range() locks a page table of {vma} at index {first} that has been freed")
    for index in range(first, last):
        if index in vma.ptes and _should_zap(vma.ptes[index], drop_markers=drop_markers, even_cows=even_cows):
            entry = await pte_clear(vma, index)
            if not drop_markers:
                pte_install_uffd_wp_if_needed(vma, index, entry)
            if entry.folio is not None:
                entry.folio.dirty |= entry.dirty  # folio_mark_dirty()
                entry.folio.mapcount -= 1
                zapped.append(entry.folio)
    await spin_unlock(table.ptl)
    for index in range(first, last):
        if index in vma.tlb:
            await flush_tlb_page(vma, index, also=behind)


def _should_zap(entry: Pte, *, drop_markers: bool, even_cows: bool) -> bool:
    """``zap_drop_markers()``, ``should_zap_folio()``: private copies only if asked for; the zero page is none."""
    if entry.kind == MARKER_UFFD_WP:
        return drop_markers
    return even_cows or entry.kind == ZERO_PAGE or entry.folio is None or not entry.folio.anon


async def unmap_mapping_range(mapping: AddressSpace, start: int, end: int, *, even_cows: bool = True) -> None:
    """``unmap_mapping_range()``: zap whatever maps indices ``start`` to ``end - 1``, in every VMA.

    It does not lock the folios: a fault may map one again at once.

    Args:
        mapping: the file.
        start: the first index.
        end: the index behind the last one.
        even_cows: also the private copies?  A truncate takes them, a hole punch does not.
    """
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        zapped = await zap_page_range(vma, start, end, even_cows=even_cows)
        for position in range(len(zapped)):
            await folio_put(zapped[position], also=[(PMDS, False)])  # of the next VMA
    await up_read(mapping.i_mmap_rwsem)


async def unmap_mapping_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``unmap_mapping_folio()`` of a locked folio: zap what maps it, and wait for whoever is about to.

    "Typically, for efficiency, the range of nearby pages has already been unmapped by unmap_mapping_range().  But once
    truncation or invalidation holds the lock on a page, it may find that the page has been remapped again."
    """
    vm_bug_on_folio(folio.locked_by is None, folio, "unmap_mapping_folio() without its lock")
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        first, last = folio.index, folio.next_index
        zapped = await zap_page_range(vma, first, last, drop_markers=True, single_folio=folio, even_cows=False)
        for position in range(len(zapped)):
            await folio_put(zapped[position], also=[(PMDS, False)])  # of the next VMA
    await up_read(mapping.i_mmap_rwsem)
