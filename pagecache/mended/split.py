"""__split_unmapped_folio() that takes the node it may need before it halves anything, so that it fails as a whole.

A truncate that has no memory for a moment:

 1. shmem_undo_range() from page s on: a huge folio begins before s.  truncate_inode_partial_folio() zeroes it from s
    on, and folio_split() halves it; then xas_try_split() needs a node, with GFP_NOWAIT, and gets none: ENOMEM.
    "Non-uniform split can handle ENOMEM": what has been halved stays so.
 2. The folio that was to be split ends before s by now, if s was in its second half.  It could not be split, so
    shmem_undo_range() goes on from folio_next_index(): behind it, but before s.
 3. The second pass finds the other half, and splits that.  Its first part is a page in front of s: "we split a page,
    reset the loop so that we pick up the new sub pages", from there on, and each of them is removed.

So data in front of s is lost.  If that first part is a large folio, nobody removes it, since it lies before s; but a
truncate goes round until nothing is left behind where it began, which is in front of it: it never returns.
truncate_inode_pages_range() begins its second pass in the same place, and removes the whole half of a regular file's
folio, dirty or not.

Until 6.15 a folio was split into pages, whose nodes xas_split_alloc() had got before: all of it, or nothing
(7460b470a131, "mm/truncate: use folio_split() in truncate operation").
"""

from __future__ import annotations

from pagecache.folio import Folio
from pagecache.folio_split import split_unmapped_folio as halve
from pagecache.inode import AddressSpace
from pagecache.step import step
from pagecache.xarray import XaNode, XaState, xas_set_err

__all__ = ["split_unmapped_folio"]


async def split_unmapped_folio(
    xas: XaState, mapping: AddressSpace, parts: list[Folio], orders: list[int], split_at: int
) -> None:
    """``__split_unmapped_folio()``: halve a frozen folio, then the half with the cut, and so on; or not at all.

    Without memory for a node the cursor is in the error ENOMEM, and nothing has changed.
    """
    # One for each level of the tree that the entry is above the leaves: a single one in the kernel, whose huge pages
    # have order 9, and nodes 64 slots.  What is not needed in the end xas_destroy() frees.
    for _ in range(orders[0] // xas.xa.chunk_shift):
        current = await step("kmem_cache_alloc_lru", xas.index, fails="ENOMEM")
        if current.failing:
            xas_set_err(xas, "ENOMEM")
            return
        xas.reserve(XaNode(xas.xa.chunk_size))
    await halve(xas, mapping, parts, orders, split_at)
