"""The swap device, its map and the swap cache (``mm/swapfile.c``, ``mm/swap_state.c``, ``mm/page_io.c``).

A swapped-out page of a file is a value entry in the file's tree: the number of a slot of the device.  A large folio
that is swapped out as a whole is one value entry of its order: the number of the first of as many consecutive
slots, naturally aligned.  The device counts, for each slot, who refers to it (``swap_map``): a file, and the swap cache
(SWAP_HAS_CACHE).  A slot goes back when neither does.  While a page is on its way out or in, the swap cache has
its folio, in the place of each of its slots.

The device is one of those that are read at once (SWP_SYNCHRONOUS_IO, zram for example): there is no readahead, and a
large entry may be read into a large folio.  It goes through the swap cache all the same, as it does in 2026 ("mm/shmem:
never bypass the swap cache for SWP_SYNCHRONOUS_IO").

Leaves out: several devices and priorities, clusters and their locks (what they protect is one step here),
asynchronous I/O (a folio is written, or read, in one step, so there is no writeback to wait for), zswap.
"""

from __future__ import annotations

from pagecache.folio import Folio, Memory, __folio_set_locked, drop_references, folio_put, folio_unlock, vm_bug_on_folio
from pagecache.step import KernelBug, Target, UseAfterFree, Wait, step
from pagecache.swap_device import NOTHING, SwapDevice, SwapSlot
from pagecache.touched import SWAP_CACHE

__all__ = [
    "add_to_swap_cache",
    "folio_alloc_swap",
    "folio_put_swap",
    "forget",
    "free_swap_and_cache",
    "swap_cache_alloc_folio",
    "swap_cache_del_folio",
    "swap_cache_get_folio",
    "swap_cache_replace_folio",
    "swap_free",
    "swap_shmem_alloc",
    "swap_writepage",
    "swapin_sync",
]


async def folio_alloc_swap(swap: SwapDevice, order: int) -> int:
    """``folio_alloc_swap()``: the first free slot; of 2**order consecutive ones, aligned; -1 if there are none.

    From a device that somebody is switching off nobody gets any.

    Nobody else gets the slots until add_to_swap_cache(), which follows in the same step here.
    """
    looked_at = [(target, False) for target in swap.targets()]
    current = await step("folio_alloc_swap", target=("swap_map", 0), writes=True, fails="ENOSPC", also=looked_at)
    if current.failing or not swap.writeok:
        return -1
    nr = 1 << order
    return next(
        (first for first in range(0, len(swap.slots), nr) if all(slot.free for slot in swap.slots[first : first + nr])),
        -1,
    )


def add_to_swap_cache(swap: SwapDevice, folio: Folio, entry: int) -> None:
    """``add_to_swap_cache()``: the swap cache finds the folio by ``entry`` and those behind it, with a reference each.

    Part of the step in which the slots were allocated or found.
    """
    folio.swap = entry
    for slot in swap.of(folio):
        vm_bug_on_folio(slot.cache is not None, folio, f"added to the swap cache at {entry}, where {slot.cache} is")
        slot.cache = folio
    folio.refcount += folio.nr_pages


async def swap_shmem_alloc(swap: SwapDevice, entry: int, nr: int) -> None:
    """``swap_shmem_alloc()``: a file refers to the slots now, too."""
    await step("swap_shmem_alloc", entry, target=swap.target(entry), writes=True)
    for slot in swap.slots[entry : entry + nr]:
        slot.count += 1


async def swap_writepage(swap: SwapDevice, folio: Folio) -> None:
    """``swap_writepage()`` of a locked folio, up to the end of the I/O; unlocks it."""
    await step("swap_writepage", folio, target=swap.target(folio.swap), writes=True)
    for slot, content in zip(swap.of(folio), folio.pages, strict=True):
        slot.content = content
    await folio_unlock(folio)


async def swap_cache_get_folio(swap: SwapDevice, entry: int) -> Folio | None:
    """``swap_cache_get_folio()``: what the swap cache has for ``entry``, with a reference; without any lock.

    "Caller must lock the swap device or hold a reference to keep it valid": see get_swap_device().
    """
    slot = swap.slots[entry]
    # filemap_get_folio(): goes round as long as the folio it finds is frozen, on its way out.
    await step(
        "swap_cache_get_folio",
        entry,
        target=swap.target(entry),
        also=[(SWAP_CACHE, True)],
        ready=lambda: _is_settled(slot),
        waits_for=lambda: _frozen(slot),
        spins=True,
    )
    swap.trap(f"swap_cache_get_folio({entry})")
    folio = slot.cache
    if folio is not None:
        folio.refcount += 1
    return folio


async def swap_cache_replace_folio(swap: SwapDevice, src: Folio, dst: Folio, position: int) -> None:
    """``__swap_cache_replace_folio()`` of one page: the swap cache finds ``dst`` there instead of ``src``, frozen."""
    entry = src.swap + position
    await step("__swap_cache_replace_folio", entry, dst, target=swap.target(entry), writes=True)
    swap.slots[entry].cache = dst


async def swapin_sync(swap: SwapDevice, memory: Memory, entry: int, order: int) -> tuple[str, Folio | None]:
    """``swapin_sync()``: a folio of the swap cache that has ``entry``, of ``order`` if possible, else small.

    Args:
        swap: the device.
        memory: from which it is allocated.
        entry: which page.
        order: of the value entry that it belongs to.

    Returns:
        An error (``"ENOMEM"``), and the folio with a reference; no folio and no error if nobody refers to the slot any
        more (ENOENT).
    """
    if order:
        first = entry >> order << order
        error, folio = await swap_cache_alloc_folio(swap, memory, first, order)
        if folio is not None:
            return error, folio
    return await swap_cache_alloc_folio(swap, memory, entry, 0)


async def swap_cache_alloc_folio(swap: SwapDevice, memory: Memory, entry: int, order: int) -> tuple[str, Folio | None]:
    """``swap_cache_alloc_folio()`` and the read: a new folio for these slots, unless somebody has been faster."""
    current = await step("folio_alloc", order, sleeps=True, fails="ENOMEM")
    if current.failing:
        return "ENOMEM", None
    folio = memory.new_folio(order)
    await __folio_set_locked(folio)
    folio.swapbacked = True
    slots = swap.slots[entry : entry + folio.nr_pages]
    slot = slots[0]
    await step(
        "swapcache_prepare",
        entry,
        target=swap.target(entry),
        writes=True,
        ready=lambda: _is_settled(slot),
        waits_for=lambda: _frozen(slot),
        spins=True,
    )
    swap.trap(f"swapcache_prepare({entry})")
    if any(one.cache is not None or one.count == 0 for one in slots):
        other = None if order else slot.cache  # a large one is not worth waiting for: EEXIST
        if other is not None:
            other.refcount += 1
        await folio_unlock(folio)
        await folio_put(folio)
        return "", other
    add_to_swap_cache(swap, folio, entry)
    changed = [(("flags", folio.number), True), (("refcount", folio.number), True)]
    await step("swap_readpage", folio, target=swap.target(entry), sleeps=True, also=changed)
    folio.pages = [one.content for one in slots]
    if NOTHING in folio.pages:
        raise KernelBug(f"swap slot {entry} is read, and was never written")
    folio.uptodate = True
    folio.lru = True
    await folio_unlock(folio)
    return "", folio


async def swap_cache_del_folio(swap: SwapDevice, folio: Folio) -> None:
    """``swap_cache_del_folio()`` of a locked folio: the swap cache forgets it; the slots go back with the last user.

    Raises:
        KernelBug: if the swap cache does not have it.
    """
    await step("swap_cache_del_folio", folio, target=swap.target(folio.swap), writes=True)
    forget(swap, folio)
    drop_references(folio, folio.nr_pages)


def forget(swap: SwapDevice, folio: Folio) -> None:
    """``__delete_from_swap_cache()``, in a step of the caller's, who also drops the references.

    Raises:
        KernelBug: if the swap cache does not have it.
    """
    for slot in swap.of(folio):
        vm_bug_on_folio(slot.cache is not folio, folio, f"deleted from the swap cache, where {slot.cache} is")
        slot.cache = None
    folio.swap = -1


async def folio_put_swap(swap: SwapDevice, folio: Folio) -> None:
    """``folio_put_swap()`` of a locked folio of the swap cache: the file does not refer to its slots any more.

    Raises:
        UseAfterFree: if it did not before.
    """
    await step("folio_put_swap", folio, target=swap.target(folio.swap), writes=True)
    _put_counts(swap, folio.swap, folio.nr_pages)


async def swap_free(swap: SwapDevice, entry: int) -> None:
    """``swap_free()``: the file does not refer to the slot any more; whether the swap cache has it or not.

    Raises:
        UseAfterFree: if it did not before.
    """
    await step("swap_free", entry, target=swap.target(entry), writes=True)
    _put_counts(swap, entry, 1)


async def free_swap_and_cache(swap: SwapDevice, entry: int, nr: int = 1) -> None:
    """``free_swap_and_cache_nr()``: as swap_free(), and the swap cache lets go of a folio if its lock is free.

    (__try_to_reclaim_swap(); otherwise whoever holds the lock finds that nobody else refers to the slot.)
    """
    touched: list[tuple[Target, bool]] = []  # which folio is cached there may change until then
    await step("free_swap_and_cache", entry, target=swap.target(entry), writes=True, also=touched)
    touched += _locks_and_counts(swap, entry, nr)
    _put_counts(swap, entry, nr)
    for number in range(entry, entry + nr):
        folio = swap.slots[number].cache
        if folio is None or folio.locked_by is not None or folio.refcount == 0:
            continue
        if not any(slot.count for slot in swap.of(folio)):
            forget(swap, folio)
            drop_references(folio, folio.nr_pages)


def _locks_and_counts(swap: SwapDevice, entry: int, nr: int) -> list[tuple[Target, bool]]:
    """What letting go of the folios that are cached in these slots looks at, and changes."""
    cached = [slot.cache for slot in swap.slots[entry : entry + nr] if slot.cache is not None]
    looks: list[tuple[Target, bool]] = [(("folio_lock", folio.number), False) for folio in cached]
    return looks + [(("refcount", folio.number), True) for folio in cached]


def _is_settled(slot: SwapSlot) -> bool:
    """Is there no folio, or one that is not on its way out?"""
    return slot.cache is None or slot.cache.refcount > 0


def _frozen(slot: SwapSlot) -> Wait:
    assert slot.cache is not None
    return slot.cache.freeze_waits_for()


def _put_counts(swap: SwapDevice, entry: int, nr: int) -> None:
    for number in range(entry, entry + nr):
        slot = swap.slots[number]
        if slot.count == 0:
            raise UseAfterFree(
                f"swap slot {number} is freed, but nobody refers to it (swap_free: unused swap offset entry)"
            )
        slot.count -= 1
