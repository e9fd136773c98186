"""migrate_folio() that puts no folio into the page cache that does not look like the one it replaces.

 1. Migration has put the new folio in the place of the old one, locked; it is not uptodate yet.
 2. lseek() finds it: it takes no folio lock, and shmem has no is_partially_uptodate(), so a folio that is not uptodate
    is a hole (folio_seek_hole_data()).  mincore() says that the page is not there, for the same reason.
 3. Migration copies the flags (folio_migrate_flags()).

It is what a2e17cc2efc7 ("mm/khugepaged: maintain page cache uptodate flag") mended in the collapse.  Here the content
is copied before anybody can find the new folio, as since 6.11, so it can be uptodate from the beginning.
"""

from __future__ import annotations

from pagecache.folio import Folio, copy_mc_highpage, folio_mark_uptodate, folio_ref_count
from pagecache.inode import AddressSpace
from pagecache.migrate import folio_migrate_flags

__all__ = ["migrate_folio"]


async def migrate_folio(mapping: AddressSpace, dst: Folio, src: Folio) -> str:
    """``__migrate_folio()``: see :func:`pagecache.migrate.migrate_folio_2026` for result and arguments."""
    refs = await folio_ref_count(src)
    if refs != 1 + src.nr_pages:
        return "EAGAIN"
    for index in range(src.index, src.next_index):
        copied = await copy_mc_highpage(dst, index - src.index, src, index)
        if not copied:
            return "EHWPOISON"
    if src.uptodate:
        await folio_mark_uptodate(dst)
    error: str = await mapping.kernel.folio_migrate_mapping(mapping, dst, src)
    if error:
        return error
    await folio_migrate_flags(dst, src)
    return ""
