"""A CPU's access through a mapping, and the page fault it takes (``mm/memory.c``, shmem_fault())."""

from __future__ import annotations

from pagecache.cow import alloc_anon_folio, anon_vma_prepare, wp_page_copy
from pagecache.fault_around import do_fault_around, should_fault_around
from pagecache.finish_fault import finish_cow_fault
from pagecache.folio import (
    Folio,
    copy_mc_highpage,
    folio_get,
    folio_lock,
    folio_put,
    folio_unlock,
    unlock_and_put,
)
from pagecache.huge_pmd import pmd_migration_entry_wait, split_huge_pmd
from pagecache.inode import Inode
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import Vma, find_vma, looked_at_by_a_fault, migration_entry_wait, pte_clear, pte_under_lock
from pagecache.pte import MARKER_UFFD_WP, ZERO_PAGE, Pte, pte_target, translate
from pagecache.regular.read import filemap_fault
from pagecache.shmem import SGP_CACHE, Vmf
from pagecache.step import UseAfterFree, Wait, step
from pagecache.touched import PMDS

__all__ = ["access", "handle_mm_fault", "shmem_fault"]


async def access(vma: Vma, index: int, store: str | None, *, waits: bool) -> str:
    """One load or store by user space at the address where ``vma`` maps ``index``.

    The CPU uses what its TLB holds; without an entry it walks the page table; without a mapping it
    faults and tries the instruction again.  To load from memory that has failed is a machine check.

    Args:
        vma: the mapping.
        index: the page of the file.
        store: the content to store; ``None`` for a load.
        waits: whether the thread sleeps for as long as a userfaultfd has its fault.

    Returns:
        The content (after the access), ``"SIGBUS"``, ``"SIGSEGV"``, or EVENT if ``waits`` is false.
    """
    if not vma.maps(index):
        await step("exc_page_fault", vma, index)
        return "SIGSEGV"
    call, stores = ("load", False) if store is None else ("store", True)
    makes_dirty = [(("pmd", vma.number), True)] if stores and vma.huge else ()
    while True:
        # Load or store, translation included: a TLB entry may outlive the page table's.
        await step(call, vma, index, target=pte_target(index), writes=stores, also=makes_dirty)
        folio = translate(vma, index, write=stores)
        if folio is not None:
            if store is not None:
                folio.set_page_at(index, store)
            elif folio.poisoned:
                return "SIGBUS"  # a machine check: do_machine_check(), kill_me_maybe()
            return folio.page_at(index)
        await down_read(vma.mm.mmap_lock, also=looked_at_by_a_fault(vma, index))
        found = find_vma(vma)
        if found is None or (stores and not vma.vm_write):
            await up_read(vma.mm.mmap_lock)
            return "SIGSEGV"
        vmf = Vmf(vma, index, waits=waits, write=stores)
        error = await handle_mm_fault(vmf)
        if vmf.fault_type:
            # The mmap_lock has been released.
            if vmf.fault_type != "VM_FAULT_RETRY":
                return vmf.fault_type
            continue
        await up_read(vma.mm.mmap_lock)
        if error:
            return "SIGBUS"


async def handle_mm_fault(vmf: Vmf) -> str:
    """``handle_mm_fault()``: do_read_fault(), do_shared_fault(), do_cow_fault(), do_wp_page(), migration entries.

    Returns:
        An error (empty if there is none); look at ``vmf.fault_type`` first.
    """
    vma, index = vmf.vma, vmf.index
    huge = vma.table(index).huge
    if huge is not None:
        handled = await _handle_huge_pmd_fault(vmf, huge)
        if handled:
            return ""
    if vma.migrating(index) is not None:
        await migration_entry_wait(vma, index)  # do_swap_page()
        return ""
    orig_pte = vma.ptes.get(index)
    if orig_pte is not None and orig_pte.folio is not None and vmf.write and not orig_pte.write:
        return await do_wp_page(vmf, orig_pte)
    if not vma.pte_none_mostly(index):
        return ""  # handle_pte_fault(): somebody has mapped it meanwhile, so there is nothing to do
    if orig_pte is not None and not vma.uffd_wp:
        await _pte_marker_clear(vma, index)
        return ""
    if not vmf.write and should_fault_around(vma):
        error, mapped = await do_fault_around(vmf)
        if error or mapped:
            return error
    if vmf.write and vma.private:
        return await do_cow_fault(vmf, orig_pte)
    error, folio = await _do_fault(vmf)
    if error or folio is None:
        return error
    if vmf.write and vma.mapping.regular is not None:
        # do_shared_fault(): only the file system locks the folio again, and says whether it is still the right one.
        await folio_unlock(folio)
        locked = await vma.mapping.kernel.page_mkwrite(vma.mapping, folio, index)
        if not locked:
            await folio_put(folio)
            return ""
    return await vma.mapping.kernel.finish_fault(vmf, folio, orig_pte)  # type: ignore[no-any-return]


async def _do_fault(vmf: Vmf) -> tuple[str, Folio | None]:
    """``__do_fault()``: the page from the file, locked, with a reference; none if the fault is to be taken again."""
    mapping = vmf.vma.mapping
    fault = mapping.kernel.shmem_fault if mapping.regular is None else filemap_fault  # vm_ops->fault
    error, folio = await fault(vmf)
    if error or folio is None:
        return error, None
    if folio.poisoned:
        # VM_FAULT_HWPOISON.  (A clean page would be dropped and read again.)
        await unlock_and_put(folio)
        return "EHWPOISON", None
    return "", folio


async def do_cow_fault(vmf: Vmf, orig_pte: Pte | None) -> str:
    """``do_cow_fault()``: a store through a private mapping where nothing is mapped: map a copy of the file's page.

    A hole is filled on the way, and the file's page stays locked until the copy is mapped, so that a truncate that has
    looked here already looks once more ("unmap again to remove racily COWed private pages", shmem_setattr()).
    """
    vma, index = vmf.vma, vmf.index
    error = await anon_vma_prepare(vma)
    if error:
        return error
    copy = await alloc_anon_folio(vma, index)
    if copy is None:
        return "ENOMEM"
    error, folio = await _do_fault(vmf)
    if folio is None:
        await folio_put(copy)
        return error
    copied = await copy_mc_highpage(copy, 0, folio, index, also=[(PMDS, False)])  # pte_alloc() comes next
    error = "" if copied else "EHWPOISON"
    mapped = False
    if copied:
        copy.uptodate = True
        error, mapped = await finish_cow_fault(vmf, copy, orig_pte)
    await unlock_and_put(folio)
    if not mapped:
        await folio_put(copy)
    return error


async def _handle_huge_pmd_fault(vmf: Vmf, orig_pmd: Pte) -> bool:
    """The part of ``__handle_mm_fault()`` for a PMD that is huge: wait for its migration, or make it writable.

    Returns:
        False if the PMD had to be cleared first: go on with a page-table entry (VM_FAULT_FALLBACK).
    """
    if orig_pmd.migrating is not None:
        await pmd_migration_entry_wait(vmf.vma, vmf.index)
        return True
    if vmf.write and not orig_pmd.write:
        # wp_huge_pmd(): "COW or write-notify handled on pte level: split pmd".
        await split_huge_pmd(vmf.vma, vmf.index)
        return False
    return True  # huge_pmd_set_accessed(): somebody else has mapped it meanwhile


async def do_wp_page(vmf: Vmf, orig_pte: Pte) -> str:
    """``do_wp_page()``: ask the userfaultfd, make the entry writable, or copy the page (wp_page_copy()).

    shmem has no page_mkwrite(); a file system that has one is asked first (wp_page_shared()).

    Returns:
        An error, empty if there is none; look at ``vmf.fault_type`` first.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    await spin_lock(table.ptl)
    folio = orig_pte.folio
    if not table.present or vma.ptes.get(index) != orig_pte or folio is None:
        await spin_unlock(table.ptl)
        return ""
    if orig_pte.uffd_wp and vma.uffd_wp:
        await spin_unlock(table.ptl)
        vmf.reason = "wp"
        await vma.mapping.kernel.handle_userfault(vmf)
        return ""
    if orig_pte.kind == ZERO_PAGE:
        await spin_unlock(table.ptl)
        return await wp_page_copy(vmf, None, orig_pte)
    if folio.anon:
        await _wp_page_reuse(vma, index)
        await spin_unlock(table.ptl)
        return ""
    await folio_get(folio)
    if vma.private:
        await spin_unlock(table.ptl)
        return await wp_page_copy(vmf, folio, orig_pte)
    if vma.mapping.regular is not None:
        await spin_unlock(table.ptl)
        await _finish_mkwrite_fault(vmf, folio, orig_pte)
        return ""
    await _wp_page_reuse(vma, index)
    await spin_unlock(table.ptl)
    await folio_lock(folio)
    folio.dirty = True  # fault_dirty_shared_page()
    await unlock_and_put(folio)
    return ""


async def _wp_page_reuse(vma: Vma, index: int) -> None:
    """``wp_page_reuse()``: the entry becomes writable, under the page-table lock."""
    await step("ptep_set_access_flags", vma, index, target=pte_target(index), writes=True)
    vma.ptes[index] = pte_under_lock(vma, index)._replace(write=True, dirty=True, uffd_wp=False)


async def _finish_mkwrite_fault(vmf: Vmf, folio: Folio, orig_pte: Pte) -> None:
    """``finish_mkwrite_fault()``, after do_page_mkwrite(): is it still the entry that was to become writable?

    The folio stays locked until the entry is writable, so that no write-back comes between; takes its reference.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    locked = await vma.mapping.kernel.page_mkwrite(vma.mapping, folio, index)
    if locked:
        await spin_lock(table.ptl)
        if table.present and vma.ptes.get(index) == orig_pte:
            await step("ptep_set_access_flags", vma, index, target=pte_target(index), writes=True)
            vma.ptes[index] = orig_pte._replace(write=True, dirty=True)
        await spin_unlock(table.ptl)
        await folio_unlock(folio)
    await folio_put(folio)


async def _pte_marker_clear(vma: Vma, index: int) -> None:
    """``pte_marker_clear()``: a marker of a registration that is over; the fault is taken again."""
    table = vma.table(index)
    await spin_lock(table.ptl)
    entry = vma.ptes.get(index)
    if entry is not None and entry.kind == MARKER_UFFD_WP:
        await pte_clear(vma, index)
    await spin_unlock(table.ptl)


async def shmem_fault(vmf: Vmf) -> tuple[str, object]:
    """``shmem_fault()``: wait while the range is being punched, then find or allocate the page, locked."""
    inode = vmf.vma.mapping.host
    await step("i_private", target=("i_private", 0))
    if inode.i_private is not None:
        waited = await _shmem_falloc_wait(inode, vmf)
        if waited:
            return "", None
    error, folio = await vmf.vma.mapping.kernel.shmem_get_folio(inode, vmf.index, SGP_CACHE, vmf)
    return error, folio


async def _shmem_falloc_wait(inode: Inode, vmf: Vmf) -> bool:
    """``shmem_falloc_wait()``: sleep until the hole punch that covers the page is over.

    "Trinity finds that probing a hole which tmpfs is punching can prevent the hole-punch from ever
    completing."  The queue's head is on the puncher's stack: it is used under ``i_lock`` only,
    and only as long as ``i_private`` points to it or we are still queued.

    Returns:
        Whether it waited; the mmap_lock has then been released.
    """
    current = await spin_lock(inode.i_lock)
    falloc = inode.i_private
    if falloc is None or falloc.waitq is None or not falloc.start <= vmf.index < falloc.next:
        await spin_unlock(inode.i_lock)
        return False
    waitq = falloc.waitq
    # maybe_unlock_mmap_for_io(): nobody must wait for the puncher with the mmap_lock held.
    await up_read(vmf.vma.mm.mmap_lock)
    if not waitq.alive:
        raise UseAfterFree("shmem_falloc_wait() queues on a wait queue whose puncher has returned")
    waitq.waiters.append(current)
    await spin_unlock(inode.i_lock)
    await step(
        "schedule",
        target=("i_private", 0),
        ready=lambda: current not in waitq.waiters,
        waits_for=lambda: Wait("the hole punch of its page", (waitq.owner,)),
        sleeps=True,
    )
    # finish_wait() under i_lock, lest it race with wake_up_all(): we are off the queue, so the head,
    # gone by now, is not dereferenced.
    await spin_lock(inode.i_lock)
    await spin_unlock(inode.i_lock)
    vmf.fault_type = "VM_FAULT_RETRY"
    return True
