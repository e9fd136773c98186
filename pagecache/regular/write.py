"""Writing a regular file: write(2) into the cache, and from there to the disk (``mm/filemap.c``)."""

from __future__ import annotations

from pagecache.folio import Folio, folio_lock, folio_mark_uptodate, folio_put, folio_unlock, seen_in_its_slots
from pagecache.inode import AddressSpace, Inode, i_size_read, i_size_write
from pagecache.locks import down_write, up_write
from pagecache.pte import pte_target
from pagecache.regular.backing import read_folio, submit_bio
from pagecache.regular.read import grab_folio
from pagecache.rmap import folio_mkclean
from pagecache.step import KernelBug, UseAfterFree, Wait, step
from pagecache.xarray import Entry

__all__ = ["folio_clear_dirty_for_io", "folio_end_writeback", "folio_wait_writeback", "generic_file_write", "writeback"]


async def folio_wait_writeback(folio: Folio) -> None:
    """``folio_wait_writeback()``: sleep until the folio is not under write-back; the caller has a reference."""
    await step(
        "folio_wait_writeback",
        folio,
        target=("writeback", folio.number),
        ready=lambda: folio.writeback is None,
        waits_for=lambda: Wait(f"the write-back of {folio}", (folio.writeback,) if folio.writeback else ()),
        sleeps=True,
    )


async def generic_file_write(inode: Inode, index: int, content: str) -> int | str:
    """``generic_file_write_iter()`` of one whole page, that is generic_perform_write() under ``i_rwsem``.

    Returns:
        1, the page written, or an error.
    """
    mapping = inode.i_mapping
    await down_write(inode.i_rwsem)
    while True:
        error, folio = await grab_folio(mapping, index)
        if folio is None or not folio.order or folio.uptodate:
            break
        await read_folio(mapping, folio)  # the other pages of a large one; unlocks it
        await folio_put(folio)
    if folio is None:
        await up_write(inode.i_rwsem)
        return error
    await folio_wait_writeback(folio)
    changed = seen_in_its_slots(folio)  # it is dirty afterwards
    await step("copy_folio_from_iter", folio, target=pte_target(index), writes=True, also=changed)
    folio.set_page_at(index, content)
    if not folio.uptodate:
        await folio_mark_uptodate(folio)
    folio.dirty = True
    # generic_write_end(): "No need to use i_size_read() here, the i_size cannot change under us".
    if index + 1 > inode.i_size:
        await i_size_write(inode, index + 1)
    await folio_unlock(folio)
    await folio_put(folio)
    await up_write(inode.i_rwsem)
    return 1


async def writeback(mapping: AddressSpace, index: int) -> None:
    """``write_cache_pages()`` of one page, and the I/O that it starts.

    The reference of the lookup is gone before the I/O ends: what keeps the folio is that it is in the page cache, and
    that nobody takes it out of there while it is under write-back.
    """
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if not isinstance(entry, Folio):
        return
    folio = entry
    await folio_lock(folio)
    if folio.mapping is mapping and folio.writeback is not None:
        await folio_wait_writeback(folio)
    begun = folio.mapping is mapping and folio.dirty
    if begun:
        # Where nothing maps it, it is clean without another step.
        size = await i_size_read(mapping.host, also=[(("refcount", folio.number), False), *seen_in_its_slots(folio)])
        await folio_clear_dirty_for_io(mapping, folio)
        # "The page straddles i_size" is left out; behind it there is nothing to be written.
        begun = folio.index < size
    if begun:
        await _folio_start_writeback(folio)
    await folio_unlock(folio)
    await folio_put(folio)
    if begun:
        await submit_bio(mapping, folio)
        await folio_end_writeback(folio)


async def folio_clear_dirty_for_io(mapping: AddressSpace, folio: Folio) -> None:
    """``folio_clear_dirty_for_io()`` of a locked folio that is dirty.

    "Yes, Virginia, this is indeed insane": first all page-table entries are made clean, and read-only, and the folio
    dirty if they were not; only then it is made clean.  A store from then on faults, and waits for the folio lock to
    make it dirty again (:mod:`pagecache.regular.mkwrite`).
    """
    await folio_mkclean(mapping, folio)
    folio.dirty = False


async def _folio_start_writeback(folio: Folio) -> None:
    """``folio_start_writeback()`` of a locked folio."""
    seen = seen_in_its_slots(folio)
    current = await step("folio_start_writeback", folio, target=("writeback", folio.number), writes=True, also=seen)
    folio.writeback = current


async def folio_end_writeback(folio: Folio) -> None:
    """``folio_end_writeback()``: the I/O is done; wakes who waits for it.

    Raises:
        UseAfterFree: if the folio has been freed meanwhile.
        KernelBug: if it was not under write-back.
    """
    seen = seen_in_its_slots(folio)
    await step("folio_end_writeback", folio, target=("writeback", folio.number), writes=True, also=seen)
    if folio.freed:
        raise UseAfterFree(f"folio_end_writeback() of {folio} after it had been freed")
    if folio.writeback is None:
        raise KernelBug(f"folio_end_writeback(): {folio} is not under write-back")
    folio.writeback = None
