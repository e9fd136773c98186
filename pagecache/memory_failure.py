"""A page whose memory has failed (``mm/memory-failure.c``): taken out of use, and nobody reads it again.

Its folio stays where it is in a shmem file, marked with PG_hwpoison, and off the LRU lists: there is no other copy of
the data, and "not there" would mean zeroes.
"""

from __future__ import annotations

from pagecache.folio import Folio, folio_isolate_lru, folio_lock, folio_put, folio_unlock
from pagecache.inode import AddressSpace
from pagecache.step import step
from pagecache.truncate import truncate_inode_folio

__all__ = ["generic_error_remove_folio", "memory_failure", "shmem_error_remove_folio"]


async def memory_failure(mapping: AddressSpace, index: int) -> int | str:
    """``memory_failure()`` of the page that is in the page cache at ``index``.

     1. A large folio is split, so that only one page is lost.
     2. The page is marked: from here on read(2) and write(2) fail, and faults are SIGBUS.
     3. Under the folio lock: unmap it, take it off its LRU list, and ask the file system what is to become of it.

    Returns:
        0; ``"ENOENT"`` if there is no page with data; ``"EHWPOISON"`` if it has been marked before; ``"EBUSY"`` if the
        folio cannot be split, has left the page cache meanwhile, or somebody has a reference to it.

    Leaves out: the signals to the processes that map it, and page-table entries that say so (theirs are empty here,
    and the next fault finds the page); folios that cannot be split, which are marked as well in Linux; pages that
    fallocate() has reserved, with which nothing is lost; what it does to the swap cache (me_swapcache_dirty()); the
    reference that it keeps, so that the page is never allocated again: no page is, here.
    """
    while True:
        folio = await mapping.kernel.filemap_get_entry(mapping, index)
        if not isinstance(folio, Folio):
            return "ENOENT"
        if not folio.order:
            break
        error = await _try_to_split_thp_page(mapping, folio)
        if error:
            return error
    await step("folio_test_set_hwpoison", folio, target=("flags", folio.number), writes=True)
    if folio.poisoned or not folio.uptodate:
        await folio_put(folio)
        return "EHWPOISON" if folio.poisoned else "ENOENT"
    folio.poisoned = True
    await folio_lock(folio)
    answer: int | str = "EBUSY"
    if folio.mapping is mapping and not folio.order:
        if folio.mapcount:
            await mapping.kernel.try_to_unmap(mapping, folio, sync=True)  # hwpoison_user_mappings()
        # What follows is me_pagecache_dirty(), and me_pagecache_clean().
        isolated = await folio_isolate_lru(folio)
        if isolated:
            await folio_put(folio)
        await mapping.kernel.error_remove_folio(mapping, folio)
        # has_extra_refcount(): ours, and the page cache's if it is still there.
        await step("has_extra_refcount", folio, target=("refcount", folio.number))
        if folio.refcount == 1 + (folio.mapping is mapping):
            answer = 0
    await folio_unlock(folio)
    await folio_put(folio)
    return answer


async def _try_to_split_thp_page(mapping: AddressSpace, folio: Folio) -> str:
    """Split a large folio, of which the caller has a reference, and let go of it."""
    error = "EBUSY"
    await folio_lock(folio)
    if folio.mapping is mapping and folio.order:
        error = await mapping.kernel.split_folio(mapping, folio)
    elif not folio.order:
        error = ""  # somebody else has split it
    await folio_unlock(folio)
    await folio_put(folio)
    return "EBUSY" if error else ""


async def shmem_error_remove_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``shmem_error_remove_folio()``: "Keep the page in page cache instead of truncating it"."""


async def generic_error_remove_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``generic_error_remove_folio()`` of a locked folio: truncate it; a file on a disk has another copy."""
    await truncate_inode_folio(mapping, folio)
