"""any_vma_missing() with a full barrier between the RETRY entries and the look at the VMAs.

The collapse stores RETRY entries, then looks for a VMA with a MISSING userfaultfd; who registers one stores its flag,
then looks for holes.  Each must not look before the other can see what it has stored ("store buffering").  There is
a barrier on the one side: up_write() of the mmap_lock, on x86, and a system call that returns.  On the other there
is none, since xas_store() is rcu_assign_pointer(), a release, and reading ``vm_flags`` a plain load:

 1. collapse: xas_store(RETRY), which stays in the store buffer for now; no VMA is registered.
 2. UFFDIO_REGISTER, to its end.
 3. lseek(): sees a hole, since nobody sees the RETRY entry yet.
 4. collapse: the RETRY entry becomes visible; the huge page is stored, over a hole that user space has seen while it
    was registered.
 5. A load: no event.

Allowed on every architecture, x86 included.  The window is as long as the store of step 1 waits for its cache line:
some hundred nanoseconds, with interrupts off, in which another CPU has to get from the flag to the slot.  So hardly
anybody will have met it; but nothing in the code forbids it.
"""

from __future__ import annotations

from pagecache import userfaultfd
from pagecache.inode import AddressSpace
from pagecache.store_buffer import smp_mb

__all__ = ["any_vma_missing"]


async def any_vma_missing(mapping: AddressSpace, first: int, last: int) -> bool:
    """``vma_interval_tree_foreach()``, behind ``smp_mb()``; see :func:`pagecache.userfaultfd.any_vma_missing`."""
    await smp_mb()
    return await userfaultfd.any_vma_missing(mapping, first, last)
