"""UFFDIO_COPY and UFFDIO_ZEROPAGE into a private mapping that flush the TLB first, if somebody has put that off.

 1. K: reclaim or a collapse unmaps the page of the file with TTU_BATCH_FLUSH: the entry is gone, the TLB still has it.
 2. U: UFFDIO_COPY finds no entry, maps a page of the mapping's own, and returns.
 3. L: a load by way of the TLB still reads the page of the file.
 4. K: try_to_unmap_flush().

Who comes between 1 and 4 has to flush, under the page-table lock: that is what flush_tlb_batched_pending() is for,
which mprotect(), munmap(), mremap() and madvise() call.  Who maps a page of the file again need not care, since it
has the folio lock, and what the TLB leads to holds the same.  But UFFDIO_COPY brings another content, and takes no
folio lock.
"""

from __future__ import annotations

from pagecache.folio import Folio
from pagecache.mfill_private import fill_with_copy, fill_with_zero_page
from pagecache.mm import Vma

__all__ = ["mfill_atomic_pte_copy", "mfill_atomic_pte_zeropage"]


async def mfill_atomic_pte_copy(vma: Vma, index: int, content: str, copied: Folio | None) -> tuple[str, Folio | None]:
    """``mfill_atomic_pte_copy()``, with flush_tlb_batched_pending()."""
    return await fill_with_copy(vma, index, content, copied, flush_batched=True)


async def mfill_atomic_pte_zeropage(vma: Vma, index: int) -> str:
    """``mfill_atomic_pte_zeropage()``, with flush_tlb_batched_pending()."""
    return await fill_with_zero_page(vma, index, flush_batched=True)
