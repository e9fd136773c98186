"""The end of a page fault: map what it has found (``mm/memory.c``).

Since 6.18 that is all of a large folio if it can be (19773df031bc), by a PMD or by a page-table entry for each of its
pages: if all of it is in the mapping and in one page table, no userfaultfd wants to see each fault, and it does not
reach across ``i_size``, "to preserve SIGBUS semantics", but for shmem (74207de2ba10).  Where one of its pages is mapped
already, or has a marker, only the page of the fault is (34b82f33cf3f).
"""

from __future__ import annotations

from pagecache.folio import Folio, folio_add_lru, folio_put, folio_unlock, unlock_and_put
from pagecache.huge_pmd import do_set_pmd
from pagecache.inode import i_size_read
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, pmd_install, pte_changed
from pagecache.pte import Pte, pte_target
from pagecache.shmem import Vmf
from pagecache.step import step

__all__ = ["finish_cow_fault", "finish_fault", "finish_fault_6_18", "map_by_pmd", "pte_alloc", "set_pte_range"]


async def finish_fault(vmf: Vmf, folio: Folio, orig_pte: Pte | None) -> str:
    """``finish_fault()``: map the locked ``folio``, by a PMD if it can be, and let go of its lock.

    "Do not allow to map with PMD across i_size to preserve SIGBUS semantics", but "make an exception for shmem/tmpfs"
    (74207de2ba10).

    Args:
        vmf: the fault.
        folio: locked, with a reference, which becomes the mapping's.
        orig_pte: what stood there when the fault began.

    Returns:
        An error, empty if there is none.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    if vma.huge and table.none:
        needs_fallback = False
        if vma.mapping.regular is not None:
            size = await i_size_read(vma.mapping.host)
            needs_fallback = size < folio.next_index
        if not needs_fallback:
            mapped = await map_by_pmd(vmf, folio)
            if mapped:
                return ""
    error = await pte_alloc(vma, index)
    if error:
        await unlock_and_put(folio)
        return error
    await spin_lock(table.ptl)
    # pte_offset_map_lock() fails if the table was retracted meanwhile: the fault is taken again.
    mapped = table.present and vma.ptes.get(index) == orig_pte
    if mapped:
        await set_pte_range(vmf, folio, index, index + 1, orig_pte)
    await spin_unlock(table.ptl)
    folio.dirty |= vmf.write  # fault_dirty_shared_page()
    await folio_unlock(folio)
    if not mapped:
        await folio_put(folio)
    return ""


async def finish_fault_6_18(vmf: Vmf, folio: Folio, orig_pte: Pte | None) -> str:
    """``finish_fault()`` since 6.18: map all of the locked ``folio`` if it can be, and let go of its lock.

    Args:
        vmf: the fault.
        folio: locked, with a reference, which becomes the mapping's.
        orig_pte: what stood there when the fault began.

    Returns:
        An error, empty if there is none.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    needs_fallback = False
    if folio.order and vma.mapping.regular is not None:
        size = await i_size_read(vma.mapping.host)
        needs_fallback = size < folio.next_index
    if vma.huge and table.none and not needs_fallback:
        mapped = await map_by_pmd(vmf, folio)
        if mapped:
            return ""
    error = await pte_alloc(vma, index)
    if error:
        await unlock_and_put(folio)
        return error
    start, behind = index, index + 1
    whole = folio.order > 0 and not (needs_fallback or vma.uffd_registered)
    first = index >> folio.order << folio.order  # folio_file_page() goes by the last bits of the index
    if whole and vma.start <= first and first + folio.nr_pages <= vma.end:
        start, behind = first, first + folio.nr_pages
    await spin_lock(table.ptl)
    if behind - start > 1 and any(one in vma.ptes for one in range(start, behind)):
        # The kernel lets go of the lock and begins anew, to come here again.
        start, behind = index, index + 1
    # pte_offset_map_lock() fails if the table was retracted meanwhile: the fault is taken again.
    mapped = table.present and vma.ptes.get(index) == orig_pte
    if mapped:
        await set_pte_range(vmf, folio, start, behind, orig_pte)
    await spin_unlock(table.ptl)
    folio.dirty |= vmf.write  # fault_dirty_shared_page()
    await folio_unlock(folio)
    if not mapped:
        await folio_put(folio)
    return ""


async def finish_cow_fault(vmf: Vmf, copy: Folio, orig_pte: Pte | None) -> tuple[str, bool]:
    """``finish_fault()`` of do_cow_fault(): map the private copy of one page.

    Args:
        vmf: the fault.
        copy: nobody else knows it yet.
        orig_pte: what stood there when the fault began.

    Returns:
        An error, empty if there is none; and whether the copy is mapped now, which takes its reference.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    error = await pte_alloc(vma, index)
    if error:
        return error, False
    await spin_lock(table.ptl)
    mapped = table.present and vma.ptes.get(index) == orig_pte
    if mapped:
        await folio_add_lru(copy)
        await set_pte_range(vmf, copy, index, index + 1, orig_pte)
    await spin_unlock(table.ptl)
    return "", mapped


async def map_by_pmd(vmf: Vmf, folio: Folio) -> bool:
    """do_set_pmd() of a fault: is all of the locked ``folio`` mapped by a PMD?  Then it is unlocked."""
    mapped = await do_set_pmd(vmf.vma, vmf.index, folio, write=vmf.write)
    if mapped:
        folio.dirty |= vmf.write  # fault_dirty_shared_page()
        await folio_unlock(folio)
    return mapped


async def pte_alloc(vma: Vma, index: int) -> str:
    """``pte_alloc()``: a page table for ``index``, if there is none.  Returns an error, empty if there is none."""
    if not vma.table(index).none:
        return ""
    current = await pmd_install(vma, index, fails="ENOMEM")
    return "ENOMEM" if current.failing else ""


async def set_pte_range(vmf: Vmf, folio: Folio, start: int, behind: int, orig_pte: Pte | None) -> None:
    """``set_pte_range()``: map the pages from ``start`` to before ``behind``, under the page-table lock.

    The first one takes over the lookup's reference; the kernel raises the count before the entries, under the same
    locks.  A write fault makes all entries writable and dirty; but where a marker was (``orig_pte``) it is
    write-protected in any case.
    """
    vma = vmf.vma
    protect = orig_pte is not None
    write = not protect and (vmf.write or not vma.wants_writenotify)
    for index in range(start, behind):
        await step("set_pte_at", vma, index, folio, target=pte_target(index), writes=True, also=pte_changed(folio))
        vma.ptes[index] = Pte(folio, write, vmf.write, protect)
        folio.refcount += index != start
        folio.mapcount += 1
