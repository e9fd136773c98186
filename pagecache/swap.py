"""The swap device, its map and the swap cache (``mm/swapfile.c``, ``mm/swap_state.c``, ``mm/page_io.c``).

A swapped-out page of a file is a value entry in the file's tree: the number of a slot of the device.  The device
counts, for each slot, who refers to it (``swap_map``): a file, and the swap cache (SWAP_HAS_CACHE).  A slot goes back
when neither does.  While a page is on its way out or in, the swap cache has its folio.

Leaves out: several devices and priorities, clusters and their locks (what they protect is one step here), readahead,
asynchronous I/O (a folio is written, or read, in one step, so there is no writeback to wait for), zswap, entries of
more than one page, SWP_SYNCHRONOUS_IO (shmem of 2026 may read without the swap cache).
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, Memory, __folio_set_locked, drop_references, folio_put, folio_unlock, vm_bug_on_folio
from pagecache.step import KernelBug, Target, UseAfterFree, Wait, step

__all__ = [
    "SwapDevice",
    "SwapSlot",
    "add_to_swap_cache",
    "delete_from_swap_cache",
    "folio_alloc_swap",
    "free_swap_and_cache",
    "read_swap_cache",
    "swap_cache_get_folio",
    "swap_cache_replace_folio",
    "swap_free",
    "swap_shmem_alloc",
    "swap_writepage",
]

NOTHING: Final = "never written"


class SwapSlot:
    """One slot: what was written there, and who refers to it.

    Args:
        content: of the page; what is left in a free slot is whatever was there.
        count: how many value entries refer to it (``swap_map``).
        cache: the folio that the swap cache has for it (SWAP_HAS_CACHE).
    """

    __slots__ = ("cache", "content", "count")

    def __init__(self) -> None:
        self.content = NOTHING
        self.count = 0
        self.cache: Folio | None = None

    @property
    def free(self) -> bool:
        """Does nobody refer to it?"""
        return self.count == 0 and self.cache is None


class SwapDevice:
    """``struct swap_info_struct`` and its swap cache: as many slots as the world has pages."""

    __slots__ = ("slots",)

    def __init__(self, nr_slots: int) -> None:
        self.slots = [SwapSlot() for _ in range(nr_slots)]


def _target(entry: int) -> Target:
    return ("swap", entry)


async def folio_alloc_swap(swap: SwapDevice) -> int:
    """``folio_alloc_swap()``: a free slot, the first; -1 if there is none.

    Nobody else gets the slot until add_to_swap_cache(), which follows in the same step here.
    """
    current = await step("folio_alloc_swap", target=("swap_map", 0), writes=True, fails="ENOSPC")
    if current.failing:
        return -1
    return next((number for number, slot in enumerate(swap.slots) if slot.free), -1)


def add_to_swap_cache(swap: SwapDevice, folio: Folio, entry: int) -> None:
    """``add_to_swap_cache()``: the swap cache finds the folio by ``entry``, and has a reference.

    Part of the step in which the slot was allocated or found.
    """
    slot = swap.slots[entry]
    vm_bug_on_folio(slot.cache is not None, folio, f"added to the swap cache at {entry}, where {slot.cache} is")
    slot.cache = folio
    folio.refcount += 1
    folio.swap = entry


async def swap_shmem_alloc(swap: SwapDevice, entry: int) -> None:
    """``swap_shmem_alloc()``: a file refers to the slot now, too."""
    await step("swap_shmem_alloc", entry, target=_target(entry), writes=True)
    swap.slots[entry].count += 1


async def swap_writepage(swap: SwapDevice, folio: Folio) -> None:
    """``swap_writepage()`` of a locked folio, up to the end of the I/O; unlocks it."""
    await step("swap_writepage", folio, target=_target(folio.swap), writes=True)
    swap.slots[folio.swap].content = folio.pages[0]
    await folio_unlock(folio)


async def swap_cache_get_folio(swap: SwapDevice, entry: int) -> Folio | None:
    """``swap_cache_get_folio()``: what the swap cache has for ``entry``, with a reference; without any lock."""
    slot = swap.slots[entry]
    # filemap_get_folio(): goes round as long as the folio it finds is frozen, on its way out.
    await step(
        "swap_cache_get_folio",
        entry,
        target=_target(entry),
        ready=lambda: slot.cache is None or slot.cache.refcount > 0,
        waits_for=lambda: _frozen(slot),
        spins=True,
    )
    folio = slot.cache
    if folio is not None:
        folio.refcount += 1
    return folio


async def swap_cache_replace_folio(swap: SwapDevice, src: Folio, dst: Folio, position: int) -> None:
    """``__swap_cache_replace_folio()`` of one page: the swap cache finds ``dst`` there instead of ``src``, frozen."""
    entry = src.swap + position
    await step("__swap_cache_replace_folio", entry, dst, target=_target(entry), writes=True)
    swap.slots[entry].cache = dst


async def read_swap_cache(swap: SwapDevice, memory: Memory, entry: int) -> tuple[str, Folio | None]:
    """``read_swap_cache_async()``: a folio of the swap cache for ``entry``, read if it was not there.

    Returns:
        An error (``"ENOMEM"``), and the folio with a reference; no folio and no error if nobody refers to the slot any
        more (swapcache_prepare() says ENOENT).
    """
    current = await step("folio_alloc", 0, sleeps=True, fails="ENOMEM")
    if current.failing:
        return "ENOMEM", None
    folio = memory.new_folio(0)
    await __folio_set_locked(folio)
    folio.swapbacked = True
    # swapcache_prepare() and add_to_swap_cache(): between the two others wait a tick and try again.
    slot = swap.slots[entry]
    await step(
        "swapcache_prepare",
        entry,
        target=_target(entry),
        writes=True,
        ready=lambda: slot.cache is None or slot.cache.refcount > 0,
        waits_for=lambda: _frozen(slot),
        spins=True,
    )
    other = slot.cache
    if other is not None or slot.count == 0:
        if other is not None:
            other.refcount += 1
        await folio_unlock(folio)
        await folio_put(folio)
        return "", other
    add_to_swap_cache(swap, folio, entry)
    await step("swap_readpage", folio, target=_target(entry), sleeps=True)
    if slot.content == NOTHING:
        raise KernelBug(f"swap slot {entry} is read, and was never written")
    folio.pages[0] = slot.content
    folio.uptodate = True
    folio.lru = True
    await folio_unlock(folio)
    return "", folio


async def delete_from_swap_cache(swap: SwapDevice, folio: Folio) -> None:
    """``delete_from_swap_cache()`` of a locked folio: the swap cache forgets it; the slot goes back with the last user.

    Raises:
        KernelBug: if the swap cache does not have it.
    """
    await step("delete_from_swap_cache", folio, target=_target(folio.swap), writes=True)
    slot = swap.slots[folio.swap]
    vm_bug_on_folio(slot.cache is not folio, folio, f"deleted from the swap cache, where {slot.cache} is")
    slot.cache = None
    folio.swap = -1
    drop_references(folio, 1)


async def swap_free(swap: SwapDevice, entry: int) -> None:
    """``swap_free()``: the file does not refer to the slot any more.

    Raises:
        UseAfterFree: if it did not before.
    """
    await step("swap_free", entry, target=_target(entry), writes=True)
    _put_count(swap, entry)


async def free_swap_and_cache(swap: SwapDevice, entry: int) -> None:
    """``free_swap_and_cache()``: as swap_free(), and the swap cache lets go of the folio if its lock is free.

    (__try_to_reclaim_swap(); otherwise whoever holds the lock finds that nobody else refers to the slot.)
    """
    await step("free_swap_and_cache", entry, target=_target(entry), writes=True)
    _put_count(swap, entry)
    slot = swap.slots[entry]
    folio = slot.cache
    if folio is not None and slot.count == 0 and folio.locked_by is None and folio.refcount > 0:
        slot.cache = None
        folio.swap = -1
        drop_references(folio, 1)


def _frozen(slot: SwapSlot) -> Wait:
    assert slot.cache is not None
    return slot.cache.freeze_waits_for()


def _put_count(swap: SwapDevice, entry: int) -> None:
    slot = swap.slots[entry]
    if slot.count == 0:
        raise UseAfterFree(f"swap slot {entry} is freed, but nobody refers to it (swap_free: unused swap offset entry)")
    slot.count -= 1
