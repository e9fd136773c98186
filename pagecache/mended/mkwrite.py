"""page_mkwrite() that looks at the page, not only at its folio.

do_shared_fault() lets go of the folio lock between filemap_fault(), which has looked at ``i_size``, and
->page_mkwrite(), which asks whether any of the folio is inside of the file (folio_mkwrite_check_truncate()):

 1. S: a store to page 1, in a folio of two pages that is dirty: filemap_fault() finds it, and unlocks it.
 2. T: ftruncate() to one page.  The folio cannot be split, since S has a reference; what is behind the new end is
    zeroed, and the folio stays as it is, as it is dirty (truncate_inode_partial_folio()).  T returns.
 3. S: page_mkwrite() finds page 0 inside of the file.  The entry for page 1 is set, and the store succeeds, though it
    is behind the end of the file; and page 1 is not zeroes any more, which it is to be if the file grows again.

Here the page itself has to be inside.  (finish_fault() does not look either: fa04f5b60fda, 6.18, keeps it from mapping
other pages of the folio that are behind the end.)  XX: not tried on hardware; a file system may zero what it adds.
"""

from __future__ import annotations

from pagecache.folio import Folio, folio_lock, folio_unlock
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.regular.backing import regular
from pagecache.touched import PMDS

__all__ = ["page_mkwrite"]


async def page_mkwrite(mapping: AddressSpace, folio: Folio, index: int) -> bool:
    """``do_page_mkwrite()``, as in :mod:`pagecache.regular.mkwrite`, but for the page at ``index``."""
    await down_read(regular(mapping).invalidate_lock)
    await folio_lock(folio)
    size = await i_size_read(mapping.host)
    if folio.mapping is not mapping or index >= size:
        await folio_unlock(folio)
        await up_read(regular(mapping).invalidate_lock)
        return False
    folio.dirty = True
    await up_read(regular(mapping).invalidate_lock, also=[(PMDS, False)])  # finish_fault()
    return True
