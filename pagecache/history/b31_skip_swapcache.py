"""B31: a page is brought in from swap twice, and the older content wins.

Symptom: what a task has written is gone, and the page holds what it held before.

 1. fault A: finds a swap entry, reads its slot into a folio of its own, sleeps.
 2. task B: brings the page in, writes to it; reclaim sends it out again, to the same slot.
 3. fault A: the file says the same swap entry as before, so its folio goes in; the slot is freed, with B's data.

Mistake: without the swap cache, nothing says that somebody is at the slot; to compare entries is not enough (ABA).

Fix: 13ddaf26be32 ("mm/swap: fix race when skipping swapcache", 6.8), for anonymous memory: swapcache_prepare() pins the
entry for the whole swap-in.  shmem has never had the mistake, which is put where shmem would have had it:

* before 1dd44c0af4fa ("mm: shmem: skip swapcache for swapin of synchronous swap device", January 2025) every page went
  through the swap cache;
* from then on with the pin, on which a waiter of higher priority spins for ever (Baolin Wang, for 6.18.y, July 2026,
  <64aae758-bcf1-45f8-bb3d-bd732ada2b11@linux.alibaba.com>);
* the kernel of 2026 goes through the swap cache again ("mm/shmem: never bypass the swap cache for SWP_SYNCHRONOUS_IO",
  Kairui Song, <20251029-swap-table-p2-v1-0-3d43f3b6ec32@tencent.com>).
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, __folio_set_locked, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, PageOut, Store
from pagecache.shmem import alloc_folio, shmem_add_to_page_cache
from pagecache.step import step
from pagecache.swap import swap_free
from pagecache.world import WorldSpec
from pagecache.xarray import ValueEntry


async def shmem_swapin_folio(inode: Inode, index: int, swap: ValueEntry) -> tuple[str, Folio | None]:
    """``shmem_swapin_folio()`` without the swap cache, and without a pin."""
    mapping = inode.i_mapping
    folio = await alloc_folio(mapping.memory, 0)
    if folio is None:
        return "ENOMEM", None
    await __folio_set_locked(folio)
    folio.swapbacked = True
    await step("swap_readpage", folio, target=("swap", swap.value))
    folio.pages[0] = mapping.swap.slots[swap.value].content
    folio.uptodate = True
    folio.lru = True
    error = await shmem_add_to_page_cache(folio, mapping, index, swap)
    if error:
        await folio_unlock(folio)
        await folio_put(folio)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 0, -1)
    folio.dirty = True
    await swap_free(mapping.swap, swap.value)
    return "", folio


BUG: Final = Bug(
    number=31,
    name="skip-swapcache",
    kernel=LINUX_2026_MENDED.replace(
        name="b31-skip-swapcache",
        summary="a page is brought in from swap twice, and the older content wins",
        source="13ddaf26be32",
        shmem_swapin_folio=shmem_swapin_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="13ddaf26be32",
    release="6.8",
    minimum=Minimum(2, 4, 1),
    breaks=("every_call_is_explained_by_a_sparse_file", "no_freed_memory_is_used", "nothing_leaks"),
    focus=Focus(operations=(Load, PageOut, Store), worlds=(WorldSpec(("swapped", "data")), WorldSpec())),
)
