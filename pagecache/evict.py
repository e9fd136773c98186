"""The end of a file: every process unmaps it, the last descriptor is closed, the inode goes."""

from __future__ import annotations

from pagecache.folio import drop_references
from pagecache.inode import i_size_write
from pagecache.regular.truncate import truncate_inode_pages
from pagecache.step import KernelBug
from pagecache.syscalls import do_munmap
from pagecache.truncate import INFINITY
from pagecache.world import World

__all__ = ["shmem_evict_inode"]


async def shmem_evict_inode(world: World) -> None:
    """``shmem_evict_inode()`` and clear_inode(), after the last munmap() and close().

    Of a regular file, what is dirty has been written before.

    Raises:
        KernelBug: ``BUG_ON(inode->i_data.nrpages)`` of clear_inode(), or pages that nobody will ever free.

    Leaves out ``WARN_ON(inode->i_blocks)`` of shmem_evict_inode(): counts that are wrong by now were wrong before,
    and judged there (:mod:`pagecache.promises.accounting`).
    """
    inode, mapping = world.inode, world.mapping
    for number in range(len(world.vmas)):
        await do_munmap(world.vmas[number])
    await i_size_write(inode, 0)
    if mapping.regular is None:
        await mapping.kernel.shmem_undo_range(inode, 0, INFINITY, unfalloc=False)
    else:
        await truncate_inode_pages(mapping, 0)
    # Folios that only the swap cache has, since their slot was freed while they were locked: they stay on the LRU
    # lists until reclaim comes by (folio_free_swap()).
    for slot in mapping.swap.slots:
        folio = slot.cache
        if folio is not None and slot.count == 0 and folio.locked_by is None:
            slot.cache = None
            folio.swap = -1
            drop_references(folio, 1)
    if mapping.nrpages:
        raise KernelBug(f"clear_inode(): nrpages is {mapping.nrpages} after the last page has been removed")
    if world.memory.nr_live:
        leaked = ", ".join(f"{folio} (refcount {folio.refcount})" for folio in world.memory.live())
        raise KernelBug(f"the file is gone, but these pages are not: {leaked}")
