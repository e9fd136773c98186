"""B27: migration stores the new folio once for each page, where the tree has one entry for all of them.

Symptom: "Softlockup when test shmem swapout-swapin and compaction" (Liu Shixin, February 2025): lookups spin for ever
on a folio that has been freed.

 1. migration: a large folio of tmpfs is one entry, its other slots are siblings of the first.  migration stores the new
    folio in each: they are entries of their own now.
 2. reclaim: replaces the folio's entry by a swap entry; the other slots keep the folio, which is freed.
 3. lookup: finds it there, gets no reference, looks again, and so on.

Mistake: fc346d0a70a1 ("mm: migrate: migrate high-order folios in swap cache correctly", 6.7-rc8) stores once for each
page, as the swap cache wants it, and asks folio_test_swapbacked(): folios of shmem in the page cache say yes, too.

Fix: 60cf233b585c ("mm/migrate: fix shmem xarray update during migration", 6.14) asks folio_test_swapcache().

Before fc346d0a70a1 it was the other way round: one store where the swap cache has an entry for each page, so that the
others kept the old folio.  XX: that needs large folios in the swap cache, to which reclaim does not bring any here.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, folio_ref_freeze, folio_ref_unfreeze
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, Migrate, PageOut, Truncate
from pagecache.swap import swap_cache_replace_folio
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XaState, xas_lock_irq, xas_next, xas_store, xas_unlock_irq


async def folio_migrate_mapping(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``folio_migrate_mapping()`` from 6.7 to 6.13."""
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
    entries = nr if src.swapbacked else 1
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


BUG: Final = Bug(
    number=27,
    name="an-entry-for-each-page",
    kernel=LINUX_2026_MENDED.replace(
        name="b27-an-entry-for-each-page",
        summary="migration leaves a large folio in slots of their own",
        source="fc346d0a70a1",
        folio_migrate_mapping=folio_migrate_mapping,
    ),
    fixed=LINUX_2026_MENDED,
    fix="60cf233b585c",
    release="6.14",
    minimum=Minimum(1, 1, 0),
    breaks=("every_slot_points_to_a_live_folio_that_agrees", "no_freed_memory_is_used", "no_livelock"),
    focus=Focus(
        operations=(Migrate, PageOut, Load, Truncate),
        worlds=(
            WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),)),
            WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1), (2, 1))),
        ),
    ),
)
