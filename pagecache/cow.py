"""Private mappings: copy on write (``mm/memory.c``, ``mm/rmap.c``).

What is stored through a MAP_PRIVATE mapping goes to a page of its own: an anonymous folio, in no file and on nobody's
way through the file.  A truncate takes it with the page that it was copied from, a hole punch leaves it (``even_cows``
of unmap_mapping_range()); collapse, reclaim and migration of the file's pages do not meet it, but for the page table
that it is in.

Leaves out: fork(), so that a copy is exclusive from its first day (PageAnonExclusive()); reclaim and migration of
copies; the anon_vma's lock, for nobody comes by that way.
"""

from __future__ import annotations

from pagecache.folio import ZERO, Folio, clear_highpage, copy_mc_highpage, drop_references, folio_add_lru, folio_put
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, flush_tlb_page, pte_changed, pte_clear
from pagecache.pte import Pte, pte_target
from pagecache.shmem import Vmf, alloc_folio
from pagecache.step import step
from pagecache.touched import PMDS

__all__ = ["alloc_anon_folio", "anon_vma_prepare", "has_anon_vma", "new_zero_page", "wp_page_copy"]


async def anon_vma_prepare(vma: Vma) -> str:
    """``anon_vma_prepare()``: see to it that a private mapping may have pages of its own, with the mmap_lock.

    Returns:
        An error, empty if there is none.
    """
    if not vma.private:
        return ""
    current = await step(
        "anon_vma_prepare", vma, target=("anon_vma", vma.number), writes=True, sleeps=True, fails="ENOMEM"
    )
    if current.failing and not vma.anon_vma:
        return "ENOMEM"
    vma.anon_vma = True
    return ""


async def has_anon_vma(vma: Vma) -> bool:
    """``READ_ONCE(vma->anon_vma)``: may there be private copies?  Without the mmap_lock the answer is out of date."""
    if not vma.private:
        return False
    await step("anon_vma", vma, target=("anon_vma", vma.number), also=[(PMDS, False)])
    return vma.anon_vma


async def alloc_anon_folio(vma: Vma, index: int) -> Folio | None:
    """``folio_prealloc()``: a folio for the copy of one page; ``None`` without memory."""
    folio = await alloc_folio(vma.mapping.memory, 0)
    if folio is not None:
        folio.anon = True
        folio.swapbacked = True
        folio.index = index  # linear_page_index()
    return folio


def new_zero_page(vma: Vma, index: int) -> Folio:
    """``ZERO_PAGE()``, which nobody counts and nobody frees: here each entry that maps it has one of its own."""
    folio = vma.mapping.memory.new_folio(0)
    folio.anon = True
    folio.uptodate = True
    folio.index = index
    folio.pages[0] = ZERO
    return folio


async def wp_page_copy(vmf: Vmf, folio: Folio | None, orig_pte: Pte) -> str:
    """``wp_page_copy()``: replace the page that a private mapping has of the file by a copy that may be written to.

    The page-table lock has been dropped, and nobody holds the folio lock.  So the entry may go away meanwhile; then the
    fault is taken again.

     1. Allocate and copy.
     2. Take the page-table lock; is it still the same entry?
     3. Clear the entry, flush the TLB, and only then set the new one, lest one CPU still read the old page when another
        has written to the new one.

    Args:
        vmf: the fault.
        folio: what is mapped, with a reference of ours; ``None`` for the zero page.
        orig_pte: the entry that maps it.

    Returns:
        An error, empty if there is none.
    """
    vma, index = vmf.vma, vmf.index
    error, copy = await _copy_of(vma, index, folio)
    if copy is None:
        if folio is not None:
            await folio_put(folio)
        return error
    table = vma.table(index)
    await spin_lock(table.ptl)
    same = table.present and vma.ptes.get(index) == orig_pte
    if same:
        await pte_clear(vma, index)
        await flush_tlb_page(vma, index)
        await folio_add_lru(copy)
        old = orig_pte.folio
        assert old is not None
        changed = [*pte_changed(copy), *pte_changed(old)]
        await step("set_pte_at", vma, index, copy, target=pte_target(index), writes=True, also=changed)
        vma.ptes[index] = Pte(copy, write=True, dirty=True)
        copy.mapcount += 1
        old.mapcount -= 1  # folio_remove_rmap_pte()
        if folio is None:
            drop_references(old, 1)
    await spin_unlock(table.ptl)
    if not same:
        await folio_put(copy)
    if folio is not None:
        if same:
            await folio_put(folio)  # the mapping's
        await folio_put(folio)
    return ""


async def _copy_of(vma: Vma, index: int, folio: Folio | None) -> tuple[str, Folio | None]:
    """A copy of the page at ``index``, or a page of zeroes; else an error."""
    error = await anon_vma_prepare(vma)
    if error:
        return error, None
    copy = await alloc_anon_folio(vma, index)
    if copy is None:
        return "ENOMEM", None
    if folio is None:
        await clear_highpage(copy, 0)
    else:
        copied = await copy_mc_highpage(copy, 0, folio, index)
        if not copied:
            await folio_put(copy)
            return "EHWPOISON", None
    copy.uptodate = True
    return "", copy
