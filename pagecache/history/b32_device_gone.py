"""B32: a page is looked for in the swap cache of a device that has been switched off.

Symptom: an oops, or worse, under a load and a swapoff(2) at the same time.

 1. load: finds a swap entry in the file.
 2. swapoff: brings the page back; no slot is in use, nobody has a reference: frees the map and the swap cache.
 3. load: looks into the swap cache, or at the map.

Mistake: the entry is taken for a promise that its device is there.  As long as lookup_swap_cache() and those behind it
each took a reference of their own the window was between them: swap_cluster_readahead() followed ``si->swap_file``,
which was NULL.

Fix: cbc2bd98db85 ("swap: avoid holding swap reference in swap_cache_get_folio", 6.3): one reference for all of
shmem_swapin_folio(); without it look whether the entry still stands, and look again if not.  It was the second try:

* 2efa33fc7f6e ("mm/shmem: fix shmem_swapin() race with swapoff", 5.14-rc) said ``error = EINVAL``, without the minus;
  b1e1ef345433 reverted it before 5.14: "worse than a typo", and with the minus it would be "an unexpected error", a
  SIGBUS (Hugh Dickins, <24187e5e-069-9f3f-cefe-39ac70783753@google.com>).  But it went on to ``failed:``, where an
  error becomes EEXIST if the entry is gone, and before the device dies it is: but for a swapon(2) in between nobody
  can see either (tests/history/test_b32_device_gone.py tries all schedules).
* c04b3d069043 took away what had looked at ``si->swap_file`` (8fd2e0b505d1), and the race with it.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, PageOut, Read, Store, Swapoff
from pagecache.shmem import shmem_add_to_page_cache
from pagecache.shmem_swap import shmem_confirm_swap, shmem_split_swap_entry
from pagecache.swap import folio_put_swap, swap_cache_del_folio, swap_cache_get_folio
from pagecache.xarray import ValueEntry


async def shmem_swapin_folio(inode: Inode, index: int, entry: ValueEntry) -> tuple[str, Folio | None]:
    """``shmem_swapin_folio()`` of 7.0: bring the page back that stood at ``index`` as ``entry`` a moment ago.

    1. Is the entry still in the file?
    2. Find it in the swap cache, or read it; of a large entry, the whole of it if there is memory, else this page.
    3. If the folio is smaller than the entry, split the entry.
    4. Lock the folio.  "We have to do this with folio locked to prevent races": it must still be in the swap cache by
       this entry, and the file must still refer to it: it may have been brought in, written to and sent out meanwhile.
    5. Insert it where its entries are expected, give the slots back, forget it in the swap cache.  In this order: at a
       slot that still counts while the swap cache has nothing, others would read ahead, and with a large folio that
       nobody can use, since the file has only a part of its entries left, they would go round for ever.

    Returns:
        ``"EEXIST"`` if something else stands there by now: look again; what shmem_swap_alloc_folio() says; and the
        folio, locked.
    """
    mapping = inode.i_mapping
    order = await shmem_confirm_swap(mapping, index, entry)
    if order < 0:
        return "EEXIST", None
    swap = entry.value + index - (index >> order << order)
    folio = await swap_cache_get_folio(mapping.swap, swap)
    if folio is None:
        error, folio = await mapping.kernel.shmem_swap_alloc_folio(mapping, swap, order)
        if folio is None:
            # "failed:" compares with the number of this page's slot, so that inside of a large entry it looks again.
            still = await shmem_confirm_swap(mapping, index, ValueEntry(swap))
            return error if still >= 0 else "EEXIST", None
    if order > folio.order:
        error = await shmem_split_swap_entry(mapping, index, entry)
        if error:
            await folio_put(folio)
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
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 0, -folio.nr_pages)
    await folio_put_swap(mapping.swap, folio)
    await swap_cache_del_folio(mapping.swap, folio)
    folio.dirty = True
    return "", folio


BUG: Final = Bug(
    number=32,
    name="device-gone",
    kernel=LINUX_2026_MENDED.replace(
        name="b32-device-gone",
        summary="a page is looked for on a swap device that has been switched off",
        source="without cbc2bd98db85",
        shmem_swapin_folio=shmem_swapin_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="cbc2bd98db85",
    release="6.3",
    minimum=Minimum(2, 2, 1),
    breaks=("no_freed_memory_is_used",),
    focus=Focus(operations=(Load, Store, Read, PageOut, Swapoff), features={"pages": ("swapped", "data")}),
)
