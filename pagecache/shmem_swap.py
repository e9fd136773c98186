"""Pages of a shmem file on their way to swap and back (``mm/shmem.c``)."""

from __future__ import annotations

from pagecache.folio import ZERO, Folio, drop_references, folio_lock, folio_mark_uptodate, folio_put, folio_unlock
from pagecache.inode import AddressSpace, Inode, i_size_read
from pagecache.locks import rcu_read_lock, rcu_read_unlock, spin_lock, spin_unlock
from pagecache.shmem import shmem_add_to_page_cache
from pagecache.step import KernelBug, step
from pagecache.swap import (
    add_to_swap_cache,
    folio_alloc_swap,
    folio_put_swap,
    free_swap_and_cache,
    swap_cache_del_folio,
    swap_cache_get_folio,
    swap_shmem_alloc,
    swap_writepage,
    swapin_sync,
)
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.xarray import (
    ValueEntry,
    XaState,
    xa_is_retry,
    xas_get_order,
    xas_load,
    xas_lock_irq,
    xas_nomem,
    xas_retry,
    xas_set_err,
    xas_set_order,
    xas_store,
    xas_try_split,
    xas_try_split_min_order,
    xas_unlock_irq,
)

__all__ = [
    "shmem_confirm_swap",
    "shmem_delete_from_page_cache",
    "shmem_free_swap",
    "shmem_split_swap_entry",
    "shmem_swapin_folio",
    "shmem_writepage",
    "try_split",
]


async def shmem_writepage(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> bool:
    """``shmem_writepage()``: move the locked, unmapped folio from the page cache to the swap cache, and write it.

    A large folio goes out as a whole.  It is split if the end of the file cuts through it, since nobody splits a large
    swap entry that lies partly behind the end; or if there are no consecutive slots.  Then its first part goes out, and
    the others to ``folio_list``.

    ``swapped`` rises before ``nrpages`` falls, lest a shmem_recalc_inode() between the two take the page for one
    that was dropped.

    Returns:
        True if it has been written, and unlocked; false if it stays: it is dirty again, and locked.

    Leaves out: shmem_swaplist and its mutex (nothing walks it).
    """
    inode = mapping.host
    if folio.order:
        size = await i_size_read(inode)
        if folio.index < max(size, inode.info.fallocend) < folio.next_index:  # shmem_fallocend()
            split = await try_split(mapping, folio, folio_list)
            if not split:
                return False
    if not folio.uptodate:
        # A page that fallocate() has reserved: fallocate() may still have to undo it, and wants it kept.
        await spin_lock(inode.i_lock)
        falloc = inode.i_private
        keep = falloc is not None and falloc.waitq is None and falloc.start <= folio.index < falloc.next
        if falloc is not None and keep:
            falloc.nr_unswapped += folio.nr_pages  # "let shmem_fallocate() quit when too many"
        await spin_unlock(inode.i_lock)
        if keep:
            folio.dirty = True
            return False
        folio.pages = [ZERO] * folio.nr_pages
        await folio_mark_uptodate(folio)
    entry = await folio_alloc_swap(mapping.swap, folio.order)
    if entry < 0 and folio.order:
        split = await try_split(mapping, folio, folio_list)
        if split:
            entry = await folio_alloc_swap(mapping.swap, 0)
    if entry < 0:
        folio.dirty = True
        return False
    add_to_swap_cache(mapping.swap, folio, entry)
    await mapping.kernel.shmem_recalc_inode(inode, 0, folio.nr_pages)
    await swap_shmem_alloc(mapping.swap, entry, folio.nr_pages)
    await shmem_delete_from_page_cache(mapping, folio, ValueEntry(entry))
    if folio.mapcount:
        raise KernelBug(f"shmem_writepage(): {folio} is mapped")
    await swap_writepage(mapping.swap, folio)
    return True


async def try_split(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> bool:
    """``try_split`` of shmem_writepage(): split a large folio that cannot go out as a whole.

    Returns:
        Whether it was; if not it is dirty again.
    """
    folio.dirty = True  # "ensure the subpages are still dirty"
    error = await mapping.kernel.split_folio(mapping, folio, folio_list=folio_list)
    folio.dirty = bool(error)
    return not error


async def shmem_delete_from_page_cache(mapping: AddressSpace, folio: Folio, radswap: ValueEntry) -> None:
    """``shmem_delete_from_page_cache()``: put ``radswap`` in the folio's place, which must still be there."""
    xas = XaState(mapping.i_pages, folio.index)
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    if entry is not folio:
        raise KernelBug(f"shmem_delete_from_page_cache(): {entry} where {folio} should be")
    await xas_store(xas, radswap)
    folio.mapping = None
    mapping.nrpages -= folio.nr_pages
    await xas_unlock_irq(xas)
    await step("folio_put", folio, target=("refcount", folio.number), writes=True)
    drop_references(folio, folio.nr_pages)


async def shmem_confirm_swap(mapping: AddressSpace, index: int, swap: ValueEntry) -> int:
    """``shmem_confirm_swap()``: is that still what stands there?  Without a lock.

    Returns:
        The order of the entry; -1 if it is another one.
    """
    order = -1
    xas = XaState(mapping.i_pages, index)
    await rcu_read_lock()
    while True:
        entry = await xas_load(xas)
        if not xa_is_retry(entry):
            break
        await xas_retry(xas)
    if entry == swap:
        order = await xas_get_order(xas)
    await rcu_read_unlock()
    return order


async def shmem_split_swap_entry(mapping: AddressSpace, index: int, swap: ValueEntry) -> str:
    """``shmem_split_swap_entry()``: split the large entry ``swap``, so that the page at ``index`` has one of its own.

    What is beside it keeps as large entries as it can, each with the number of its own first slot: the entry is split
    step by step, none of which needs more than one node (xas_try_split_min_order(), since 6.15).

    Returns:
        Empty; ``"EEXIST"`` if something else stands there by now; ``"ENOMEM"``.
    """
    xas = XaState(mapping.i_pages, index)
    while True:
        await xas_lock_irq(xas)
        old = await xas_load(xas)
        order = 0
        if old == swap:
            order = await xas_get_order(xas)
        else:
            xas_set_err(xas, "EEXIST")
        first = index >> order << order
        while order and not xas.error:
            aligned = index >> order << order
            split_order = xas_try_split_min_order(xas.xa, order)
            xas_set_order(xas, index, split_order)
            await xas_try_split(xas, ValueEntry(swap.value + aligned - first), order)
            if xas.error:
                break
            # Each entry gets the number of its own slot: they are consecutive.
            for part in range(aligned, aligned + (1 << order), 1 << split_order):
                entry = XaState(mapping.i_pages, part)
                entry.locked = True
                await xas_store(entry, ValueEntry(swap.value + part - first))
            order = split_order
        await xas_unlock_irq(xas)
        again = await xas_nomem(xas)
        if not again:
            return xas.error


async def shmem_swapin_folio(inode: Inode, index: int, entry: ValueEntry) -> tuple[str, Folio | None]:
    """``shmem_swapin_folio()`` of 7.0: bring the page back that stood at ``index`` as ``entry`` a moment ago.

    1. Keep the device.  If it is gone, swapoff(2) has brought the page back before: look again.
    2. Find it in the swap cache, or read it; of a large entry, the whole of it if there is memory, else this page.
    3. If the folio is smaller than the entry, split the entry.
    4. Lock the folio.  "We have to do this with folio locked to prevent races": it must still be in the swap cache by
       this entry, and the file must still refer to it: it may have been brought in, written to and sent out meanwhile.
    5. Insert it where its entries are expected, give the slots back, forget it in the swap cache.  In this order: at a
       slot that still counts while the swap cache has nothing, others would read ahead, and with a large folio that
       nobody can use, since the file has only a part of its entries left, they would go round for ever.

    Returns:
        ``"EEXIST"`` if something else stands there by now: look again; what shmem_swap_alloc_folio() says; ``"EINVAL"``
        for an entry without a device, which nobody has seen; and the folio, locked.
    """
    mapping = inode.i_mapping
    present = await get_swap_device(mapping.swap)
    order = await shmem_confirm_swap(mapping, index, entry)
    if not present:
        return "EEXIST" if order < 0 else "EINVAL", None
    if order < 0:
        await put_swap_device(mapping.swap)
        return "EEXIST", None
    swap = entry.value + index - (index >> order << order)
    folio = await swap_cache_get_folio(mapping.swap, swap)
    if folio is None:
        error, folio = await mapping.kernel.shmem_swap_alloc_folio(mapping, swap, order)
        if folio is None:
            # "failed:" compares with the number of this page's slot, so that inside of a large entry it looks again.
            still = await shmem_confirm_swap(mapping, index, ValueEntry(swap))
            await put_swap_device(mapping.swap)
            return error if still >= 0 else "EEXIST", None
    if order > folio.order:
        error = await shmem_split_swap_entry(mapping, index, entry)
        if error:
            await folio_put(folio)
            await put_swap_device(mapping.swap)
            return error, None
    first = index >> folio.order << folio.order
    expected = ValueEntry(swap >> folio.order << folio.order)
    await folio_lock(folio)
    error = ""
    confirmed = -1
    if folio.swap == expected.value:
        confirmed = await shmem_confirm_swap(mapping, first, expected)
    if confirmed < 0:
        error = "EEXIST"
    if not error:
        error = await shmem_add_to_page_cache(folio, mapping, first, expected)
    if error:
        await folio_unlock(folio)
        await folio_put(folio)
        await put_swap_device(mapping.swap)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 0, -folio.nr_pages)
    await folio_put_swap(mapping.swap, folio)
    await swap_cache_del_folio(mapping.swap, folio)
    folio.dirty = True
    await put_swap_device(mapping.swap)
    return "", folio


async def shmem_swap_alloc_folio(mapping: AddressSpace, entry: int, order: int) -> tuple[str, Folio | None]:
    """``shmem_swap_alloc_folio()`` before swapin_sync(): read a swapped page, with all of its entry if there is memory.

    Left out: a large folio needs a userfaultfd that is not armed, and no zswap.

    Args:
        mapping: the file.
        entry: the page's slot.
        order: of the entry that it is part of.

    Returns:
        ``"EEXIST"`` if nobody refers to the slot any more: "swapin can only fail due to another raced swapin";
        ``"ENOMEM"``; and the folio, with a reference.
    """
    error, folio = await swapin_sync(mapping.swap, mapping.memory, entry, order)
    return "" if folio is not None else error or "EEXIST", folio


async def shmem_swap_alloc_folio_2026(mapping: AddressSpace, entry: int, order: int) -> tuple[str, Folio | None]:
    """``shmem_swap_alloc_folio()`` since swapin_sync(), otherwise as before.

    Kairui Song's series <20260517-swap-table-p4-v5-0-88ae43e064c7@tencent.com>.

    Returns:
        What swap_cache_alloc_folio() says: ``"ENOENT"`` if nobody refers to the slot any more.
    """
    error, folio = await swapin_sync(mapping.swap, mapping.memory, entry, order)
    return "" if folio is not None else error or "ENOENT", folio


async def shmem_free_swap(mapping: AddressSpace, index: int, last: int, radswap: ValueEntry) -> int:
    """``shmem_free_swap()``: take the entry out of the file if it is still there, and free what it refers to.

    Its order is looked at under the lock: it may have been split, or have grown, since it was found (8a1968bd997f).

    Args:
        mapping: the file.
        index: where it was found.
        last: the last index that may go; an entry that reaches beyond, or begins before ``index``, stays.
        radswap: the entry.

    Returns:
        How many pages went; 0 if something else stands there by now.
    """
    xas = XaState(mapping.i_pages, index)
    nr = 0
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    if entry == radswap:
        order = await xas_get_order(xas)
        nr = 1 << order
        base = index >> order << order
        if base < index or base + nr - 1 > last:
            nr = 0
        else:
            await xas_store(xas, None)
    await xas_unlock_irq(xas)
    if nr:
        await free_swap_and_cache(mapping.swap, radswap.value, nr)
    return nr
