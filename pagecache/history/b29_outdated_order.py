"""B29: a truncate frees a swap entry with an order that it no longer has.

Symptom: swap slots are freed that somebody refers to: too few, too many, or those of pages behind the end of the range.

 1. punch: looks up the order of a large swap entry, without the lock: two pages.
 2. load: brings one of the pages in; there is no memory for a large folio, so it splits the entry.  The first of
    the new entries has the number of the old one.
 3. punch: compares and exchanges, successfully, the first page's entry; frees two slots.

Mistake: order and value are read at different times.  Fix: 8a1968bd997f ("mm/shmem, swap: fix race of truncate and swap
entry split"): read both under the lock, and let an entry be that crosses an end of the range.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, PunchHole
from pagecache.swap import free_swap_and_cache
from pagecache.world import WorldSpec
from pagecache.xarray import ValueEntry, XaState, xa_get_order, xas_load, xas_lock_irq, xas_store, xas_unlock_irq


async def shmem_free_swap(mapping: AddressSpace, index: int, last: int, radswap: ValueEntry) -> int:
    """``shmem_free_swap()``: take the entry out of the file if it is still there, and free what it refers to.

    Args:
        mapping: the file.
        index: where it was found.
        last: the last index that may go.
        radswap: the entry.

    Returns:
        How many pages went; 0 if something else stands there by now.
    """
    del last
    order = await xa_get_order(XaState(mapping.i_pages, index))
    xas = XaState(mapping.i_pages, index)
    nr = 0
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    if entry == radswap:
        nr = 1 << order
        await xas_store(xas, None)
    await xas_unlock_irq(xas)
    if nr:
        await free_swap_and_cache(mapping.swap, radswap.value, nr)
    return nr


BUG: Final = Bug(
    number=29,
    name="outdated-order",
    kernel=LINUX_2026_MENDED.replace(
        name="b29-outdated-order",
        summary="a truncate frees a swap entry with an order that it no longer has",
        source="before 8a1968bd997f",
        shmem_free_swap=shmem_free_swap,
    ),
    fixed=LINUX_2026_MENDED,
    fix="8a1968bd997f",
    release="6.19",
    minimum=Minimum(2, 2, 1),
    breaks=(
        "every_call_is_explained_by_a_sparse_file",
        "nothing_leaks",
        "nrpages_alloced_and_i_blocks_agree",
        "no_freed_memory_is_used",
        "no_livelock",
    ),
    focus=Focus(
        operations=(PunchHole, Load),
        worlds=(WorldSpec(("swapped", "swapped"), large=((0, 1),)),),
        failures=True,
    ),
)
