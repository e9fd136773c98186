"""The end of a file: every process unmaps it, the last descriptor is closed, the inode goes."""

from __future__ import annotations

from pagecache.folio import drop_references, folio_put
from pagecache.inode import Inode, i_size_write
from pagecache.locks import spin_lock, spin_unlock
from pagecache.regular.truncate import truncate_inode_pages
from pagecache.shrinklist import OtherFile, remove_from_shrinklist
from pagecache.step import KernelBug, step
from pagecache.syscalls import do_munmap
from pagecache.truncate import INFINITY
from pagecache.world import World

__all__ = ["close_other", "evict_inodes", "igrab", "iput", "shmem_evict_inode"]


async def igrab(inode: Inode) -> bool:
    """``igrab()``: one more reference to an inode, unless it is being evicted.  Returns whether there is."""
    await spin_lock(inode.i_lock)
    grabbed = not inode.freeing
    if grabbed:
        inode.i_count += 1
    await spin_unlock(inode.i_lock)
    return grabbed


async def iput(inode: Inode) -> None:
    """``iput()``: drop a reference; with the last one the inode goes, since nobody can open it again."""
    await step("iput", inode, target=inode.i_lock.target, writes=True)  # atomic_dec_and_lock()
    if inode.i_count > 1:
        inode.i_count -= 1
        return
    await spin_lock(inode.i_lock)
    inode.i_count -= 1
    last = not inode.i_count
    inode.freeing = last  # I_FREEING
    await spin_unlock(inode.i_lock)
    if last:
        await shmem_evict_inode(inode)


async def close_other(other: OtherFile) -> str:
    """``close(2)`` of another file, once the I/O to the page that is pinned is over.

    Returns:
        Empty, or ``"EBADF"`` if it has been closed.
    """
    await step("close", other, target=("file", other.number), writes=True)
    if not other.is_open:
        return "EBADF"
    other.is_open = False
    if other.pinned is not None:
        folio, other.pinned = other.pinned, None
        await folio_put(folio)  # unpin_user_page()
    await iput(other.inode)
    return ""


async def shmem_evict_inode(inode: Inode) -> None:
    """``shmem_evict_inode()`` and clear_inode() of an inode that nobody has a reference to.

    Raises:
        KernelBug: ``BUG_ON(inode->i_data.nrpages)`` of clear_inode().

    Leaves out ``WARN_ON(inode->i_blocks)`` of shmem_evict_inode(): counts that are wrong by now were wrong before,
    and judged there (:mod:`pagecache.promises.accounting`).
    """
    mapping = inode.i_mapping
    await i_size_write(inode, 0)
    if mapping.regular is None:
        await mapping.kernel.shmem_undo_range(inode, 0, INFINITY, unfalloc=False)
        await remove_from_shrinklist(inode)
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


async def evict_inodes(world: World) -> None:
    """``evict_inodes()`` of the superblock, after the last munmap() and close(); what is dirty has been written before.

    Raises:
        KernelBug: if there are pages then that nobody will ever free; what shmem_evict_inode() raises.
    """
    for number in range(len(world.vmas)):
        await do_munmap(world.vmas[number])
    for number in range(len(world.others)):
        await close_other(world.others[number])
    await shmem_evict_inode(world.inode)
    if world.memory.nr_live:
        leaked = ", ".join(f"{folio} (refcount {folio.refcount})" for folio in world.memory.live())
        raise KernelBug(f"the file is gone, but these pages are not: {leaked}")
