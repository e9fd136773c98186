"""mapping_seek_hole_data() that looks twice before it believes in a hole.

 1. lseek() has dealt with the small folio at index i, the cursor stands at its slot.
 2. A collapse joins the slots: the canonical entry stands before i, the slots of i and i + 1 are siblings now.
 3. lseek() goes on: xas_find() takes a sibling for the rest of an entry that it has dealt with, and steps over it.
 4. What comes next is behind the huge folio, or nothing: SEEK_HOLE says that i + 1 is a hole, SEEK_DATA skips it.

In Linux with huge pages of 512 and nodes of 64 slots, i is the last index of a leaf, and the sibling stands in the node
above it: any other leaf slot says RETRY after the collapse.

Here every index is looked up from the top, where a walk never meets a sibling without its entry.
(A cheaper way: xas_find() says RETRY at a sibling whose entry it has not dealt with.)
"""

from __future__ import annotations

from pagecache.filemap import SEEK_DATA, put_entry
from pagecache.folio import Folio, folio_test_uptodate
from pagecache.inode import AddressSpace
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.xarray import Entry

__all__ = ["mapping_seek_hole_data"]


async def mapping_seek_hole_data(mapping: AddressSpace, start: int, end: int, whence: int) -> int | str:
    """``mapping_seek_hole_data()``: the first index from ``start`` on with data, or without.

    See :func:`pagecache.filemap.mapping_seek_hole_data` for arguments and result.
    """
    if end <= start:
        return "ENXIO"
    seek_data = whence == SEEK_DATA
    answer: int | str = "ENXIO" if seek_data else end
    index = start
    await rcu_read_lock()
    while index < end:
        entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
        data = entry is not None
        behind = index + 1
        if isinstance(entry, Folio):
            data = await folio_test_uptodate(entry)
            behind = entry.next_index
        await put_entry(entry)
        if data == seek_data:
            answer = index
            break
        index = behind
    await rcu_read_unlock()
    return answer
