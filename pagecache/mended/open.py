"""do_dentry_open() that drops the huge pages and keeps what is dirty.

Opening for writing calls truncate_inode_pages() if there is any huge page in the file, and that throws dirty pages
away, which nobody has written back:

 1. ``write(3)``: page 3 is dirty.
 2. collapse: pages 0 and 1 are clean, and become a huge page; ``nr_thps`` is 1.
 3. ``open(O_WRONLY)``: sees ``nr_thps``, and truncates the whole page cache of the file.
 4. ``read(3)``: what was there before 1., from the disk.

To write the dirty pages first is not enough: a second opener finds ``nr_thps`` zero as soon as the first one has
removed the huge page, does not wait for the invalidate_lock, and writes a page that the first one has yet to come to.
Here only huge pages are dropped.  They are clean, and as long as the file is open for writing there are no new ones.
"""

from __future__ import annotations

from pagecache.filemap import find_get_entries
from pagecache.folio import Folio, folio_lock, folio_put, folio_unlock
from pagecache.inode import AddressSpace
from pagecache.locks import down_write, up_write
from pagecache.regular.backing import filemap_nr_thps, get_write_access, regular
from pagecache.truncate import INFINITY, truncate_inode_folio

__all__ = ["do_dentry_open"]


async def do_dentry_open(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` with FMODE_WRITE: drop the huge pages, and no other.

    A collapse that has raised ``nr_thps`` and not stored its huge page yet holds the locks of the old ones: so each
    folio is locked, and it goes round until there are none.
    """
    await get_write_access(mapping)
    await down_write(regular(mapping).invalidate_lock)
    while True:
        thps = await filemap_nr_thps(mapping)
        if not thps:
            break
        found, _ = await find_get_entries(mapping, 0, INFINITY)
        for position in range(len(found)):
            folio = found[position][1]
            if isinstance(folio, Folio):
                await folio_lock(folio)
                if folio.order == mapping.hpage_pmd_order:
                    await truncate_inode_folio(mapping, folio)
                await folio_unlock(folio)
                await folio_put(folio)
    await up_write(regular(mapping).invalidate_lock)
