"""filemap_get_entry() that does not believe in a hole before it has looked again.

 1. read(): walks to an index in the middle of a huge page, and loads a sibling entry: "go to offset k".
 2. punch: splits the huge page, every slot gets an entry of its own, from the last to the first; then removes the
    pages of offset k.
 3. read(): loads offset k, where nothing is any more: a hole, and so zeroes, where the data has never been touched.

A folio that is found this way does no harm: its reference is got, and xas_reload() looks at the index itself, where
something else stands by now.  Here nothing, and a swap entry, are looked at again as well.  xas_split() writes slot k
after the slots that lead to it, so that the second look sees what has taken the sibling's place.
"""

from __future__ import annotations

from pagecache.filemap import spin_while_frozen
from pagecache.folio import Folio, folio_put, folio_try_get
from pagecache.inode import AddressSpace
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.xarray import Entry, XaState, xa_is_retry, xas_load, xas_reload, xas_reset, xas_retry

__all__ = ["filemap_get_entry"]


async def filemap_get_entry(mapping: AddressSpace, index: int) -> Entry:
    """``filemap_get_entry()``: the entry at ``index``, a folio with a reference; see :mod:`pagecache.filemap`."""
    xas = XaState(mapping.i_pages, index)
    await rcu_read_lock()
    while True:
        xas_reset(xas)
        entry = await xas_load(xas)
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, Folio):
            got = await folio_try_get(entry)
            if not got:
                await spin_while_frozen(xas, entry)
                continue
        if xas.node is None and not isinstance(entry, Folio):
            break  # an empty tree, or an index beyond it: no sibling led here
        again = await xas_reload(xas)
        if again == entry:
            break
        if isinstance(entry, Folio):
            await folio_put(entry)
    await rcu_read_unlock()
    return entry
