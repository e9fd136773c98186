"""Moving a folio to other memory (``mm/migrate.c``), as compaction, move_pages() and memory hotplug do all the time.

 1. Isolate the folio, lock it; a locked folio of the same size will take its place.
 2. Replace each page-table entry by a migration entry: who faults on it waits until the folio is unlocked, and nobody
    gets at the page any more without finding it in the page cache first.
 3. Count the references: ours and the cache's; any other may be a pin, through which somebody writes.  Freeze them,
    put the new folio where the old one was, unfreeze what is left.
 4. The content, and the flags.  Up to 6.10 the content is copied after 3; since 060913999d7a ("mm: migrate: support
    poisoned recover from migrate folio", 6.11) before, when it can still fail.  The flags, uptodate among them, come
    last in both.
 5. Replace the migration entries by entries for the new folio, unlock both, free the old one.

A folio of the swap cache has no entry in a page table; its place is in the swap cache, in a slot for each page.

Leaves out: modes (this is MIGRATE_SYNC, which waits for locks) and batches, tries after the first one (migrate_pages()
makes ten), the split of a large folio for which there is no memory, writeback, mlock, the counters of memory zones.
"""

from __future__ import annotations

from pagecache.folio import (
    Folio,
    __folio_set_locked,
    copy_highpage,
    copy_mc_highpage,
    folio_add_lru,
    folio_isolate_lru,
    folio_lock,
    folio_mark_uptodate,
    folio_put,
    folio_putback_lru,
    folio_ref_count,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_unlock,
)
from pagecache.inode import AddressSpace
from pagecache.rmap import remove_migration_ptes, try_to_migrate
from pagecache.shmem import alloc_folio
from pagecache.swap import swap_cache_get_folio, swap_cache_replace_folio
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.xarray import (
    Entry,
    ValueEntry,
    XaState,
    xas_lock_irq,
    xas_next,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["folio_migrate_flags", "folio_migrate_mapping", "migrate_folio_6_6", "migrate_folio_2026", "migrate_pages"]


async def migrate_pages(mapping: AddressSpace, index: int) -> str:
    """``migrate_pages()`` of the folio at ``index`` of the file, be it in the page cache or in the swap cache.

    Returns:
        Empty; ``"ENOENT"`` if there is none; ``"EBUSY"`` if it cannot be isolated; ``"ENOMEM"``; ``"EAGAIN"`` if
        somebody else has a reference, or it has left the file; ``"EHWPOISON"``.
    """
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if isinstance(entry, ValueEntry):
        # Compaction comes across the folio by its number; who looks for it here has to ask for the device.
        present = await get_swap_device(mapping.swap)
        if not present:
            return "ENOENT"
        entry = await swap_cache_get_folio(mapping.swap, entry.value)
        await put_swap_device(mapping.swap)
    if not isinstance(entry, Folio):
        return "ENOENT"
    isolated = await folio_isolate_lru(entry)
    await folio_put(entry)
    if not isolated:
        return "EBUSY"
    dst = await alloc_folio(mapping.memory, entry.order)
    if dst is None:
        await folio_putback_lru(entry)
        return "ENOMEM"
    return await _unmap_and_move(mapping, dst, entry)


async def _unmap_and_move(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """migrate_folio_unmap(), then migrate_folio_move(); or everything as it was, and ``dst`` is freed."""
    await folio_lock(src)
    await __folio_set_locked(dst)
    was_mapped = src.mapcount > 0
    if was_mapped:
        await try_to_migrate(mapping, src)
    error = "EAGAIN"
    if not src.mapcount and (src.mapping is mapping or src.swap >= 0):
        error = await _move_to_new_folio(mapping, dst, src)
    if error:
        # The two halves of the undo: migrate_folio_undo_src() and migrate_folio_undo_dst().
        if was_mapped:
            await remove_migration_ptes(mapping, src, src)
        await folio_unlock(src)
        await folio_putback_lru(src)
        await folio_unlock(dst)
        await folio_put(dst)
        return error
    await folio_add_lru(dst)
    if was_mapped:
        await remove_migration_ptes(mapping, src, dst)
    await folio_unlock(dst)
    await folio_put(dst)
    await folio_unlock(src)
    await folio_put(src)
    return ""


async def _move_to_new_folio(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``move_to_new_folio()``: the address space does it; the old folio does not belong to it any more."""
    error: str = await mapping.kernel.migrate_folio(mapping, dst, src)
    if not error:
        src.mapping = None
    return error


async def migrate_folio_6_6(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``migrate_folio()`` up to 6.10: the new folio is in its place before it has content."""
    error: str = await mapping.kernel.folio_migrate_mapping(mapping, dst, src)
    if error:
        return error
    for index in range(src.index, src.next_index):
        await copy_highpage(dst, index - src.index, src, index)
    await folio_migrate_flags(dst, src)
    return ""


async def migrate_folio_2026(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``__migrate_folio()`` since 6.11: the content first, because reading it may fail.

    Somebody whose reference is counted now may write to the folio still, and drop the reference before they are frozen:
    so they are counted before the copy, too.  Nobody gets one in between that he could write through.
    """
    refs = await folio_ref_count(src)
    if refs != 1 + src.nr_pages:
        return "EAGAIN"
    for index in range(src.index, src.next_index):
        copied = await copy_mc_highpage(dst, index - src.index, src, index)
        if not copied:
            return "EHWPOISON"
    error: str = await mapping.kernel.folio_migrate_mapping(mapping, dst, src)
    if error:
        return error
    await folio_migrate_flags(dst, src)
    return ""


async def folio_migrate_mapping(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``__folio_migrate_mapping()``: put ``dst`` where ``src`` stands, if nobody else has a reference.

    In a file a large folio is one entry, to which all its slots lead.  The swap cache has an entry for each page.
    """
    nr = src.nr_pages
    xas = XaState(mapping.i_pages, src.index)
    # The swap cache has a tree and a lock of its own; what that protects is one step here.
    in_file = src.mapping is mapping
    if in_file:
        await xas_lock_irq(xas)
    frozen = await folio_ref_freeze(src, 1 + nr)
    if not frozen:
        if in_file:
            await xas_unlock_irq(xas)
        return "EAGAIN"
    # "Now we know that no one else is looking at the folio: no turning back from here".
    dst.index = src.index
    dst.mapping = src.mapping
    dst.refcount += nr
    dst.swapbacked = src.swapbacked
    dst.swap = src.swap
    entries = nr if src.swap >= 0 else 1
    # "Move dirty while page refs frozen and newpage not yet exposed".
    dst.dirty = src.dirty
    src.dirty = False
    for position in range(entries):
        if src.swap >= 0:
            await swap_cache_replace_folio(mapping.swap, src, dst, position)
        else:
            await xas_store(xas, dst)
            await xas_next(xas)
    # "Drop cache reference from old page by unfreezing to one less reference".
    await folio_ref_unfreeze(src, 1)
    if in_file:
        await xas_unlock_irq(xas)
    return ""


async def folio_migrate_flags(dst: Folio, src: Folio) -> None:
    """``folio_migrate_flags()``: of those that this model has, uptodate and swapcache are left."""
    if src.uptodate:
        await folio_mark_uptodate(dst)
    src.swap = -1
