"""Pages of a shmem file on their way to swap and back (``mm/shmem.c``)."""

from __future__ import annotations

from pagecache.folio import ZERO, Folio, drop_references, folio_lock, folio_mark_uptodate, folio_put, folio_unlock
from pagecache.inode import AddressSpace, Inode, shmem_recalc_inode
from pagecache.locks import spin_lock, spin_unlock
from pagecache.shmem import shmem_add_to_page_cache
from pagecache.step import KernelBug, step
from pagecache.swap import (
    add_to_swap_cache,
    delete_from_swap_cache,
    folio_alloc_swap,
    free_swap_and_cache,
    read_swap_cache,
    swap_cache_get_folio,
    swap_free,
    swap_shmem_alloc,
    swap_writepage,
)
from pagecache.xarray import ValueEntry, XaState, xa_cmpxchg, xas_load, xas_lock_irq, xas_store, xas_unlock_irq

__all__ = ["shmem_confirm_swap", "shmem_free_swap", "shmem_swapin_folio", "shmem_writepage"]


async def shmem_writepage(mapping: AddressSpace, folio: Folio) -> bool:
    """``shmem_writepage()``: move the locked, unmapped folio from the page cache to the swap cache, and write it.

    ``swapped`` rises before ``nrpages`` falls, lest a shmem_recalc_inode() between the two take the page for one
    that was dropped.

    Returns:
        True if it has been written, and unlocked; false if it stays: it is dirty again, and locked.

    Leaves out: shmem_swaplist and its mutex (nothing walks it), large folios, which are split first.
    """
    inode = mapping.host
    if not folio.uptodate:
        # A page that fallocate() has reserved: fallocate() may still have to undo it, and wants it kept.
        await spin_lock(inode.i_lock)
        falloc = inode.i_private
        keep = falloc is not None and falloc.waitq is None and falloc.start <= folio.index < falloc.next
        await spin_unlock(inode.i_lock)
        if keep:
            folio.dirty = True
            return False
        folio.pages[0] = ZERO
        await folio_mark_uptodate(folio)
    entry = await folio_alloc_swap(mapping.swap)
    if entry < 0:
        folio.dirty = True
        return False
    add_to_swap_cache(mapping.swap, folio, entry)
    await shmem_recalc_inode(inode, 0, 1)
    await swap_shmem_alloc(mapping.swap, entry)
    await _shmem_delete_from_page_cache(mapping, folio, ValueEntry(entry))
    if folio.mapcount:
        raise KernelBug(f"shmem_writepage(): {folio} is mapped")
    await swap_writepage(mapping.swap, folio)
    return True


async def _shmem_delete_from_page_cache(mapping: AddressSpace, folio: Folio, radswap: ValueEntry) -> None:
    """``shmem_delete_from_page_cache()``: put ``radswap`` in the folio's place, which must still be there."""
    xas = XaState(mapping.i_pages, folio.index)
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    if entry is not folio:
        raise KernelBug(f"shmem_delete_from_page_cache(): {entry} where {folio} should be")
    await xas_store(xas, radswap)
    folio.mapping = None
    mapping.nrpages -= 1
    await xas_unlock_irq(xas)
    await step("folio_put", folio, target=("refcount", folio.number), writes=True)
    drop_references(folio, 1)


async def shmem_confirm_swap(mapping: AddressSpace, index: int, swap: ValueEntry) -> bool:
    """``shmem_confirm_swap()``: is that still what stands there?  Without a lock."""
    entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if isinstance(entry, Folio):
        await folio_put(entry)
    return bool(entry == swap)


async def shmem_swapin_folio(inode: Inode, index: int, swap: ValueEntry) -> tuple[str, Folio | None]:
    """``shmem_swapin_folio()``: bring the page back that stood at ``index`` as ``swap`` a moment ago.

    1. Find it in the swap cache, or read it.
    2. Lock it.  "We have to do this with folio locked to prevent races": it must still be in the swap cache by this
       entry, and the file must still refer to it: it may have been brought in, written to and sent out meanwhile.
    3. Insert it where ``swap`` is expected, forget it in the swap cache, free the slot.

    Returns:
        ``"EEXIST"`` if something else stands there by now: look again; ``"ENOMEM"``; and the folio, locked.
    """
    mapping = inode.i_mapping
    folio = await swap_cache_get_folio(mapping.swap, swap.value)
    if folio is None:
        error, folio = await read_swap_cache(mapping.swap, mapping.memory, swap.value)
        if folio is None:
            confirmed = await shmem_confirm_swap(mapping, index, swap)
            return (error or "EIO") if confirmed else "EEXIST", None
    await folio_lock(folio)
    error = ""
    confirmed = folio.swap == swap.value
    if confirmed:
        confirmed = await shmem_confirm_swap(mapping, index, swap)
    if not confirmed:
        error = "EEXIST"
    if not error:
        error = await shmem_add_to_page_cache(folio, mapping, index, swap)
    if error:
        await folio_unlock(folio)
        await folio_put(folio)
        return error, None
    await shmem_recalc_inode(inode, 0, -1)
    await delete_from_swap_cache(mapping.swap, folio)
    folio.dirty = True
    await swap_free(mapping.swap, swap.value)
    return "", folio


async def shmem_free_swap(mapping: AddressSpace, index: int, radswap: ValueEntry) -> bool:
    """``shmem_free_swap()``: take the entry out of the file if it is still there, and free what it refers to.

    Returns:
        False if something else stands there by now (ENOENT).
    """
    old = await xa_cmpxchg(XaState(mapping.i_pages, index), radswap, None)
    if old != radswap:
        return False
    await free_swap_and_cache(mapping.swap, radswap.value)
    return True
