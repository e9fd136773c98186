"""Opening a regular file for writing (``fs/open.c``).

Huge pages of a file are read-only: nobody knows how to write them back.  So whoever opens it for writing drops them,
and a collapse gives up while it is open.
"""

from __future__ import annotations

from pagecache.inode import AddressSpace
from pagecache.locks import down_write, up_write
from pagecache.regular.backing import WRITERS, filemap_nr_thps, get_write_access, regular
from pagecache.regular.truncate import truncate_inode_pages
from pagecache.step import step
from pagecache.truncate import INFINITY
from pagecache.zap import unmap_mapping_range

__all__ = ["close", "do_dentry_open", "open_for_write"]


async def open_for_write(mapping: AddressSpace) -> int:
    """``open(O_WRONLY)``; another descriptor."""
    await mapping.kernel.do_dentry_open(mapping)
    await step("fd_install", target=WRITERS, writes=True)
    regular(mapping).descriptors += 1
    return 0


async def do_dentry_open(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` with FMODE_WRITE: if there are huge pages in the cache, drop all pages.

    get_write_access() is a full barrier before ``nr_thps`` is read, as a collapse has one between raising ``nr_thps``
    and reading ``i_writecount``: one of them sees the other.
    """
    await get_write_access(mapping)
    thps = await filemap_nr_thps(mapping)
    if thps:
        await down_write(regular(mapping).invalidate_lock)
        await unmap_mapping_range(mapping, 0, INFINITY)
        await truncate_inode_pages(mapping, 0)
        await up_write(regular(mapping).invalidate_lock)


async def close(mapping: AddressSpace) -> int | str:
    """``close()`` of a descriptor that is open for writing; ``"EBADF"`` if there is none."""
    await step("put_write_access", target=WRITERS, writes=True)
    file = regular(mapping)
    if not file.descriptors:
        return "EBADF"
    file.descriptors -= 1
    file.i_writecount -= 1
    return 0
