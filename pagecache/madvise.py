"""madvise(MADV_DONTNEED) (``mm/madvise.c``): whoever maps the range needs it no more, for now.

What a shared mapping shows is the file's, and stays; the next access faults, and a userfaultfd hears of it again.  Of
a private mapping the copies go.

Since 6.14 the page tables that have nothing in them any more go, too, and with nothing held but the mmap_lock for
reading (6375e95f381e; CONFIG_PT_RECLAIM).  So there is somebody beside khugepaged who takes page tables away,
and he holds no folio lock.

Leaves out: UFFD_EVENT_REMOVE; per-VMA locks, which since 6.17 keep away who changes this VMA, like the mmap_lock here.
"""

from __future__ import annotations

from pagecache.locks import down_read, up_read
from pagecache.mm import Vma, find_vma
from pagecache.touched import PMDS
from pagecache.zap import ZapDetails, zap_page_range_single

__all__ = ["madvise_dontneed", "madvise_dontneed_single_vma", "madvise_dontneed_single_vma_6_14"]


async def madvise_dontneed(vma: Vma, start: int, end: int) -> int | str:
    """``madvise(MADV_DONTNEED)`` of the indices ``start`` to ``end - 1``.

    Returns:
        0; ENOMEM if not all of that is mapped, after dealing with what is (madvise_walk_vmas()).
    """
    await down_read(vma.mm.mmap_lock, also=[(PMDS, False)])
    found = find_vma(vma)
    first, last = max(start, vma.start), min(end, vma.end)
    if found is None or first >= last:
        await up_read(vma.mm.mmap_lock)
        return "ENOMEM"
    await vma.mapping.kernel.madvise_dontneed_single_vma(vma, first, last)
    await up_read(vma.mm.mmap_lock)
    return 0 if (first, last) == (start, end) else "ENOMEM"


async def madvise_dontneed_single_vma(vma: Vma, start: int, end: int) -> None:
    """``madvise_dontneed_single_vma()`` up to 6.13."""
    await zap_page_range_single(vma, start, end)


async def madvise_dontneed_single_vma_6_14(vma: Vma, start: int, end: int) -> None:
    """``madvise_dontneed_single_vma()`` since 6.14, page tables included."""
    await zap_page_range_single(vma, start, end, ZapDetails(reclaim_pt=True))
