"""B33: reclaim looks at the dirty flag before it freezes the references.

Symptom: what a device has written through a pin is gone.

 1. driver: pins a page that a fault has left, which only read; the device writes into it.
 2. reclaim: the page is not dirty.
 3. driver: marks it dirty, and puts its reference.
 4. reclaim: nobody else has a reference: drops the page.

Mistake: a page that nobody else refers to cannot become dirty, but one that is not dirty may.  Each of the two looks is
right, at its moment.

Fix: none was needed; __remove_mapping() has the right order, and warns: "Must be careful with the order of the tests".

Neither the folio lock nor the look of is_page_cache_freeable() helps: the driver marks the page without
its lock, and a page that is not dirty does not get to pageout().
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import __filemap_remove_folio
from pagecache.folio import Folio, folio_ref_freeze, folio_ref_unfreeze
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import PageOut, PinWrite
from pagecache.step import step
from pagecache.swap import forget
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XaState, xas_lock_irq, xas_unlock_irq


async def remove_mapping(mapping: AddressSpace, folio: Folio) -> bool:
    """``__remove_mapping()`` of a locked folio: out of the swap cache or the page cache, if nobody else refers to it.

    A page of the page cache that nobody made dirty, zeroes for a fault that only read, leaves a hole.  Its block is
    still accounted for: shmem_recalc_inode() will notice ("undirtied hole pages").

    Returns:
        Whether it is gone; one reference, the isolation's, is left.

    Leaves out: ``i_lock`` around the ``xa_lock`` (for the LRU list of inodes).
    """
    refcount = 1 + folio.nr_pages
    xas = XaState(mapping.i_pages, folio.index)
    in_page_cache = folio.swap < 0
    if in_page_cache:
        await xas_lock_irq(xas)
    await step("folio_test_dirty", folio, target=("flags", folio.number))
    clean = not folio.dirty
    frozen = await folio_ref_freeze(folio, refcount)
    if frozen and not clean:
        await folio_ref_unfreeze(folio, refcount)
    thaws = [(("refcount", folio.number), True)]
    if frozen and clean and in_page_cache:
        await __filemap_remove_folio(xas, mapping, folio)
    elif frozen and clean:
        slots = ("swap", folio.swap >> mapping.swap.order)
        await step("__delete_from_swap_cache", folio, target=slots, writes=True, also=thaws)
        forget(mapping.swap, folio)
    if in_page_cache:
        await xas_unlock_irq(xas, also=thaws)
    if frozen and clean:
        folio.refcount = 1
        folio.frozen_by = None
    return frozen and clean


BUG: Final = Bug(
    number=33,
    name="dirty-before-the-count",
    kernel=LINUX_2026_MENDED.replace(
        name="b33-dirty-before-the-count",
        summary="reclaim looks at the dirty flag before it freezes the references",
        source="the comment in __remove_mapping()",
        remove_mapping=remove_mapping,
    ),
    fixed=LINUX_2026_MENDED,
    fix="the order of the tests in __remove_mapping()",
    release="never merged",
    minimum=Minimum(2, 2, 2),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(PinWrite, PageOut),
        worlds=(WorldSpec(("zeroes", "zeroes"), vmas=(VmaSpec(mapped=(0, 1)),)),),
    ),
)
