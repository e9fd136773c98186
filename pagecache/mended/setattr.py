"""shmem_setattr() that always truncates.

 1. ``UFFDIO_COPY`` into an empty file has inserted its page (``nrpages`` 1), and not yet counted it (``alloced`` 0).
 2. ``ftruncate(0)``: ``if (info->alloced)`` is false, so nothing is removed.
 3. ``UFFDIO_COPY`` goes on: ``i_size`` was looked at before 2.  The page stays behind the end of the file, and its
    content is back when the file grows.

Here the truncate does not ask.
"""

from __future__ import annotations

from pagecache.inode import Inode, i_size_write
from pagecache.locks import down_write, up_write
from pagecache.truncate import INFINITY
from pagecache.zap import unmap_mapping_range

__all__ = ["shmem_setattr"]


async def shmem_setattr(inode: Inode, size: int) -> int:
    """``shmem_setattr()`` of ATTR_SIZE, to ``size`` pages, without the short cut for a file that has no pages."""
    await down_write(inode.i_rwsem)
    old_size = inode.i_size
    mapping = inode.i_mapping
    if size != old_size:
        await i_size_write(inode, size)
    if size <= old_size:
        if old_size > size:
            await unmap_mapping_range(mapping, size, INFINITY)
        await mapping.kernel.shmem_undo_range(inode, size, INFINITY, unfalloc=False)
        if old_size > size:
            # "unmap again to remove racily COWed private pages"
            await unmap_mapping_range(mapping, size, INFINITY)
    await up_write(inode.i_rwsem)
    return 0
