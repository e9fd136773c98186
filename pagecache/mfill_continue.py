"""``UFFDIO_CONTINUE``: map a page that is in the page cache already (``mm/userfaultfd.c``)."""

from __future__ import annotations

from pagecache.cow import anon_vma_prepare
from pagecache.folio import folio_put, folio_unlock
from pagecache.locks import down_read, up_read
from pagecache.mm import Vma, find_vma
from pagecache.shmem import SGP_NOALLOC
from pagecache.userfaultfd import mfill_atomic_install_pte, wake_userfault

__all__ = ["mfill_atomic_continue"]


async def mfill_atomic_continue(vma: Vma, index: int) -> int | str:
    """``mfill_atomic_continue()`` of one page, then the wake-up.

    Returns:
        0; ENOENT if the VMA is not registered; EFAULT for a hole, or if the file shrinks meanwhile; EINVAL behind its
        end; EEXIST if something is mapped; EAGAIN if the page table went away; EIO if its memory has failed.
    """
    await down_read(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None or not vma.uffd_registered or not vma.maps(index):
        await up_read(vma.mm.mmap_lock)
        return "ENOENT"
    error = await anon_vma_prepare(vma)
    if not error:
        error = await vma.mapping.kernel.mfill_establish_pmd(vma, index)
    if not error:
        error = await _mfill_atomic_pte_continue(vma, index)
    await up_read(vma.mm.mmap_lock)
    if error:
        return str(error)
    await wake_userfault(vma, index)
    return 0


async def _mfill_atomic_pte_continue(vma: Vma, index: int) -> str:
    """``mfill_atomic_pte_continue()``: find the page, locked, and map it."""
    mapping = vma.mapping
    error, folio = await mapping.kernel.shmem_get_folio(mapping.host, index, SGP_NOALLOC)
    if error:
        # "Our caller expects us to return -EFAULT if we failed to find folio".
        return "EFAULT" if error == "ENOENT" else str(error)
    assert folio is not None
    if folio.poisoned:
        await folio_unlock(folio)
        await folio_put(folio)
        return "EIO"
    error = await mfill_atomic_install_pte(vma, index, folio, newly_allocated=False)
    await folio_unlock(folio)
    if error:
        await folio_put(folio)
    return str(error)
