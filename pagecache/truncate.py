"""Taking pages out of a file: truncate and hole punch (``mm/truncate.c``, shmem_undo_range())."""

from __future__ import annotations

from typing import Final

from pagecache.filemap import filemap_remove_folio, find_get_entries, find_lock_entries, put_entry
from pagecache.folio import ZERO, Folio, folio_lock, folio_put, folio_unlock
from pagecache.inode import AddressSpace, Inode
from pagecache.pte import pte_target
from pagecache.shmem import SGP_READ
from pagecache.shmem_swap import shmem_confirm_swap
from pagecache.step import step
from pagecache.xarray import Entry, ValueEntry

__all__ = [
    "INFINITY",
    "put_rest",
    "shmem_get_partial_folio",
    "shmem_undo_range",
    "truncate_inode_folio",
    "truncate_inode_partial_folio",
]

INFINITY: Final = 1 << 20
"""The end of a truncate: ``-1`` in the kernel, unsigned and so very big."""


async def truncate_inode_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``truncate_inode_folio()`` of a locked folio: unmap it if it is mapped, then remove it."""
    if folio.mapping is not mapping:
        return
    if folio.mapcount:
        await mapping.kernel.unmap_mapping_folio(mapping, folio)  # truncate_cleanup_folio()
    folio.dirty = False
    await filemap_remove_folio(mapping, folio)


async def truncate_inode_partial_folio(mapping: AddressSpace, folio: Folio, start: int, last: int) -> bool:
    """``truncate_inode_partial_folio()``: remove indices ``start`` to ``last`` of a locked folio.

    The pages in the range are zeroed first; then the folio is split.

    Returns:
        False if it could not be split: the zeroed pages stay.
    """
    first = max(start, folio.index)
    behind = min(last + 1, folio.next_index)
    if behind - first == folio.nr_pages:
        await truncate_inode_folio(mapping, folio)
        return True
    for index in range(first, behind):
        await step("folio_zero_range", folio, index, target=pte_target(index), writes=True)
        folio.set_page_at(index, ZERO)
    if folio.order == 0:
        return True
    error = await mapping.kernel.try_folio_split(mapping, folio, first, behind)
    if not error:
        return True
    if mapping.regular is not None:
        # "Unmap the folio, so it will be refaulted with PTEs": try_folio_split_or_unmap() (fa04f5b60fda).
        await mapping.kernel.try_to_unmap(mapping, folio, sync=True)
    if folio.dirty:
        return False
    await truncate_inode_folio(mapping, folio)
    return True


async def shmem_get_partial_folio(inode: Inode, index: int) -> Folio | None:
    """``shmem_get_partial_folio()``: the folio at ``index``, locked and referenced, whatever its flags.

    "But read a folio back from swap if any of it is within i_size": it looks at ``index`` only, so that a large entry
    which begins within ``i_size`` stays where it is if ``index`` is not (see :mod:`pagecache.mended.partial`).
    """
    mapping = inode.i_mapping
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if entry is None:
        return None
    if isinstance(entry, Folio):
        await folio_lock(entry)
        if entry.mapping is mapping:
            return entry
        await folio_unlock(entry)
        await folio_put(entry)
    _error, folio = await mapping.kernel.shmem_get_folio(inode, index, SGP_READ)
    return folio  # type: ignore[no-any-return]


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


async def put_rest(rest: list[tuple[int, Entry]], position: int) -> None:
    """Let go of the folios of a batch behind ``position``."""
    for other in range(position + 1, len(rest)):
        await put_entry(rest[other][1])
