"""shmem_charge() and shmem_uncharge(): how a collapse accounts for the holes it fills, in three ages.

``nrpages`` and ``alloced`` are each protected by a lock of their own, and shmem_recalc_inode() takes what
``alloced`` has too much for pages that memory management dropped.  So the order matters:

 1. charge: ``alloced`` rises first.
 2. recalc sees alloced > nrpages and takes the charge back.
 3. charge: ``nrpages`` rises; i_blocks has lost the holes.

4.8 did it in this order; aaa52e340073 ("fix crashes due to misaccounted holes", 4.20) turned it round.
"""

from __future__ import annotations

from pagecache.inode import BLOCKS_PER_PAGE, Inode, shmem_recalc_inode, shmem_recalc_inode_6_6
from pagecache.locks import spin_lock, spin_unlock
from pagecache.step import step
from pagecache.touched import NRPAGES
from pagecache.xarray import XaState, xas_lock_irq, xas_unlock_irq

__all__ = [
    "shmem_charge_4_8",
    "shmem_charge_4_20",
    "shmem_charge_6_6",
    "shmem_uncharge_4_8",
    "shmem_uncharge_6_6",
]


async def shmem_charge_4_8(inode: Inode, pages: int) -> bool:
    """``shmem_charge()`` of 4.8: ``nrpages`` follows the recalculation.  The caller holds the ``xa_lock``."""
    current = await step("shmem_charge", pages, fails="ENOSPC", also=[(NRPAGES, True)])
    if current.failing:
        return False
    await shmem_recalc_inode(inode, pages, 0)
    inode.i_mapping.nrpages += pages
    return True


async def shmem_charge_4_20(inode: Inode, pages: int) -> bool:
    """``shmem_charge()`` from 4.20 to 6.5: ``nrpages`` first.  The caller holds the ``xa_lock``."""
    current = await step("shmem_charge", pages, fails="ENOSPC", also=[(NRPAGES, True)])
    if current.failing:
        return False
    inode.i_mapping.nrpages += pages
    await shmem_recalc_inode(inode, pages, 0)
    return True


async def shmem_charge_6_6(inode: Inode, pages: int) -> bool:
    """``shmem_charge()`` since 6.6: called without a lock, it takes the ``xa_lock`` itself."""
    current = await step("shmem_charge", pages, fails="ENOSPC", also=[(NRPAGES, True)])
    if current.failing:
        return False
    xas = XaState(inode.i_mapping.i_pages, 0)
    await xas_lock_irq(xas)
    inode.i_mapping.nrpages += pages
    await xas_unlock_irq(xas)
    await shmem_recalc_inode_6_6(inode, pages, 0)
    return True


async def shmem_uncharge_4_8(inode: Inode, pages: int) -> None:
    """``shmem_uncharge()`` up to 6.5: ``alloced`` falls; from 4.20 on the caller has lowered ``nrpages`` before."""
    info = inode.info
    await spin_lock(info.lock, also=[(NRPAGES, False)])
    info.alloced -= pages
    inode.i_blocks -= pages * BLOCKS_PER_PAGE
    freed = info.alloced - info.swapped - inode.i_mapping.nrpages
    if freed > 0:
        info.alloced -= freed
        inode.i_blocks -= freed * BLOCKS_PER_PAGE
    await spin_unlock(info.lock)


async def shmem_uncharge_6_6(inode: Inode, pages: int) -> None:
    """``shmem_uncharge()`` since 6.6: the caller has lowered ``nrpages``, and the recalculation finds the rest."""
    del pages  # as in the kernel: kept to help debugging
    await shmem_recalc_inode_6_6(inode, 0, 0)
