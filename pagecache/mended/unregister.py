"""UFFDIO_UNREGISTER that wakes everybody who waits in the range, whatever for.

userfaultfd_unregister() wakes "any concurrent pending userfault while we unregister, so they will not hang permanently
and it avoids userland to call UFFDIO_WAKE explicitly", but asks userfaultfd_missing() first:

 1. L: a load takes a MINOR fault, joins the queue, lets go of the mmap_lock and falls asleep.
 2. U: UFFDIO_UNREGISTER clears the flags of the VMA.  L sleeps on, in a range that nobody is told about any more.

Axel Rasmussen posted a fix: "userfaultfd: wake on unregister for minor faults as well as missing"
<20221025182149.3076870-1-axelrasmussen@google.com>; in the discussion it became userfaultfd_armed(), for write
protection as well.  In the sources of 2026 it still asks userfaultfd_missing().
"""

from __future__ import annotations

from pagecache.locks import down_write, up_write
from pagecache.mm import Vma, find_vma
from pagecache.userfaultfd import userfaultfd_clear_vma, wake_userfault

__all__ = ["userfaultfd_unregister"]


async def userfaultfd_unregister(vma: Vma) -> int | str:
    """``userfaultfd_unregister()``, as in :mod:`pagecache.userfaultfd`, but for whom it wakes."""
    await down_write(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None:
        await up_write(vma.mm.mmap_lock)
        return "EINVAL"
    if vma.uffd_registered:
        await wake_userfault(vma, None)
    await userfaultfd_clear_vma(vma)
    await up_write(vma.mm.mmap_lock)
    return 0
