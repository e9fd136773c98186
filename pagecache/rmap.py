"""Finding and removing the page-table entries that map a folio (``mm/rmap.c``).

page_vma_mapped_walk() finds a page table by way of a VMA, and takes its lock.  That the VMA still has it then, is what
the i_mmap_rwsem is for: mremap() takes it for writing to move one (97113eb39fa7).  A walker that does not wait for that
finds the entries where they are now, and flushes the TLB where they were.
"""

from __future__ import annotations

from pagecache.folio import Folio, drop_references, seen_in_its_slots
from pagecache.huge_pmd import (
    pmd_mkclean,
    remove_migration_pmd,
    set_pmd_migration_entry,
    split_huge_pmd_of_folio,
    sync_with_folio_pmd_zap,
)
from pagecache.inode import AddressSpace
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import Vma, flush_tlb_page, pte_changed, pte_clear, pte_install_uffd_wp_if_needed, pte_under_lock
from pagecache.pte import MIGRATION, Pte, pte_target
from pagecache.step import step
from pagecache.touched import PTES, TLB

__all__ = [
    "finds_huge_pmd",
    "folio_mkclean",
    "remove_migration_ptes",
    "try_to_migrate",
    "try_to_unmap",
    "try_to_unmap_flush",
]


async def finds_huge_pmd(vma: Vma, folio: Folio, *, sync: bool) -> bool:
    """The part of ``page_vma_mapped_walk()`` for a PMD: is there a huge one where ``folio`` could be mapped?

    With ``sync`` (PVMW_SYNC) it waits, where there is nothing, for who has just cleared it.
    """
    if folio.order != vma.mapping.hpage_pmd_order or not vma.suitable(folio.index):
        return False
    await step("pmd_offset", vma, folio.index, target=("pmd", vma.number), also=[(PTES, False)])
    if sync and vma.table(folio.index).none:
        await sync_with_folio_pmd_zap(vma)
        return False
    return vma.table(folio.index).huge is not None


async def try_to_unmap(
    mapping: AddressSpace, folio: Folio, *, rmap_locked: bool = False, batch_flush: bool = False, sync: bool = False
) -> None:
    """``try_to_unmap()``: empty every page-table entry that maps the locked ``folio``.

    Args:
        mapping: the file.
        folio: locked by the caller, so that no new entry can appear.
        rmap_locked: TTU_RMAP_LOCKED, the caller holds ``i_mmap_rwsem``.
        batch_flush: TTU_BATCH_FLUSH, the TLB is flushed by a later try_to_unmap_flush(); until then CPUs
            still reach the page through old entries.
        sync: TTU_SYNC, take the lock wherever an entry could be: somebody has cleared one, and the mapcount is to
            follow, or it is to be set again elsewhere (mremap()).
    """
    if not rmap_locked:
        await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        huge = await finds_huge_pmd(vma, folio, sync=sync)
        if huge:
            await split_huge_pmd_of_folio(vma, folio)  # TTU_SPLIT_HUGE_PMD
        for index in range(folio.index, folio.next_index):
            if sync and not vma.has_table(index):
                continue
            # page_vma_mapped_walk() peeks before it takes the lock.
            if not sync and vma.mapped(index) is not folio:
                continue
            table = vma.table(index)
            await spin_lock(table.ptl, also=[(PTES, False)])
            if table.vma.mapped(index) is folio:
                entry = await pte_clear(table.vma, index)
                pte_install_uffd_wp_if_needed(table.vma, index, entry)
                vma.mm.tlb_flush_batched |= batch_flush
                if not batch_flush:
                    await flush_tlb_page(vma, index, also=pte_changed(folio))
                folio.dirty |= entry.dirty  # "Move the dirty bit to the folio now the pte is gone."
                folio.mapcount -= 1
                # page_remove_rmap(), then folio_put(): the cache's reference remains.
                drop_references(folio, 1)
            await spin_unlock(table.ptl)
    if not rmap_locked:
        await up_read(mapping.i_mmap_rwsem)


async def folio_mkclean(mapping: AddressSpace, folio: Folio) -> None:
    """``folio_mkclean()`` of a locked folio: make what maps it clean and read-only, so that the next store faults.

    The entry is cleared, flushed from the TLB and set again under the page-table lock; who walks without that lock
    reads the same page through the new entry, and faults for a store, so the last of the three is no step.

    It does not peek (PVMW_SYNC): wherever there is a page table it takes the lock, and so waits for who has cleared an
    entry and not flushed the TLB yet.
    """
    if not folio.mapcount:
        return
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        huge = await finds_huge_pmd(vma, folio, sync=True)
        if huge:
            await pmd_mkclean(vma, folio)
        for index in range(folio.index, folio.next_index):
            if not vma.has_table(index):
                continue
            table = vma.table(index)
            await spin_lock(table.ptl, also=[(PTES, False)])
            if table.vma.mapped(index) is folio and table.vma.ptes[index].write:
                entry = await pte_clear(table.vma, index)
                table.vma.ptes[index] = entry._replace(write=False, dirty=False)
                await flush_tlb_page(vma, index)
            await spin_unlock(table.ptl)
    await up_read(mapping.i_mmap_rwsem, also=seen_in_its_slots(folio))  # who calls it makes the folio clean


async def try_to_migrate(mapping: AddressSpace, folio: Folio) -> None:
    """``try_to_migrate()``: replace every page-table entry that maps the locked ``folio`` by a migration entry.

    The entry is cleared, flushed from the TLB and replaced under the page-table lock; who walks without that lock
    faults either way, so the last of the three is no step.
    """
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        huge = await finds_huge_pmd(vma, folio, sync=False)
        if huge:
            await set_pmd_migration_entry(vma, folio)
        for index in range(folio.index, folio.next_index):
            if vma.mapped(index) is not folio:
                continue
            table = vma.table(index)
            await spin_lock(table.ptl, also=[(PTES, False)])
            if table.vma.mapped(index) is folio:
                entry = await pte_clear(table.vma, index)
                table.vma.ptes[index] = Pte(None, entry.write, entry.dirty, entry.uffd_wp, MIGRATION, folio)
                await flush_tlb_page(vma, index, also=pte_changed(folio))
                folio.dirty |= entry.dirty
                folio.mapcount -= 1
                drop_references(folio, 1)
            await spin_unlock(table.ptl)
    await up_read(mapping.i_mmap_rwsem, also=[(("refcount", folio.number), False)])  # is it still mapped?


async def remove_migration_ptes(mapping: AddressSpace, src: Folio, dst: Folio) -> None:
    """``remove_migration_ptes()``: map ``dst``, locked, wherever there is a migration entry for ``src``.

    It does not peek (PVMW_SYNC), as folio_mkclean() does not: mremap() has cleared an entry and not set it again yet.
    """
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        huge = await finds_huge_pmd(vma, dst, sync=True)
        if huge:
            await remove_migration_pmd(vma, src, dst)
        for index in range(dst.index, dst.next_index):
            if not vma.has_table(index):
                continue
            table = vma.table(index)
            await spin_lock(table.ptl, also=[(PTES, False)])
            if table.vma.migrating(index) is src:
                changed = pte_changed(dst)
                await step("set_pte_at", table.vma, index, dst, target=pte_target(index), writes=True, also=changed)
                entry = pte_under_lock(table.vma, index)
                table.vma.ptes[index] = Pte(dst, entry.write, entry.dirty, entry.uffd_wp)
                dst.refcount += 1
                dst.mapcount += 1
            await spin_unlock(table.ptl)
    await up_read(mapping.i_mmap_rwsem)


async def try_to_unmap_flush(mapping: AddressSpace) -> None:
    """``try_to_unmap_flush()``: the TLB flush that try_to_unmap(batch_flush=True) put off."""
    await step(
        "try_to_unmap_flush",
        target=TLB,
        writes=True,
        also=[(pte_target(index), True) for index in range(mapping.i_pages.nr_slots)],
    )
    for vma in mapping.i_mmap:
        vma.tlb.clear()
        vma.mm.tlb_flush_batched = False
