"""Reading a regular file: read(2), page faults, readahead (``mm/filemap.c``, ``mm/readahead.c``).

Leaves out: asynchronous readahead, releasing the mmap_lock for I/O, folios that are uptodate in part.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, folio_lock, folio_put, folio_test_uptodate, folio_trylock, folio_unlock
from pagecache.inode import AddressSpace, Inode, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.pte import pte_target
from pagecache.regular.add import filemap_add_folio
from pagecache.regular.backing import read_folio, regular
from pagecache.shmem import Vmf, alloc_folio
from pagecache.step import step
from pagecache.touched import PMDS
from pagecache.xarray import Entry

__all__ = ["filemap_fault", "filemap_lock_folio", "filemap_read", "grab_folio", "page_cache_sync_readahead"]

END_OF_FILE: Final = 0


async def filemap_read(inode: Inode, index: int) -> int | str:
    """``filemap_read()`` of one page.

    A folio that is uptodate is copied without its lock.  "i_size must be checked after we know the pages are Uptodate":
    else a truncate could come between, and what is read be behind the end of the file.

    Returns:
        The content; 0 bytes at the end of the file; an error.
    """
    size = await i_size_read(inode)
    if index >= size:
        return END_OF_FILE
    error, folio = await _filemap_get_page(inode.i_mapping, index)
    if folio is None:
        return error
    size = await i_size_read(inode)
    if index >= size:
        await folio_put(folio)
        return END_OF_FILE
    await step("copy_folio_to_iter", folio, target=pte_target(index))
    content = folio.page_at(index)
    await folio_put(folio)
    return content


async def _filemap_get_page(mapping: AddressSpace, index: int) -> tuple[str, Folio | None]:
    """``filemap_get_pages()`` of one page: a referenced folio that is, or was, uptodate; or an error."""
    while True:
        entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
        if not isinstance(entry, Folio):
            error, folio = await _filemap_create_folio(mapping, index)
            if error != "AOP_TRUNCATED_PAGE":
                return error, folio
            continue
        uptodate = await folio_test_uptodate(entry)
        if uptodate:
            return "", entry
        error = await _filemap_update_page(mapping, entry)
        if not error:
            return "", entry
        if error != "AOP_TRUNCATED_PAGE":
            return error, None


async def _filemap_create_folio(mapping: AddressSpace, index: int) -> tuple[str, Folio | None]:
    """``filemap_create_folio()``: a new folio, read from the disk; ``AOP_TRUNCATED_PAGE`` if somebody was faster.

    The invalidate_lock keeps truncate out: blocks that it frees are not read into the cache again behind it.
    """
    folio = await alloc_folio(mapping.memory, 0)
    if folio is None:
        return "ENOMEM", None
    await down_read(regular(mapping).invalidate_lock)
    error = await filemap_add_folio(mapping, folio, index)
    if error == "EEXIST":
        error = "AOP_TRUNCATED_PAGE"
    elif not error:
        error = await read_folio(mapping, folio)
    await up_read(regular(mapping).invalidate_lock, also=[(PMDS, False)])  # finish_fault()
    if error:
        await folio_put(folio)
        return error, None
    return "", folio


async def _filemap_update_page(mapping: AddressSpace, folio: Folio) -> str:
    """``filemap_update_page()``: wait for who reads the folio, or read it; the reference is dropped with an error."""
    lock = regular(mapping).invalidate_lock
    await down_read(lock)
    locked = await folio_trylock(folio)
    if not locked:
        await up_read(lock)
        # folio_put_wait_locked(): sleeps without a reference.
        await step(
            "folio_wait_locked",
            folio,
            target=("folio_lock", folio.number),
            ready=folio.is_unlocked,
            waits_for=folio.lock_waits_for,
            sleeps=True,
        )
        await folio_put(folio)
        return "AOP_TRUNCATED_PAGE"
    error = ""
    if folio.mapping is None:
        error = "AOP_TRUNCATED_PAGE"
        await folio_unlock(folio)
    elif folio.uptodate:
        await folio_unlock(folio)
    else:
        error = await read_folio(mapping, folio)
    await up_read(lock)
    if error:
        await folio_put(folio)
    return error


async def grab_folio(mapping: AddressSpace, index: int) -> tuple[str, Folio | None]:
    """``__filemap_get_folio(FGP_LOCK | FGP_CREAT)``: the folio at ``index``, locked and referenced, perhaps new."""
    while True:
        folio = await filemap_lock_folio(mapping, index)
        if folio is not None:
            return "", folio
        fresh = await alloc_folio(mapping.memory, 0)
        if fresh is None:
            return "ENOMEM", None
        error = await filemap_add_folio(mapping, fresh, index)
        if not error:
            return "", fresh
        await folio_put(fresh)
        if error != "EEXIST":
            return error, None


async def filemap_lock_folio(mapping: AddressSpace, index: int) -> Folio | None:
    """``filemap_lock_folio()``: the folio at ``index``, locked and referenced, if there is one."""
    while True:
        entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
        if not isinstance(entry, Folio):
            return None
        await folio_lock(entry)
        if entry.mapping is mapping:
            return entry
        await folio_unlock(entry)
        await folio_put(entry)


async def filemap_fault(vmf: Vmf) -> tuple[str, Folio | None]:
    """``filemap_fault()``: the folio of a page fault, locked and uptodate; or an error."""
    mapping, index = vmf.vma.mapping, vmf.index
    lock = regular(mapping).invalidate_lock
    size = await i_size_read(mapping.host)
    if index >= size:
        return "EFAULT", None
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
    while True:
        # What is not there, or not uptodate, is looked up again under the invalidate_lock.
        if isinstance(entry, Folio):
            folio = entry
            await folio_lock(folio)
            if folio.mapping is mapping and folio.uptodate:
                break
            await folio_unlock(folio)
            await folio_put(folio)
        await down_read(lock)
        error, found = await grab_folio(mapping, index)
        if found is None:
            await up_read(lock)
            return error, None
        if found.uptodate:
            await up_read(lock)
            folio = found
            break
        error = await read_folio(mapping, found)
        await up_read(lock)
        if error:
            await folio_put(found)
            return error, None
        entry = found
    # "Found the page and have a reference on it.  We must recheck i_size under page lock."
    size = await i_size_read(mapping.host)
    if index >= size:
        await folio_unlock(folio)
        await folio_put(folio)
        return "EFAULT", None
    return "", folio


async def page_cache_sync_readahead(mapping: AddressSpace, start: int, end: int) -> None:
    """``page_cache_sync_readahead()``, that is page_cache_ra_unbounded(): read what is missing from ``start`` on.

    What cannot be inserted is skipped.
    """
    size = await i_size_read(mapping.host)
    lock = regular(mapping).invalidate_lock
    await down_read(lock)
    for index in range(start, min(end, size)):
        await step("xa_load", index, target=("slot", index))
        if isinstance(mapping.i_pages.entry_at(index), Folio):
            continue
        folio = await alloc_folio(mapping.memory, 0)
        if folio is None:
            break
        error = await filemap_add_folio(mapping, folio, index)
        if not error:
            await read_folio(mapping, folio)
        await folio_put(folio)
    await up_read(lock)
