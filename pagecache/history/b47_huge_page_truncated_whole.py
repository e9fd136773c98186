"""B47: a truncate takes a huge page as a whole that has come while it was at work.

Symptom: data in front of the new end of the file is lost, or beside the hole that was punched.

 1. truncate: takes the small folios behind the new end, and looks at the one across it: there is none to split.
 2. collapse, or a fault: puts a huge page there, which reaches across the end.
 3. truncate, second pass: finds the huge page at the first index behind the end, and removes all of it.

Mistake: folios at the ends of the range were split before the second pass, and nobody thought that one could come after
that (b9a8a4195c7d).  Fix: 55ac8bbe358b ("mm/shmem: fix race in shmem_undo_range w/THP"), by David Stevens two months
after the thread: split in the second pass, too, and begin again, so that it sees the parts.  The first version of the
fix <20230418061933.3282785-1-stevensd@google.com> did not begin again.  That breaks no promise: a truncate goes round
until all is gone, and what a hole punch leaves is zeroed, as if a fault had brought it back.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import find_get_entries, find_lock_entries
from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, PunchHole, Store, Truncate
from pagecache.shmem_swap import shmem_confirm_swap
from pagecache.truncate import INFINITY, put_rest, truncate_inode_folio, truncate_inode_partial_folio
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
                again = at
                if order > 0:
                    again = at >> order << order
                    if again < start or again + (1 << order) > end:
                        # A large entry that crosses one of the ends stays: truncate_inode_partial_folio() has at
                        # least zeroed its content, they say; see pagecache/mended/partial.py.
                        continue
                # It was replaced by a page, or has grown: look again, from where it begins.
                index = again
                await put_rest(rest, position)
                break
            assert isinstance(folio, Folio)
            await folio_lock(folio)
            if not unfalloc or not folio.uptodate:
                if folio.mapping is not mapping:
                    again = at  # replaced, by a collapse for example: look at this index again
                else:
                    await truncate_inode_folio(mapping, folio)
            await folio_unlock(folio)
            await folio_put(folio)
            if again >= 0:
                index = again
                await put_rest(rest, position)
                break
    await mapping.kernel.shmem_recalc_inode(inode, 0, -nr_swaps_freed)


BUG: Final = Bug(
    number=47,
    name="huge-page-truncated-whole",
    kernel=LINUX_2026_MENDED.replace(
        name="b47-huge-page-truncated-whole",
        summary="a truncate takes a huge page as a whole that has come while it was at work",
        source="before 55ac8bbe358b",
        shmem_undo_range=shmem_undo_range,
    ),
    fixed=LINUX_2026_MENDED,
    fix="55ac8bbe358b",
    release="6.7",
    minimum=Minimum(2, 2, 1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(operations=(Collapse, PunchHole, Store, Truncate)),
)
