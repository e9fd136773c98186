"""userfaultfd: registration, delivery of events, and filling pages (``fs/userfaultfd.c``, ``mm/userfaultfd.c``).

A registration covers a whole VMA and has one of three modes: MISSING, MINOR (the page is in the page cache, but not
mapped) and WP (write protection, see :mod:`pagecache.mprotect`).  UFFDIO_CONTINUE is in
:mod:`pagecache.mfill_continue`, and how private mappings are filled in :mod:`pagecache.mfill_private`.  Left out:
several modes at once, WP_ASYNC, UFFDIO_POISON, UFFDIO_MOVE, non-cooperative events.
"""

from __future__ import annotations

from typing import Final

from pagecache.cow import anon_vma_prepare
from pagecache.filemap import filemap_remove_folio
from pagecache.folio import ZERO, Folio, __folio_set_locked, folio_add_lru, folio_put, folio_unlock, unlock_and_put
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, down_write, spin_lock, spin_unlock, up_read, up_write
from pagecache.mm import Vma, find_vma, flush_tlb_page, pmd_install, pte_changed, userfaultfd_missing
from pagecache.pte import Pte, pte_target
from pagecache.shmem import Vmf, alloc_folio, shmem_add_to_page_cache
from pagecache.step import UseAfterFree, Wait, step

__all__ = [
    "EVENT",
    "any_vma_missing",
    "handle_userfault",
    "mfill_atomic",
    "mfill_atomic_install_pte",
    "mfill_establish_pmd",
    "shmem_mfill_atomic_pte",
    "userfaultfd_clear_vma",
    "userfaultfd_register",
    "userfaultfd_unregister",
    "wake_userfault",
]

EVENT: Final = "UFFD_EVENT_PAGEFAULT"
"""The result of a Touch() whose fault was reported to the userfaultfd."""


def _uffd(vma: Vma) -> tuple[str, int]:
    return ("userfaultfd", vma.number)


async def handle_userfault(vmf: Vmf) -> None:
    """``handle_userfault()``: report the fault, let go of the mmap_lock, sleep until it is resolved.

    The order matters:

     1. The fault joins the queue.
     2. userfaultfd_must_wait() looks at the page table once more.
     3. Only then does the thread sleep.

    Whoever fills the page after 2 finds the fault in the queue and wakes it.  Afterwards the fault
    is simply tried again.
    """
    vma, index = vmf.vma, vmf.index
    current = await step("handle_userfault", vma, index, target=_uffd(vma), writes=True)
    waiter = (current, index)
    vma.uffd_waiters.append(waiter)
    await step("userfaultfd_must_wait", vma, index, target=pte_target(index))
    must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
    await up_read(vma.mm.mmap_lock)
    vmf.fault_type = "VM_FAULT_RETRY"
    if must_wait and not vmf.waits:
        # The thread is asleep for good as far as the program goes: it ends here.
        vmf.fault_type = EVENT
    elif must_wait:
        await step(
            "schedule",
            target=_uffd(vma),
            ready=lambda: waiter not in vma.uffd_waiters,
            waits_for=lambda: Wait(f"user space to fill index {index} of {vma}", user=True),
            sleeps=True,
        )
    if waiter in vma.uffd_waiters:
        vma.uffd_waiters.remove(waiter)


async def any_vma_missing(mapping: AddressSpace, first: int, last: int) -> bool:
    """``vma_interval_tree_foreach(vma, &mapping->i_mmap, first, last)`` asking for userfaultfd_missing().

    Under ``i_mmap_rwsem``, which keeps the VMAs in place but not their flags: REGISTER may come between two
    looks.  ``last`` is inclusive, as in the interval tree.
    """
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        if vma.start > last or vma.end <= first:
            continue
        await step("userfaultfd_missing", vma, target=("vm_flags", vma.number))
        missing = userfaultfd_missing(vma)
        if vma not in mapping.i_mmap:
            raise UseAfterFree(f"vma_interval_tree_foreach() stands at {vma}, which has left the tree: no i_mmap_rwsem")
        if missing:
            return True
    return False


async def wake_userfault(vma: Vma, index: int | None) -> None:
    """``wake_userfault()``: wake the faults at ``index``, or all of them."""
    await step("wake_userfault", vma, target=_uffd(vma), writes=True)
    vma.uffd_waiters[:] = [waiter for waiter in vma.uffd_waiters if index is not None and waiter[1] != index]


async def userfaultfd_register(vma: Vma, mode: str = "missing") -> int | str:
    """``userfaultfd_register()``: set VM_UFFD_MISSING, VM_UFFD_MINOR or VM_UFFD_WP under the mmap_lock.

    The mode replaces that of an earlier registration.  It takes neither ``i_rwsem`` nor the ``xa_lock`` nor any folio
    lock, and looks at no page.
    """
    await down_write(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None:
        await up_write(vma.mm.mmap_lock)
        return "EINVAL"
    await step("vm_flags_set", vma, f"VM_UFFD_{mode.upper()}", target=("vm_flags", vma.number), writes=True)
    vma.uffd_missing, vma.uffd_minor, vma.uffd_wp = mode == "missing", mode == "minor", mode == "wp"
    await up_write(vma.mm.mmap_lock)
    return 0


async def userfaultfd_unregister(vma: Vma) -> int | str:
    """``userfaultfd_unregister()``: wake who waits for a missing page, lift the write protection, clear the flags.

    Faults of the other modes are left asleep, until somebody calls UFFDIO_WAKE or closes the userfaultfd; neither is
    modelled.
    """
    await down_write(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None:
        await up_write(vma.mm.mmap_lock)
        return "EINVAL"
    if vma.uffd_missing:
        # "Wake any concurrent pending userfault while we unregister."
        await wake_userfault(vma, None)
    await userfaultfd_clear_vma(vma)
    await up_write(vma.mm.mmap_lock)
    return 0


async def userfaultfd_clear_vma(vma: Vma) -> None:
    """``userfaultfd_clear_vma()``: lift the write protection and clear the flags, with the mmap_lock."""
    if vma.uffd_wp:
        for index in range(vma.start, vma.end):
            await vma.mapping.kernel.uffd_wp_range(vma, index, protect=False)
    cleared = "MINOR" if vma.uffd_minor else "WP" if vma.uffd_wp else "MISSING"
    await step("vm_flags_clear", vma, f"VM_UFFD_{cleared}", target=("vm_flags", vma.number), writes=True)
    vma.uffd_missing = vma.uffd_minor = vma.uffd_wp = False


async def mfill_atomic(vma: Vma, index: int, content: str) -> int | str:
    """``mfill_atomic()`` of one page, then the wake-up that UFFDIO_COPY and UFFDIO_ZEROPAGE end with.

    Args:
        vma: the mapping; it must be registered.
        index: the page of the file.
        content: what user space fills in; ZERO for UFFDIO_ZEROPAGE.
    """
    mmap_lock = vma.mm.mmap_lock
    kernel = vma.mapping.kernel
    copied: Folio | None = None
    while True:
        await down_read(mmap_lock)
        found = find_vma(vma)
        error = "ENOENT"  # find_dst_vma(): only a VMA with a userfaultfd context will do
        if found is not None and vma.uffd_registered and vma.maps(index):
            error = await anon_vma_prepare(vma)
            if not error:
                error = await kernel.mfill_establish_pmd(vma, index)
        if error:
            await up_read(mmap_lock)
            if copied is not None:
                await folio_put(copied)
            return error
        if not vma.private:
            error, copied = await kernel.shmem_mfill_atomic_pte(vma, index, content, copied)
        elif content == ZERO:
            error = await kernel.mfill_atomic_pte_zeropage(vma, index)
        else:
            error, copied = await kernel.mfill_atomic_pte_copy(vma, index, content, copied)
        await up_read(mmap_lock)
        if error != "ENOENT":
            break
        assert copied is not None
        # The source was not in memory: copy again, outside of the mmap_lock, where faults may be served.
        current = await step("copy_from_user", index, sleeps=True, fails="EFAULT")
        if current.failing:
            await folio_put(copied)
            return "EFAULT"
        copied.pages[0] = content
    if error:
        return error  # type: ignore[no-any-return]
    await wake_userfault(vma, index)
    return 0


async def mfill_establish_pmd(vma: Vma, index: int) -> str:
    """``mfill_establish_pmd()``: see to it that there is a page table; EEXIST if a PMD maps a huge page.

    The same of a PMD that "used to be THP and changed back to none": khugepaged may take page tables of shmem away at
    any time since 6.6 (retract_page_tables()), and whoever maps the page has to look again.
    """
    table = vma.table(index)
    await step("pmdp_get_lockless", vma, index, target=("pmd", vma.number))
    if table.none:
        current = await pmd_install(vma, index, fails="ENOMEM")
        if current.failing:
            return "ENOMEM"
    await step("pmdp_get_lockless", vma, index, target=("pmd", vma.number))
    return "" if table.present else "EEXIST"


async def shmem_mfill_atomic_pte(vma: Vma, index: int, content: str, copied: Folio | None) -> tuple[str, Folio | None]:
    """``shmem_mfill_atomic_pte()``: insert a fresh page over a hole and map it.

    Anything in the slot, even a placeholder or a RETRY entry, is EEXIST: it neither locks nor waits for
    what is there.

    Args:
        vma: the registered mapping.
        index: the page of the file.
        content: what to fill in.
        copied: the page of an earlier attempt, filled outside of the mmap_lock.

    Returns:
        An error (empty if there is none), and for ``"ENOENT"`` the page to be filled by the caller.
    """
    mapping = vma.mapping
    inode = mapping.host
    folio = copied
    current = await step("shmem_inode_acct_blocks", fails="ENOSPC")
    if current.failing:
        # The page of an earlier attempt is ours to free (7ed9d238c7db).
        if folio is not None:
            await folio_put(folio)
        return "ENOMEM", None
    if folio is None:
        folio = await alloc_folio(mapping.memory, 0)
        if folio is None:
            return "ENOMEM", None
        if content == ZERO:
            folio.pages[0] = ZERO
        else:
            # Page faults are disabled: with the mmap_lock held, serving one could deadlock.
            current = await step("copy_from_user", index, fails="EFAULT")
            if current.failing:
                return "ENOENT", folio
            folio.pages[0] = content
    await __folio_set_locked(folio)
    folio.swapbacked = True
    folio.uptodate = True
    folio.dirty = True
    size = await i_size_read(inode)
    if index >= size:
        await unlock_and_put(folio)
        return "EFAULT", None
    error = await shmem_add_to_page_cache(folio, mapping, index)
    if error:
        await unlock_and_put(folio)
        return error, None
    error = await mfill_atomic_install_pte(vma, index, folio)
    if error:
        await filemap_remove_folio(mapping, folio)
        await unlock_and_put(folio)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 1, 0)
    await folio_unlock(folio)
    return "", None


async def mfill_atomic_install_pte(
    vma: Vma, index: int, folio: Folio, *, newly_allocated: bool = True, flush_batched: bool = False
) -> str:
    """``mfill_atomic_install_pte()``: map the page, unless the file has shrunk or something is mapped.

    EAGAIN if there is no page table any more: khugepaged has taken it away, or a PMD maps the range by now.

    Args:
        vma: the registered mapping.
        index: the page of the file.
        folio: its page; the caller's reference becomes the mapping's.
        newly_allocated: is it on no LRU list yet?
        flush_batched: flush_tlb_batched_pending(), see :mod:`pagecache.mended.mfill`.
    """
    table = vma.table(index)
    await spin_lock(table.ptl)
    if not table.present:  # pte_offset_map_lock()
        await spin_unlock(table.ptl)
        return "EAGAIN"
    # Serialize against truncate with the page-table lock.
    size = await i_size_read(vma.mapping.host, also=[(pte_target(index), True)])
    if index >= size:
        await spin_unlock(table.ptl)
        return "EFAULT"
    if not vma.pte_none_mostly(index):
        await spin_unlock(table.ptl)
        return "EEXIST"
    if flush_batched and index in vma.tlb:
        await flush_tlb_page(vma, index)
    if folio.anon:
        await folio_add_lru(folio)  # folio_add_lru_vma()
    await step("set_pte_at", vma, index, folio, target=pte_target(index), writes=True, also=pte_changed(folio))
    # Dirty, lest reclaim drop a page of a mapping that nobody writes to (dcf7fe9d8976).
    write = folio.anon or not vma.private
    vma.ptes[index] = Pte(folio, write, dirty=True)
    folio.mapcount += 1
    await spin_unlock(table.ptl)
    if newly_allocated and not folio.anon:
        await folio_add_lru(folio)
    return ""
