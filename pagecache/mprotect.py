"""Write-protecting pages for a userfaultfd (``mm/mprotect.c``, mwriteprotect_range() in ``mm/userfaultfd.c``).

File memory may be unmapped behind user space's back, so the protection is kept in the page table even where nothing
is mapped: as a PTE_MARKER_UFFD_WP, which the next fault turns into a write-protected entry.
"""

from __future__ import annotations

from pagecache.huge_pmd import split_huge_pmd
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import Vma, find_vma, flush_tlb_page, pmd_install, pte_clear, pte_under_lock
from pagecache.pte import MARKER_UFFD_WP, ZERO_PAGE, Pte, pte_target
from pagecache.step import step
from pagecache.userfaultfd import wake_userfault

__all__ = ["mwriteprotect_range", "uffd_wp_range"]


async def mwriteprotect_range(vma: Vma, index: int, *, protect: bool) -> int | str:
    """UFFDIO_WRITEPROTECT of one page: ``mwriteprotect_range()``, then wake who waits if the protection is lifted.

    Returns:
        0; ENOENT if the VMA is not registered for WP events; ENOMEM without memory for the page table.
    """
    await down_read(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None or not vma.uffd_wp or not vma.maps(index):
        await up_read(vma.mm.mmap_lock)
        return "ENOENT"
    vma.mm.tlb_flush_pending += 1  # tlb_gather_mmu()
    error: str = await vma.mapping.kernel.uffd_wp_range(vma, index, protect=protect)
    vma.mm.tlb_flush_pending -= 1
    await up_read(vma.mm.mmap_lock)
    if error:
        return error
    if not protect:
        await wake_userfault(vma, index)
    return 0


async def uffd_wp_range(vma: Vma, index: int, *, protect: bool) -> str:
    """``uffd_wp_range()`` of one page: change_pmd_range(), change_pte_range(), and the TLB flush of the mmu_gather.

    To protect where there is no page table it makes one, to have a place for the marker.  If the table is
    retracted before its lock is taken, it starts again (EAGAIN).  A PMD that maps a huge page is cleared first.
    """
    table = vma.table(index)
    while True:
        await step("pmd_offset", vma, index, target=("pmd", vma.number))
        if table.huge is not None:
            # Protection is a matter of page-table entries: pgtable_split_needed().
            await split_huge_pmd(vma, index)
        if not table.present:
            if not protect:
                return ""
            current = await pmd_install(vma, index, fails="ENOMEM")
            if current.failing:
                return "ENOMEM"
        await spin_lock(table.ptl, also=[(pte_target(index), True)])  # it looks at the TLB
        if table.present:
            break
        await spin_unlock(table.ptl)
    if vma.mm.tlb_flush_batched and index in vma.tlb and vma.mapped(index) is None:
        # flush_tlb_batched_pending(): reclaim has emptied the entry, and the TLB still has it, perhaps for stores.
        await flush_tlb_page(vma, index)
    entry = vma.ptes.get(index)
    flush = False
    if entry is None:
        if protect:
            await step("set_pte_at", vma, index, MARKER_UFFD_WP, target=pte_target(index), writes=True)
            vma.ptes[index] = Pte(None, kind=MARKER_UFFD_WP)
    elif entry.folio is not None:
        await step("ptep_modify_prot_commit", vma, index, target=pte_target(index), writes=True)
        entry = pte_under_lock(vma, index)  # a store may have made it dirty: the old entry is taken out atomically
        vma.ptes[index] = entry._replace(write=not protect and _can_change_pte_writable(vma, entry), uffd_wp=protect)
        flush = protect
    elif entry.kind == MARKER_UFFD_WP and not protect:
        await pte_clear(vma, index)
    await spin_unlock(table.ptl)
    if flush:
        await flush_tlb_page(vma, index)
    return ""


def _can_change_pte_writable(vma: Vma, entry: Pte) -> bool:
    """``can_change_pte_writable()`` of MM_CP_TRY_CHANGE_WRITABLE: need nobody be told of the next store?

    Of a shared mapping: what is dirty needs no other notification.  Of a private one: what is a copy already.
    """
    if vma.private:
        return entry.folio is not None and entry.folio.anon and entry.kind != ZERO_PAGE
    return entry.dirty
