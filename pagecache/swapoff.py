"""``swapoff(2)``: bring every page back, then take the device away (``mm/swapfile.c``, ``mm/shmem.c``).

Leaves out: pages of processes (the file is all that is swapped out here); the list of files that have swapped pages
(shmem_swaplist: there is one file, and it is always asked); signals; zswap; swapon(2), so that off is off.
"""

from __future__ import annotations

from pagecache.folio import Folio, drop_references, folio_lock, folio_put, folio_unlock
from pagecache.inode import AddressSpace, Inode
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.step import Task, Wait, step
from pagecache.swap import forget, swap_cache_get_folio
from pagecache.swap_device import USERS, SwapDevice
from pagecache.touched import TREE
from pagecache.xarray import ValueEntry, XaState, xa_is_retry, xas_find, xas_retry

__all__ = ["shmem_unuse_inode", "sys_swapoff", "try_to_unuse"]


async def sys_swapoff(inode: Inode) -> str:
    """``swapoff(2)`` of the only swap device.

    1. From now on nobody gets a slot.
    2. Bring back all that is there; without memory for it, the device stays after all.
    3. From now on nobody gets a reference: there is no entry any more for which one could be needed.
    4. Wait for those who have one: they may have seen an entry before.
    5. Free the map.

    Returns:
        Empty; ``"EINVAL"`` if it is off, or somebody else is at it; ``"ENOMEM"``.
    """
    swap = inode.i_mapping.swap
    await step("del_from_avail_list", target=("swap_map", 0), writes=True)
    if not swap.writeok:
        return "EINVAL"
    swap.writeok = False
    error = await try_to_unuse(inode.i_mapping)
    if error:
        await step("reinsert_swap_info", target=("swap_map", 0), writes=True)
        swap.writeok = True
        return error
    await step("percpu_ref_kill", target=USERS, writes=True)
    swap.dying = True
    await step(
        "wait_for_completion",
        target=USERS,
        writes=True,
        ready=lambda: not swap.users,
        waits_for=swap.users_wait_for,
        sleeps=True,
        also=[(target, True) for target in swap.targets()],
    )
    swap.freed = True
    return ""


async def try_to_unuse(mapping: AddressSpace) -> str:
    """``try_to_unuse()``: until no slot is in use.

    "It's easy and robust (though cpu-intensive) just to keep retrying": a page may be on its way out, with a slot
    to which no file refers yet, or a slot on its way back, to which no file refers any more.  As long as there is
    nothing else it waits for them here.

    Returns:
        Empty, or ``"ENOMEM"``.
    """
    swap = mapping.swap
    while True:
        await step("swap_usage_in_pages", also=[(target, False) for target in swap.targets()])
        if not swap.in_use():
            return ""
        error = await shmem_unuse_inode(mapping.host)
        if error:
            return error
        number = -1
        while True:
            number = await _find_next_to_unuse(swap, number)
            if number < 0:
                break
            folio = await swap_cache_get_folio(swap, number)
            if folio is None:
                continue
            await folio_lock(folio)
            await _folio_free_swap(swap, folio)
            await folio_unlock(folio)
            await folio_put(folio)
        await step(
            "swap_usage_in_pages",
            target=TREE,
            ready=lambda: _is_worth_a_look(mapping),
            waits_for=lambda: Wait("the swap slots that are being allocated or freed", _busy_with(swap)),
            sleeps=True,
            also=[(target, False) for target in swap.targets()],
        )


def _is_worth_a_look(mapping: AddressSpace) -> bool:
    """Is nothing left, or something that can be brought back or freed?"""
    swap = mapping.swap
    if not swap.in_use() or any(slot.cache is not None and not slot.count for slot in swap.slots):
        return True
    return any(isinstance(entry, ValueEntry) for entry in mapping.i_pages.entries())


def _busy_with(swap: SwapDevice) -> tuple[Task, ...]:
    """Who has locked a folio of the swap cache: it is on its way."""
    lockers: list[Task] = []
    for slot in swap.slots:
        if slot.cache is not None and slot.cache.locked_by is not None and slot.cache.locked_by not in lockers:
            lockers.append(slot.cache.locked_by)
    return tuple(lockers)


async def _find_next_to_unuse(swap: SwapDevice, number: int) -> int:
    """``find_next_to_unuse()``: the next slot behind ``number`` that is in use, -1 if there is none.

    "No need for swap_lock here: we're just looking."
    """
    await step("find_next_to_unuse", number, also=[(target, False) for target in swap.targets()])
    return next((one for one in range(number + 1, len(swap.slots)) if not swap.slots[one].free), -1)


async def _folio_free_swap(swap: SwapDevice, folio: Folio) -> None:
    """``folio_free_swap()`` of a locked folio: the swap cache forgets it if no file refers to its slots any more."""
    await step(
        "folio_free_swap",
        folio,
        target=swap.target(folio.swap),
        writes=True,
        also=[(("refcount", folio.number), True)],
    )
    if folio.swap < 0 or any(slot.count for slot in swap.of(folio)):
        return
    forget(swap, folio)
    folio.dirty = True
    drop_references(folio, folio.nr_pages)


async def shmem_unuse_inode(inode: Inode) -> str:
    """``shmem_unuse_inode()``: bring back what the file has on the device; whatever fails is tried again later.

    Returns:
        Empty, or ``"ENOMEM"``.
    """
    mapping = inode.i_mapping
    start = 0
    while True:
        found = await _shmem_find_swap_entries(mapping, start)
        if not found:
            return ""
        for position in range(len(found)):
            index, entry = found[position]
            error, folio = await mapping.kernel.shmem_swapin_folio(inode, index, entry)
            if folio is not None:
                await folio_unlock(folio)
                await folio_put(folio)
            if error == "ENOMEM":
                return "ENOMEM"
        start, _ = found[len(found) - 1]


async def _shmem_find_swap_entries(mapping: AddressSpace, start: int) -> list[tuple[int, ValueEntry]]:
    """``shmem_find_swap_entries()``: the swap entries from ``start`` on, each with where it was found."""
    found: list[tuple[int, ValueEntry]] = []
    last = mapping.i_pages.nr_slots - 1
    xas = XaState(mapping.i_pages, start)
    await rcu_read_lock()
    while True:
        entry = await xas_find(xas, last)
        if entry is None:
            break
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, ValueEntry):
            found.append((xas.index, entry))
    await rcu_read_unlock()
    return found
