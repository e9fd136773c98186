"""filemap_map_pages() that asks for ``i_size`` again when it has locked a folio.

A load, a truncate(2) into the middle of a large folio, and a load of what was cut off, of a regular file:

 1. load: filemap_map_pages() reads ``i_size``; next_uptodate_folio() gets a reference to the folio.
 2. truncate: lowers ``i_size``, unmaps what is behind it, and locks the folio.  It cannot be split, since the load has
    a reference; it is dirty, so it stays.  What is behind the end is zeroed, and unmapped once more.
 3. load: locks the folio.  Its own page is within ``i_size``; all of it is within what 1. has read, and so is mapped.
 4. another load, behind the end of the file: no SIGBUS; what a store leaves there is lost.

Since f58df566524e (7.0), which has ``i_size`` read before the first folio is locked, lest the number of pages to be
mapped become negative (B43); before that it could happen to the folios behind the first one.  74207de2ba10 had told
what SIGBUS takes: no entry behind ``i_size``.

Here 3 asks again.  A truncate that has lowered ``i_size`` by then is seen; one that lowers it later waits for the
folio, and unmaps it afterwards.
"""

from __future__ import annotations

from pagecache.fault_around import filemap_map_folio_range, filemap_map_pmd, lock_page_table, next_uptodate_folio
from pagecache.folio import folio_unlock
from pagecache.inode import i_size_read
from pagecache.locks import spin_unlock
from pagecache.shmem import Vmf
from pagecache.xarray import XaState

__all__ = ["filemap_map_pages"]


async def filemap_map_pages(vmf: Vmf, start: int, last: int, *, prealloc: bool) -> bool:
    """``filemap_map_pages()``: map what is there from ``start`` to ``last`` and can be locked at once."""
    mapping = vmf.vma.mapping
    xas = XaState(mapping.i_pages, start)
    folio = await next_uptodate_folio(xas, mapping, last)
    if folio is None:
        return False
    size = await i_size_read(mapping.host)
    if mapping.regular is None or size >= folio.next_index:
        mapped = await filemap_map_pmd(vmf, folio, prealloc=prealloc)
        if mapped:
            return True
    table = await lock_page_table(vmf, folio)
    if table is None:
        return False
    found = False
    while folio is not None:
        behind = min(folio.next_index, last + 1, size)
        mapped = await filemap_map_folio_range(vmf, folio, xas.index, behind, size)
        found |= mapped
        await folio_unlock(folio)
        folio = await next_uptodate_folio(xas, mapping, last)
        size = await i_size_read(mapping.host)
    await spin_unlock(table.ptl)
    return found
