"""B30: the truncate looks again where nothing will have changed.

Symptom: ftruncate() never returns.

 1. truncate: lowers ``i_size`` into the middle of pages that were swapped out as one large entry.
 2. truncate, second pass: finds the entry at its middle; shmem_free_swap() refuses, since it begins before.
 3. truncate: the entry is still the same, and does not reach beyond the end: "swap was replaced by page: retry", at
    the same index; back to 2.

Mistake: only the end of the range was thought of; a fix (8a1968bd997f, B29) with a mistake of its own.

Fix: "mm, shmem: prevent infinite loop on truncate race" (Kairui Song, January 2026): look again where the entry begins,
and skip it if that is before the range.  XX: a truncate then goes round all the same, until nothing is left, and
something is: what ends it is pagecache/mended/partial.py, which reads such an entry back; the kernel here is without.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import find_get_entries, find_lock_entries
from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026, LINUX_2026_MENDED
from pagecache.operations import Load, PageOut, Store, Truncate
from pagecache.shmem_swap import shmem_confirm_swap
from pagecache.truncate import INFINITY, put_rest, truncate_inode_folio, truncate_inode_partial_folio
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import ValueEntry


async def shmem_undo_range(inode: Inode, start: int, last: int, *, unfalloc: bool) -> None:
    """``shmem_undo_range()``: remove pages ``start`` to ``last`` of the file.

    The first pass takes what it can lock at once.  Then the huge folios at both ends are zeroed in
    part and split.  The second pass locks whatever is left and waits for it.

    Args:
        inode: the file; the caller holds ``i_rwsem``.
        start: the first index.
        last: the last index; INFINITY to truncate, which goes round until nothing is left.  A hole punch makes
            one sweep.
        unfalloc: undo a failed fallocate: remove only folios that are not uptodate.
    """
    mapping = inode.i_mapping
    info = inode.info
    end = INFINITY if last == INFINITY else last + 1
    lstart = start
    if start < info.fallocend <= end and not unfalloc:
        info.fallocend = start

    nr_swaps_freed = 0
    found = await find_lock_entries(mapping, start, last)
    for position in range(len(found)):
        index, folio = found[position]
        if isinstance(folio, ValueEntry):
            if not unfalloc:
                freed = await mapping.kernel.shmem_free_swap(mapping, index, end - 1, folio)
                nr_swaps_freed += freed
            continue
        assert isinstance(folio, Folio)
        if not unfalloc or not folio.uptodate:
            await truncate_inode_folio(mapping, folio)
        await folio_unlock(folio)
        await folio_put(folio)

    if not unfalloc:
        same_folio = lstart == last
        partial = await mapping.kernel.shmem_get_partial_folio(inode, lstart)
        if partial is not None:
            same_folio = last < partial.next_index
            partial.dirty = True
            # The kernel reads the folio after a failed split only: a folio that was split is a small one.
            whole = await truncate_inode_partial_folio(mapping, partial, lstart, last)
            if not whole:
                start = partial.next_index
                if same_folio:
                    end = partial.index
            await folio_unlock(partial)
            await folio_put(partial)
        if not same_folio and last != INFINITY:
            partial = await mapping.kernel.shmem_get_partial_folio(inode, last)
            if partial is not None:
                partial.dirty = True
                whole = await truncate_inode_partial_folio(mapping, partial, lstart, last)
                if not whole:
                    end = partial.index
                await folio_unlock(partial)
                await folio_put(partial)

    index = start
    while index < end:
        rest, behind = await find_get_entries(mapping, index, end - 1)
        if not rest:
            # If all is gone, or this is a hole punch or an undo, we are done.
            if index == start or end != INFINITY:
                break
            # But a truncate starts again, to make sure that all is gone.
            index = start
            continue
        index = behind
        for position in range(len(rest)):
            at, folio = rest[position]
            again = -1
            if isinstance(folio, ValueEntry):
                if unfalloc:
                    continue
                freed = await mapping.kernel.shmem_free_swap(mapping, at, end - 1, folio)
                nr_swaps_freed += freed
                if freed:
                    continue
                order = await shmem_confirm_swap(mapping, at, folio)
                if order > 0 and at + (1 << order) > end:
                    # A large entry that crosses the end stays: truncate_inode_partial_folio() has at
                    # least zeroed its content.
                    continue
                # It was replaced by a page: look again.
                index = at
                await put_rest(rest, position)
                break
            assert isinstance(folio, Folio)
            await folio_lock(folio)
            if not unfalloc or not folio.uptodate:
                if folio.mapping is not mapping:
                    again = at  # replaced, by a collapse for example: look at this index again
                elif folio.order == 0:
                    await truncate_inode_folio(mapping, folio)
                else:
                    split = await truncate_inode_partial_folio(mapping, folio, lstart, last)
                    if split and folio.order == 0 and folio.mapping is not None:
                        again = start  # the loop has to see the new small folios
            await folio_unlock(folio)
            await folio_put(folio)
            if again >= 0:
                index = again
                await put_rest(rest, position)
                break
    await mapping.kernel.shmem_recalc_inode(inode, 0, -nr_swaps_freed)


BUG: Final = Bug(
    number=30,
    name="endless-retry",
    kernel=LINUX_2026_MENDED.replace(
        name="b30-endless-retry",
        summary="the truncate looks again where nothing will have changed",
        source="8a1968bd997f",
        shmem_undo_range=shmem_undo_range,
        shmem_get_partial_folio=LINUX_2026.shmem_get_partial_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="Kairui Song, January 2026",
    release="7.0",
    minimum=Minimum(1, 1, 0),
    breaks=("no_livelock",),
    focus=Focus(
        operations=(Truncate, Load, Store, PageOut),
        worlds=(
            WorldSpec(("swapped", "swapped"), large=((0, 1),)),
            WorldSpec(("swapped",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),), large=((0, 2),)),
        ),
    ),
)
