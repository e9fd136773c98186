"""Which sizes a new folio of a shmem file may have: the mount option ``huge=`` and sysfs (``mm/shmem.c``).

A fault asks for a huge page, since it does not know how much will be used; write(2) and fallocate() ask for what they
are about to fill (since 6.14: acd7ccb284b8, "mm: shmem: add large folio support for tmpfs").  A write of one page
therefore gets one page.

``sizes`` stands for a file without a name, a memfd say, whose mappings count as anonymous shared memory (shmem_mmap()),
with every size enabled in ``hugepages-<size>kB/shmem_enabled`` (since 6.11: e7a2ab7b3bb5, "mm: shmem: add mTHP support
for anonymous shmem").  Its faults ask for the largest folio for which there are room and memory.

Leaves out: ``huge=advise``, some sizes only, the global ``shmem_enabled``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.inode import AddressSpace, Inode, i_size_read
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.xarray import Entry, XaState, xa_is_retry, xas_find, xas_retry

if TYPE_CHECKING:
    from pagecache.shmem import Vmf

__all__ = ["Orders", "shmem_allowable_huge_orders", "shmem_suitable_orders"]

Orders = tuple[int, ...]
"""A bitmap of orders, the highest first."""


async def shmem_allowable_huge_orders(inode: Inode, vmf: Vmf | None, index: int, write_end: int) -> Orders:
    """``shmem_allowable_huge_orders()``; of tmpfs that is ``shmem_huge_global_enabled()``.

    Args:
        inode: the file.
        vmf: of a page fault; of tmpfs it asks for a huge page only.
        index: the page that is missing.
        write_end: the index behind what is about to be filled; 0 if nobody knows.
    """
    if inode.huge == "never":
        return ()
    mapping = inode.i_mapping
    if inode.huge == "sizes":
        return () if vmf is None else tuple(range(mapping.hpage_pmd_order, 0, -1))
    orders = shmem_mapping_size_orders(mapping, index, write_end) if vmf is None else (mapping.hpage_pmd_order,)
    if inode.huge == "always":
        return orders
    for position in range(len(orders)):
        order = orders[position]
        size = await i_size_read(inode)
        if max(write_end, size) >= (index >> order) + 1 << order:
            return orders[position:]
    return ()


def shmem_mapping_size_orders(mapping: AddressSpace, index: int, write_end: int) -> Orders:
    """``shmem_mapping_size_orders()``: the largest aligned folio that is filled from ``index`` on, or a smaller one."""
    if write_end <= index:
        return ()
    order = (write_end - index).bit_length() - 1  # filemap_get_order()
    if index & (1 << order) - 1:
        order = (index & -index).bit_length() - 1
    order = min(order, mapping.hpage_pmd_order)
    return tuple(range(order, -1, -1)) if order else ()


async def shmem_suitable_orders(mapping: AddressSpace, vmf: Vmf | None, index: int, orders: Orders) -> Orders:
    """``shmem_suitable_orders()``: those that fit into the VMA, from the highest on that finds nothing in its way.

    "Check for conflict before waiting on a huge allocation": there may be a huge page by now, or a small one anywhere
    in its range.
    """
    if vmf is not None:
        orders = tuple(order for order in orders if _fits(vmf, index, order))  # thp_vma_suitable_orders()
    for position in range(len(orders)):
        first = index >> orders[position] << orders[position]
        entry = await _xa_find(mapping, first, first + (1 << orders[position]) - 1)
        if entry is None:
            return orders[position:]
    return ()


def _fits(vmf: Vmf, index: int, order: int) -> bool:
    first = index >> order << order
    return vmf.vma.start <= first and first + (1 << order) <= vmf.vma.end


async def _xa_find(mapping: AddressSpace, first: int, last: int) -> Entry:
    """``xa_find()`` with XA_PRESENT: what stands between the two, under RCU."""
    xas = XaState(mapping.i_pages, first)
    await rcu_read_lock()
    while True:
        entry = await xas_find(xas, last)
        if not xa_is_retry(entry):
            break
        await xas_retry(xas)
    await rcu_read_unlock()
    return entry
