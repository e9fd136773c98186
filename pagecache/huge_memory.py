"""Splitting a huge folio (``mm/huge_memory.c``)."""

from __future__ import annotations

from pagecache.folio import Folio, folio_put, folio_ref_freeze, folio_unlock, vm_bug_on_folio
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.rmap import try_to_unmap
from pagecache.shmem_charge import shmem_uncharge_6_6
from pagecache.step import step
from pagecache.xarray import (
    XaState,
    xas_destroy,
    xas_get_order,
    xas_load,
    xas_lock_irq,
    xas_set,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["split_folio"]


async def split_folio(mapping: AddressSpace, folio: Folio) -> str:
    """``split_huge_page_to_list()`` of a locked huge folio with one reference of the caller.

    The folio becomes its own first page; the other pages become folios of their own, except those
    behind the end of the file, which leave the page cache.

    Returns:
        Empty; ``"EAGAIN"`` if somebody else holds a reference; ``"EBUSY"`` if it has left the cache; ``"ENOMEM"``
        without memory for the nodes.

    Leaves out: migration entries (a file's pages are simply unmapped and
    faulted in again), the deferred split queue.
    """
    if folio.mapping is None:
        return "EBUSY"
    inode = mapping.host
    current = await down_read(mapping.i_mmap_rwsem)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"split by {current} without its lock")
    xas = XaState(mapping.i_pages, folio.index)
    await xas_split_alloc(xas, folio, folio.order)
    if xas.error:
        await up_read(mapping.i_mmap_rwsem)
        return xas.error
    # Sampled once: "EOF may change from under us, but nothing behind it can come into use".
    size = await i_size_read(inode)
    end = max(size, inode.info.fallocend)
    await step("can_split_folio", folio, target=("refcount", folio.number))
    if folio.refcount != folio.mapcount + folio.nr_pages + 1:
        await up_read(mapping.i_mmap_rwsem)
        await xas_destroy(xas)
        return "EAGAIN"
    await try_to_unmap(mapping, folio, rmap_locked=True)
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    frozen = False
    if entry is folio:
        frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
    if not frozen:
        await xas_unlock_irq(xas)
        await up_read(mapping.i_mmap_rwsem)
        await xas_destroy(xas)
        return "EAGAIN"

    # One entry becomes an entry for each page, all of them the head as yet; in 4.8 each page had its own.
    order = await xas_get_order(xas)
    if order:
        await xas_split(xas, folio, order)
    # The tails, from the last: each comes to life with its own slot while the head is still frozen,
    # so that a lookup that finds the head in a tail's slot spins until the tail is stored.
    tails: list[Folio] = []
    dropped = 0
    for offset in range(folio.nr_pages - 1, 0, -1):
        tail = mapping.memory.new_folio(0)
        tail.index = folio.index + offset
        tail.pages[0] = folio.pages[offset]
        tail.mapping = mapping
        tail.uptodate = folio.uptodate
        tail.dirty = folio.dirty
        tail.swapbacked = folio.swapbacked
        tail.lru = folio.lru
        tail.locked_by = current
        current.held.append(tail)
        tails.append(tail)
        xas_set(xas, tail.index)
        if tail.index >= end:
            # Behind the end of the file: it leaves the cache, and the reference it would have had.
            await xas_store(xas, None)
            tail.mapping = None
            mapping.nrpages -= 1
            dropped += 1
        else:
            tail.refcount = 2  # the cache's and ours
            await xas_store(xas, tail)
    await step("folio_ref_unfreeze", folio, 2, target=("refcount", folio.number), writes=True)
    folio.pages = folio.pages[:1]
    folio.order = 0
    folio.refcount = 2
    folio.frozen_by = None
    await xas_unlock_irq(xas)
    if dropped:
        # Of 6.6 whatever the kernel: the older one must come before nrpages falls, as it did in __split_huge_page().
        await shmem_uncharge_6_6(inode, dropped)
    await up_read(mapping.i_mmap_rwsem)
    for position in range(len(tails)):
        await folio_unlock(tails[position])
        await folio_put(tails[position])
    return ""
