"""B28: a large swap entry is split for a page that comes back in a large folio after all.

Symptom: whoever touches the page hangs: every swap-in finds a large folio and a small entry, and tries again.

 1. load: finds a large swap entry, and nothing in the swap cache; there is no memory for a large folio.
 2. another: has the memory, brings the large folio in; reclaim writes it out again, to the same slots.  It is still in
    the swap cache.
 3. load: splits the entry, which looks the same as before.
 4. load: finds the large folio in the swap cache.  Its order is not the entry's: EEXIST, look again; for ever.

Mistake: the entry is split before it is known what comes back, and a folio that is larger than its entries is refused.
Fix: 5c241ed8d031 ("mm/shmem, swap: improve cached mTHP handling and fix potential hang", 6.17): split only for a folio
that is smaller; compare all entries of the range at the insertion.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, PageOut, Store
from pagecache.shmem import shmem_add_to_page_cache
from pagecache.shmem_swap import shmem_confirm_swap, shmem_split_swap_entry
from pagecache.swap import folio_put_swap, swap_cache_alloc_folio, swap_cache_del_folio, swap_cache_get_folio
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.world import WorldSpec
from pagecache.xarray import ValueEntry


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
        error, folio = "", None
        if order:
            error, folio = await swap_cache_alloc_folio(mapping.swap, mapping.memory, swap >> order << order, order)
            if folio is None and not error:
                await put_swap_device(mapping.swap)
                return "EEXIST", None
        if folio is None and order:
            error = await shmem_split_swap_entry(mapping, index, entry)
            if error:
                await put_swap_device(mapping.swap)
                return error, None
            order = 0
            entry = ValueEntry(swap)
        if folio is None:
            error, folio = await mapping.kernel.shmem_swap_alloc_folio(mapping, swap, 0)
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
    if confirmed != folio.order:
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


BUG: Final = Bug(
    number=28,
    name="split-too-early",
    kernel=LINUX_2026_MENDED.replace(
        name="b28-split-too-early",
        summary="a large swap entry is split for a page that comes back in a large folio after all",
        source="before 5c241ed8d031",
        shmem_swapin_folio=shmem_swapin_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="5c241ed8d031",
    release="6.17",
    minimum=Minimum(2, 3, 1),
    breaks=("no_livelock",),
    focus=Focus(
        operations=(Load, Store, PageOut),
        worlds=(WorldSpec(("swapped", "swapped"), large=((0, 1),)),),
        failures=True,
    ),
)
