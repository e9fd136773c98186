"""get_user_pages(): pages that a driver holds and writes to without anybody's lock (``mm/gup.c``).

The fast way takes no lock at all.  With interrupts off, so that whoever frees page tables has to wait:

 1. load the PMD, load the page-table entry;
 2. get a reference, unless there is none;
 3. look at the entry and the PMD again: if either has changed, put the reference, and go the slow way.

Whoever unmaps a page and then counts its references (collapse, migration, reclaim) relies on 3: a reference that is
got after the count is put again, unused (70cbc3cc78a9, 2ba99c5e0881).

Only pins for writing (FOLL_WRITE): an entry that is not writable will not do, the fault that follows makes it so.
A pin is a reference like any other here; the kernel counts it GUP_PIN_COUNTING_BIAS times, so that it can be told from
others, which nothing in this model asks.  Left out: FOLL_LONGTERM, FOLL_NOWAIT, fatal signals.
"""

from __future__ import annotations

from pagecache.fault import handle_mm_fault
from pagecache.folio import Folio, folio_get, folio_lock, folio_put, folio_try_get, folio_unlock
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import Vma, find_vma, looked_at_by_a_fault
from pagecache.pte import Pte, pte_target
from pagecache.shmem import Vmf
from pagecache.step import UseAfterFree, step
from pagecache.touched import PMDS

__all__ = ["dma_write", "gup_fast", "pin_user_pages_fast", "set_page_dirty", "unpin_user_pages_dirty_lock"]


async def gup_fast(vma: Vma, index: int) -> Folio | None:
    """``gup_fast()`` (lockless_pages_from_mm() in older kernels): the page at ``index``, with a reference.

    Returns:
        ``None`` if nothing is mapped, or it changed meanwhile.

    Raises:
        UseAfterFree: if the page table was freed between two looks.
    """
    current = await step("local_irq_save", also=[(("gup_fast", 0), True)])
    current.atomic += 1
    vma.mm.gup_fast.append(current)
    folio = await _gup_fast_pte(vma, index)
    current = await step("local_irq_restore", target=("gup_fast", 0), writes=True)
    vma.mm.gup_fast.remove(current)
    current.leave_atomic()
    return folio


async def _gup_fast_pte(vma: Vma, index: int) -> Folio | None:
    """``gup_fast_pte_range()`` of one page, below gup_fast_pmd_range()."""
    # Whether the VMA is still there, is decided where munmap() lets go of the i_mmap_rwsem.
    unmapped = (("i_mmap_rwsem", 0), False)
    await step("pmdp_get_lockless", vma, index, target=("pmd", vma.number), also=[unmapped])
    table = vma.table(index)
    if vma.alive and table.huge is not None:
        return await _gup_fast_pmd_leaf(vma, index, table.huge)
    if not vma.alive or not table.present:
        return None
    generation = table.generation
    await step("ptep_get_lockless", vma, index, target=pte_target(index))
    if table.generation != generation:
        raise UseAfterFree(f"gup_fast() reads a page table of {vma} at index {index} that has been freed")
    entry = vma.ptes.get(index)
    if entry is None or entry.folio is None or not entry.write:
        return None
    got = await folio_try_get(entry.folio)
    if not got:
        return None
    await step("ptep_get", vma, index, target=pte_target(index))
    if table.generation != generation:
        raise UseAfterFree(f"gup_fast() reads a page table of {vma} at index {index} that has been freed")
    if vma.table(index) is table and table.present and vma.ptes.get(index) == entry:
        return entry.folio
    await folio_put(entry.folio)
    return None


async def _gup_fast_pmd_leaf(vma: Vma, index: int, orig: Pte) -> Folio | None:
    """``gup_fast_pmd_leaf()``: a page of what a PMD maps; the reference is one of the whole folio."""
    if orig.folio is None or not orig.write:
        return None
    got = await folio_try_get(orig.folio)
    if not got:
        return None
    await step("pmdp_get", vma, index, target=("pmd", vma.number))
    if vma.table(index).huge == orig:
        return orig.folio
    await folio_put(orig.folio)
    return None


async def pin_user_pages_fast(vma: Vma, index: int) -> Folio | None:
    """``pin_user_pages_fast(FOLL_WRITE)`` of one page: the fast way, else by faulting it in (__get_user_pages()).

    Returns:
        The folio with a reference; ``None`` for EFAULT: nothing is mapped there, or it cannot be.
    """
    if not vma.maps(index):
        return None
    folio: Folio | None = await vma.mapping.kernel.gup_fast(vma, index)
    if folio is not None:
        return folio
    while True:
        await down_read(vma.mm.mmap_lock, also=looked_at_by_a_fault(vma, index))
        found = find_vma(vma)
        if found is None or not vma.vm_write:
            await up_read(vma.mm.mmap_lock)
            return None
        folio = await _follow_pmd_mask(vma, index)
        if folio is not None:
            await up_read(vma.mm.mmap_lock)
            return folio
        vmf = Vmf(vma, index, waits=True, write=True)
        error = await handle_mm_fault(vmf)
        if vmf.fault_type:
            continue  # the mmap_lock has been released
        await up_read(vma.mm.mmap_lock)
        if error:
            return None


async def _follow_pmd_mask(vma: Vma, index: int) -> Folio | None:
    """``follow_pmd_mask()``: what is mapped, with a reference: follow_huge_pmd(), or follow_page_pte()."""
    table = vma.table(index)
    if table.huge is None:
        return await _follow_page_pte(vma, index)
    await spin_lock(vma.mm.pml, also=[*looked_at_by_a_fault(vma, index), (("pmd", vma.number), True)])
    huge = table.huge
    if huge is None:
        await spin_unlock(vma.mm.pml)
        return await _follow_page_pte(vma, index)
    folio = huge.folio if huge.write else None
    if folio is not None:
        table.huge = huge._replace(dirty=True)  # touch_pmd()
        await folio_get(folio, also=[(PMDS, True)])  # the lock is dropped behind it
    await spin_unlock(vma.mm.pml)
    return folio


async def _follow_page_pte(vma: Vma, index: int) -> Folio | None:
    """``follow_page_pte()``: what is mapped, with a reference, under the page-table lock."""
    table = vma.table(index)
    if not table.present:
        return None
    await spin_lock(table.ptl, also=looked_at_by_a_fault(vma, index))
    entry = vma.ptes.get(index) if table.present else None
    folio = entry.folio if entry is not None and entry.write else None
    if folio is not None:
        folio.dirty = True  # FOLL_TOUCH
        await folio_get(folio)
    await spin_unlock(table.ptl)
    return folio


async def dma_write(folio: Folio, index: int, content: str) -> None:
    """A device, or the driver's memcpy(), writes into the pinned page: no page table and no lock is involved.

    The page may have left the file by now: then nobody sees what is written.
    """
    await step("dma_write", folio, target=pte_target(index), writes=True)
    folio.set_page_at(index, content)


async def set_page_dirty(folio: Folio) -> None:
    """``set_page_dirty()`` by somebody who has a reference, but not the folio lock.

    What keeps the mapping from being freed meanwhile is the caller's business (set_page_dirty_lock() is for those who
    do not know).  Nobody tags pages here, as noop_dirty_folio() of shmem does not: nothing is done but the flag.
    """
    await step("set_page_dirty", folio, target=("flags", folio.number), writes=True)
    folio.dirty = True


async def unpin_user_pages_dirty_lock(folio: Folio) -> None:
    """``unpin_user_pages_dirty_lock(make_dirty=true)`` of one page."""
    await folio_lock(folio)
    folio.dirty = True
    await folio_unlock(folio)
    await folio_put(folio)
