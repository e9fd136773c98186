"""Filling a private mapping for a userfaultfd: ``UFFDIO_COPY`` and ``UFFDIO_ZEROPAGE`` (``mm/userfaultfd.c``).

A fault for a store would fill the hole of the file first, and copy the page at once.  Here the content comes from user
space, so the file is left out of it: only the page table is asked, and what comes is an anonymous page
(mfill_atomic_pte()).
"""

from __future__ import annotations

from pagecache.cow import alloc_anon_folio, new_zero_page
from pagecache.folio import Folio, folio_put
from pagecache.inode import i_size_read
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, flush_tlb_page, pte_changed
from pagecache.pte import ZERO_PAGE, Pte, pte_target
from pagecache.step import step
from pagecache.userfaultfd import mfill_atomic_install_pte

__all__ = ["fill_with_copy", "fill_with_zero_page", "mfill_atomic_pte_copy", "mfill_atomic_pte_zeropage"]


async def mfill_atomic_pte_copy(vma: Vma, index: int, content: str, copied: Folio | None) -> tuple[str, Folio | None]:
    """``mfill_atomic_pte_copy()``: a page of its own for a private mapping; see fill_with_copy()."""
    return await fill_with_copy(vma, index, content, copied, flush_batched=False)


async def mfill_atomic_pte_zeropage(vma: Vma, index: int) -> str:
    """``mfill_atomic_pte_zeropage()``: the zero page for a private mapping; see fill_with_zero_page()."""
    return await fill_with_zero_page(vma, index, flush_batched=False)


async def fill_with_copy(
    vma: Vma, index: int, content: str, copied: Folio | None, *, flush_batched: bool
) -> tuple[str, Folio | None]:
    """``mfill_atomic_pte_copy()``: a page of its own for a private mapping, as if it had been copied on write.

    It must be empty in the page table; the file is not looked at, and no folio lock taken.

    Args:
        vma: the registered mapping.
        index: the page of the file.
        content: what to fill in.
        copied: the page of an earlier attempt, filled outside of the mmap_lock.
        flush_batched: as in mfill_atomic_install_pte().

    Returns:
        An error (empty if there is none), and for ``"ENOENT"`` the page to be filled by the caller.
    """
    folio = copied
    if folio is None:
        folio = await alloc_anon_folio(vma, index)
        if folio is None:
            return "ENOMEM", None
        current = await step("copy_from_user", index, fails="EFAULT")
        if current.failing:
            return "ENOENT", folio
        folio.pages[0] = content
    folio.uptodate = True
    error = await mfill_atomic_install_pte(vma, index, folio, flush_batched=flush_batched)
    if error:
        await folio_put(folio)
    return error, None


async def fill_with_zero_page(vma: Vma, index: int, *, flush_batched: bool) -> str:
    """``mfill_atomic_pte_zeropage()``: the zero page, read-only, for a private mapping; not where a marker is.

    Args:
        vma: the registered mapping.
        index: the page of the file.
        flush_batched: as in mfill_atomic_install_pte().

    Returns:
        An error, empty if there is none: as mfill_atomic_install_pte().
    """
    table = vma.table(index)
    await spin_lock(table.ptl)
    size = await i_size_read(vma.mapping.host, also=[(pte_target(index), True)])
    error = "EEXIST" if index in vma.ptes else ""
    error = "EFAULT" if index >= size else error
    error = error if table.present else "EAGAIN"
    if not error:
        if flush_batched and index in vma.tlb:
            await flush_tlb_page(vma, index)
        folio = new_zero_page(vma, index)
        await step("set_pte_at", vma, index, folio, target=pte_target(index), writes=True, also=pte_changed(folio))
        vma.ptes[index] = Pte(folio, kind=ZERO_PAGE)
        folio.mapcount += 1
    await spin_unlock(table.ptl)
    return error
