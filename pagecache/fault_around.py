"""Fault-around: a read fault maps what the page cache has around its page (``mm/memory.c``, ``mm/filemap.c``).

It never sleeps and never waits: a folio that is locked, frozen, not uptodate or about to go is skipped, and the fault
goes on with shmem_fault() or filemap_fault() if its own page was among them.  What keeps a folio from being truncated
between the looks and the page-table entry is its lock; the entries are set under one hold of the page-table lock.

In Linux ``fault_around_bytes`` (debugfs) is one setting for all, and 64 KiB; here a mapping has it or not
(:attr:`pagecache.mm.Vma.around`), and where it has, all that one page table maps is around.

Leaves out: ``mmap_miss`` and the readahead flag, the accessed bit.
"""

from __future__ import annotations

from pagecache.folio import (
    Folio,
    folio_put,
    folio_test_locked,
    folio_test_uptodate,
    folio_try_get,
    folio_trylock,
    folio_unlock,
    unlock_and_put,
    vm_bug_on_folio,
)
from pagecache.huge_pmd import do_set_pmd
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import rcu_read_lock, rcu_read_unlock, spin_lock, spin_unlock
from pagecache.mm import PageTable, Vma, pmd_install, pte_changed
from pagecache.pte import Pte, pte_target
from pagecache.shmem import Vmf
from pagecache.step import step
from pagecache.truncate import INFINITY
from pagecache.xarray import Entry, XaState, xa_is_retry, xas_next_entry, xas_reload, xas_retry

__all__ = [
    "do_fault_around",
    "filemap_map_folio_range",
    "filemap_map_pages",
    "filemap_map_pmd",
    "lock_page_table",
    "next_uptodate_folio",
    "should_fault_around",
]


def should_fault_around(vma: Vma) -> bool:
    """``should_fault_around()``: not where a userfaultfd wants to see each fault (uffd_disable_fault_around())."""
    return vma.around and not (vma.uffd_wp or vma.uffd_minor)


async def do_fault_around(vmf: Vmf) -> tuple[str, bool]:
    """``do_fault_around()`` of a read fault, under the mmap_lock.

    Returns:
        An error, empty if there is none; and whether the page of the fault is mapped now (VM_FAULT_NOPAGE).
    """
    vma = vmf.vma
    around = vma.pmd_range(vmf.index)
    prealloc = vma.table(vmf.index).none
    if prealloc:
        current = await step("pte_alloc_one", vma, vmf.index, sleeps=True, fails="ENOMEM")
        if current.failing:
            return "ENOMEM", False
    await rcu_read_lock()
    start, last = max(around.start, vma.start), min(around.stop, vma.end) - 1
    mapped = await vma.mapping.kernel.filemap_map_pages(vmf, start, last, prealloc=prealloc)
    await rcu_read_unlock()
    return "", mapped


async def filemap_map_pages(vmf: Vmf, start: int, last: int, *, prealloc: bool) -> bool:
    """``filemap_map_pages()`` of 7.0: map what is there from ``start`` to ``last`` and can be locked at once.

    No PMD across ``i_size``, "to preserve SIGBUS semantics", but for shmem (74207de2ba10); nor one that ends with the
    file, which finish_fault() would set.  Without a look at the PMD no page table is installed, and nothing is mapped.

    Args:
        vmf: the fault.
        start: the first index.
        last: the last index.
        prealloc: is there memory for a page table?

    Returns:
        Whether the page of the fault is mapped now.
    """
    mapping = vmf.vma.mapping
    # Before the first folio is locked, lest it be behind the end (f58df566524e).  Where the file is empty, "one less"
    # is ULONG_MAX.
    size = await i_size_read(mapping.host)
    file_end = size - 1 if size else INFINITY
    last = min(last, file_end)
    xas = XaState(mapping.i_pages, start)
    folio = await next_uptodate_folio(xas, mapping, last)
    if folio is None:
        return False
    if mapping.regular is None or file_end >= folio.next_index:
        mapped = await filemap_map_pmd(vmf, folio, prealloc=prealloc)
        if mapped:
            return True
    table = await lock_page_table(vmf, folio)
    if table is None:
        return False
    found = False
    while folio is not None:
        behind = min(folio.next_index - 1, last) + 1
        mapped = await filemap_map_folio_range(vmf, folio, xas.index, behind, file_end)
        found |= mapped
        await folio_unlock(folio)
        folio = await next_uptodate_folio(xas, mapping, last)
    await spin_unlock(table.ptl)
    return found


async def lock_page_table(vmf: Vmf, folio: Folio) -> PageTable | None:
    """``pte_offset_map_lock()``; where it fails the folio is let go of.

    The table may have gone away meanwhile, or a huge page be mapped by now.
    """
    table = vmf.vma.table(vmf.index)
    await spin_lock(table.ptl)
    if table.present:
        return table
    await spin_unlock(table.ptl)
    await unlock_and_put(folio)
    return None


async def next_uptodate_folio(xas: XaState, mapping: AddressSpace, last: int) -> Folio | None:
    """``next_uptodate_folio()``: the next folio up to ``last`` that can be mapped, locked and referenced.

    1. A reference, unless there is none to get: a frozen folio is skipped, not waited for.
    2. Not locked, still in its slot, uptodate; then the lock, if it is free.
    3. Once locked it is looked at again: still in the file, uptodate, and its index below ``i_size``.
    """
    entry: Entry = await xas_next_entry(xas, last)
    while entry is not None:
        if xa_is_retry(entry):
            await xas_retry(xas)
            entry = await xas_next_entry(xas, last)
            continue
        if isinstance(entry, Folio):
            got = await folio_try_get(entry)
            if got:
                usable = await _lock_uptodate_folio(xas, mapping, entry)
                if usable:
                    return entry
        entry = await xas_next_entry(xas, last)
    return None


async def _lock_uptodate_folio(xas: XaState, mapping: AddressSpace, folio: Folio) -> bool:
    """The looks at a folio with a reference, before and after folio_trylock(); false with the reference put."""
    usable = await _look_and_trylock(xas, folio)
    if usable:
        if folio.mapping is mapping and folio.uptodate:
            size = await i_size_read(mapping.host)
            if xas.index < size:
                return True
        await folio_unlock(folio)
    await folio_put(folio)
    return False


async def _look_and_trylock(xas: XaState, folio: Folio) -> bool:
    locked = await folio_test_locked(folio)
    if locked:
        return False
    entry = await xas_reload(xas)
    if entry is not folio:
        return False  # "Has the page moved or been split?"
    uptodate = await folio_test_uptodate(folio)
    if not uptodate:
        return False
    return await folio_trylock(folio)


async def filemap_map_pmd(vmf: Vmf, folio: Folio, *, prealloc: bool) -> bool:
    """``filemap_map_pmd()``: map the locked huge page by a PMD, or make sure that there is a page table.

    Returns:
        True if a huge page is mapped, by us or by somebody else; the folio is unlocked then.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    await step("pmd_trans_huge", vma, index, target=("pmd", vma.number))
    if table.huge is not None:
        await unlock_and_put(folio)
        return True
    if table.none:
        mapped = await do_set_pmd(vma, index, folio, write=False)
        if mapped:
            await folio_unlock(folio)
            return True
    if table.none and prealloc:
        await pmd_install(vma, index, call="pmd_install", sleeps=False)
    return False


async def filemap_map_folio_range(vmf: Vmf, folio: Folio, start: int, behind: int, file_end: int) -> bool:
    """``filemap_map_folio_range()``, filemap_map_order0_folio(): map its pages where nothing is, not even a marker.

    All of a large folio where possible (357b92761d94): where the mapping has all of it, and it does not reach across
    the end of the file, but for shmem (7c9580f44f90); what is behind ``start`` or in front of ``behind`` otherwise.

    The first one takes over the caller's reference; if none does, it is put: "locked folios cannot get truncated".
    The kernel raises the count behind the entries, under the same locks.

    Args:
        vmf: the fault.
        folio: locked.
        start: the first index.
        behind: the index behind the last one.
        file_end: the last index of the file.

    Returns:
        Whether the page of the fault is among them.
    """
    vma = vmf.vma
    if folio.order == 0:
        behind = start + 1  # filemap_map_order0_folio() is not told how far
    elif (
        (vma.mapping.regular is None or file_end >= folio.next_index)
        and vma.start <= folio.index
        and folio.next_index <= vma.end
    ):
        start, behind = folio.index, folio.next_index
    mapped: list[int] = []
    for index in range(start, behind):
        if folio.poisoned or index in vma.ptes:
            continue
        # folio_add_file_rmap_ptes(): VM_WARN_ON_FOLIO(page_folio(page + nr_pages - 1) != folio).
        vm_bug_on_folio(index >= folio.next_index, folio, f"mapped at {index}, of which it has no page")
        await step("set_pte_at", vma, index, folio, target=pte_target(index), writes=True, also=pte_changed(folio))
        vma.ptes[index] = Pte(folio, write=not vma.wants_writenotify)
        folio.refcount += bool(mapped)
        folio.mapcount += 1
        mapped.append(index)
    if not mapped:
        await folio_put(folio)
    return vmf.index in mapped
