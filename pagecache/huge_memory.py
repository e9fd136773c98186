"""Splitting a large folio (``mm/huge_memory.c``)."""

from __future__ import annotations

from pagecache.folio import (
    Folio,
    folio_put,
    folio_ref_freeze,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.shmem_charge import shmem_uncharge_6_6
from pagecache.step import Task, step
from pagecache.xarray import (
    Entry,
    XaState,
    xas_destroy,
    xas_get_order,
    xas_load,
    xas_lock_irq,
    xas_set_order,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)

__all__ = ["finish_split", "freeze_to_split", "part_of", "settle", "split_folio", "split_huge_pages", "try_folio_split"]


async def split_huge_pages(mapping: AddressSpace, index: int, order: int) -> None:
    """``split_huge_pages_in_file()`` of one folio: what writing to ``split_huge_pages`` in debugfs does.

    A folio that is small enough, or whose lock is taken, is left alone; and whether a split succeeds nobody is told.
    """
    entry: Entry = await mapping.kernel.filemap_get_entry(mapping, index)
    if not isinstance(entry, Folio):
        return
    locked = False
    if entry.order > order:
        locked = await folio_trylock(entry)
    if locked:
        if entry.mapping is mapping and entry.order > order:
            await mapping.kernel.split_folio(mapping, entry, order)
        await folio_unlock(entry)
    await folio_put(entry)


async def split_folio(
    mapping: AddressSpace, folio: Folio, new_order: int = 0, folio_list: list[Folio] | None = None
) -> str:
    """``split_huge_page_to_list_to_order()`` of a locked large folio with one reference of the caller.

    The folio becomes its own first part of ``new_order``; the other parts become folios of their own, except those
    wholly behind the end of the file, which leave the page cache.  (Folios of shmem are split to other orders than 0
    since 6.15.)

    Args:
        mapping: the file.
        folio: what is split.
        new_order: of the parts.
        folio_list: where the other parts go, with a reference, if reclaim has isolated the folio; ``None`` if not.

    Returns:
        Empty; ``"EAGAIN"`` if somebody else holds a reference; ``"EBUSY"`` if it has left the cache; ``"ENOMEM"``
        without memory for the nodes.

    Leaves out: migration entries (a file's pages are simply unmapped and faulted in again), the deferred split queue.
    """
    if folio.mapping is None:
        return "EBUSY"
    inode = mapping.host
    current = await down_read(mapping.i_mmap_rwsem)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"split by {current} without its lock")
    xas = XaState(mapping.i_pages, folio.index, new_order)
    await xas_split_alloc(xas, folio, folio.order)
    if xas.error:
        await up_read(mapping.i_mmap_rwsem)
        return xas.error
    # Sampled once: "EOF may change from under us, but nothing behind it can come into use".
    size = await i_size_read(inode)
    end = max(size, inode.info.fallocend)
    frozen = await freeze_to_split(mapping, folio, xas)
    if not frozen:
        await up_read(mapping.i_mmap_rwsem)
        await xas_destroy(xas)
        return "EAGAIN"

    # One entry becomes an entry for each part, all of them the head as yet; in 4.8 each page had its own.
    order = await xas_get_order(xas)
    if order > new_order:
        await xas_split(xas, folio, order)
    # The tails, from the last: each comes to life with its own slot while the head is still frozen,
    # so that a lookup that finds the head in a tail's slot spins until the tail is stored.
    tails: list[Folio] = []
    dropped = 0
    nr = 1 << new_order
    for offset in range(folio.nr_pages - nr, 0, -nr):
        tail = part_of(mapping, folio, folio.index + offset, new_order, current)
        tails.append(tail)
        if tail.index >= end:
            # Behind the end of the file: it leaves the cache, and the references it would have had.
            xas_set_order(xas, tail.index, new_order)
            await xas_store(xas, None)
            tail.mapping = None
            mapping.nrpages -= nr
            dropped += nr
        else:
            tail.refcount = nr + 1  # the cache's and ours
            # Its siblings are there already, and lead to the slot that is stored.
            xas_set_order(xas, tail.index, 0)
            await xas_store(xas, tail)
        if folio_list is not None:  # lru_add_split_folio()
            tail.refcount += 1
            folio_list.append(tail)
    await step("folio_ref_unfreeze", folio, nr + 1, target=("refcount", folio.number), writes=True)
    settle(folio, new_order)
    await xas_unlock_irq(xas)
    await finish_split(mapping, tails, dropped, was_huge=(len(tails) + 1) << new_order == 1 << mapping.hpage_pmd_order)
    return ""


async def freeze_to_split(mapping: AddressSpace, folio: Folio, xas: XaState) -> bool:
    """``__folio_split()`` up to ``__split_unmapped_folio()``: unmap the folio and freeze it, under the ``xa_lock``.

    Returns:
        Whether it is frozen, and the lock held; if not somebody else has a reference, or it has left the cache.
    """
    await step("can_split_folio", folio, target=("refcount", folio.number))
    if folio.refcount != folio.mapcount + folio.nr_pages + 1:
        return False
    await mapping.kernel.try_to_unmap(mapping, folio, rmap_locked=True, sync=True)
    # unmap_folio(): VM_BUG_ON_PAGE(!unmap_success), since 504e070dc08f (5.13) VM_WARN_ON_ONCE_PAGE(page_mapped(page)).
    vm_bug_on_folio(folio.mapcount > 0, folio, "still mapped when it is to be split")
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    frozen = False
    if entry is folio:
        frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
    if not frozen:
        await xas_unlock_irq(xas)
    return frozen


async def finish_split(mapping: AddressSpace, others: list[Folio], dropped: int, *, was_huge: bool) -> None:
    """The end of ``__folio_split()``, without the ``xa_lock``: account, and let go of all parts but the first.

    Args:
        mapping: the file; its ``i_mmap_rwsem`` is released.
        others: the parts, in the order in which they are unlocked.
        dropped: how many pages have left the cache.
        was_huge: did the folio have PMD order?
    """
    if mapping.regular is not None:
        mapping.regular.count_thps(-was_huge)
    elif dropped:
        # Of 6.6 whatever the kernel: the older one must come before nrpages falls, as it did in __split_huge_page().
        await shmem_uncharge_6_6(mapping.host, dropped)
    await up_read(mapping.i_mmap_rwsem)
    for position in range(len(others)):
        await folio_unlock(others[position])
        await folio_put(others[position])


def settle(folio: Folio, order: int) -> None:
    """A frozen folio gets its order, and the references of the page cache and of who splits."""
    folio.order = order
    folio.pages = folio.pages[: folio.nr_pages]
    folio.refcount = folio.nr_pages + 1
    folio.frozen_by = None


async def try_folio_split(mapping: AddressSpace, folio: Folio, first: int, behind: int) -> str:
    """``try_folio_split()`` of a locked large folio of which ``first`` up to ``behind`` is to go: into pages.

    So it was until 6.15; since then try_folio_split_6_15() leaves large what lies apart from the cuts.

    Returns:
        What split_folio() returns.
    """
    del first, behind
    return await mapping.kernel.split_folio(mapping, folio)  # type: ignore[no-any-return]


def part_of(mapping: AddressSpace, folio: Folio, index: int, order: int, current: Task) -> Folio:
    """``__split_folio_to_order()``: a folio of its own for a part of one that is being split, locked as that is."""
    part = mapping.memory.new_folio(order)
    part.index = index
    part.pages = folio.pages[index - folio.index : index - folio.index + part.nr_pages]
    part.mapping = mapping
    part.uptodate = folio.uptodate
    part.dirty = folio.dirty
    part.swapbacked = folio.swapbacked
    part.lru = folio.lru
    part.locked_by = current
    current.held.append(part)
    return part
