"""B35: a fault takes the lock of the inode.

Symptom: lockdep reports it: "grabbing i_mutex in the fault path is a no-no".

Ladder:

 1. P: fallocate(PUNCH_HOLE) takes the inode's lock, and publishes the range that it is going to punch.
 2. F: a fault in that range releases the mmap_lock, and waits for P by taking the inode's lock.

And elsewhere, of the same class:

 3. W: write(2) takes an inode's lock, and its buffer faults: from here on W is F.

Mistake: to wait for somebody by the lock that he holds, in a place to which one may come with such a lock
(``mm/filemap.c``, "Lock ordering": i_rwsem, mmap_lock).

Fix: 8e205f779d14 ("fix faulting into a hole, not taking i_mutex", 3.16), B34's: sleep on a queue of the puncher's.  The
mistake was its forerunner, f00cdc6df7d7, which was in 3.16-rc only.  <20140725142546.GB4844@dhcp22.suse.cz>

The catalogue calls for a deadlock, of W on its own file.  There is none: who writes holds the lock, so nobody
punches, so the fault of its buffer does not wait.  Nor is there one of several files: each waiter saw the punch of a
file whose lock the next one took afterwards, and that is no circle.  It breaks the order of locks, as lockdep said.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_write, spin_lock, spin_unlock, up_read, up_write
from pagecache.operations import Load, PunchHole, Store, Touch
from pagecache.shmem import SGP_CACHE, Vmf
from pagecache.step import step

__all__ = ["BUG"]


async def shmem_fault(vmf: Vmf) -> tuple[str, object]:
    """``shmem_fault()``: wait while the range is being punched, then find or allocate the page, locked."""
    inode = vmf.vma.mapping.host
    await step("i_private", target=("i_private", 0))
    if inode.i_private is not None:
        await spin_lock(inode.i_lock)
        falloc = inode.i_private
        punched = falloc is not None and falloc.waitq is not None and falloc.start <= vmf.index < falloc.next
        # "i_lock does not serialize with i_mutex at all": it does not matter if sometimes we wait unnecessarily.
        await spin_unlock(inode.i_lock)
        if punched:
            await up_read(vmf.vma.mm.mmap_lock)
            await down_write(inode.i_rwsem)
            await up_write(inode.i_rwsem)
            vmf.fault_type = "VM_FAULT_RETRY"
            return "", None
    error, folio = await vmf.vma.mapping.kernel.shmem_get_folio(inode, vmf.index, SGP_CACHE, vmf)
    return error, folio


BUG: Final = Bug(
    number=35,
    name="fault-takes-the-inode-lock",
    kernel=LINUX_2026_MENDED.replace(
        name="b35-fault-takes-the-inode-lock",
        summary="a fault takes the lock of the inode",
        source="mm/shmem.c with f00cdc6df7d7",
        shmem_fault=shmem_fault,
    ),
    fixed=LINUX_2026_MENDED,
    fix="8e205f779d14",
    release="3.16",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("locks_are_taken_in_order",),
    focus=Focus((PunchHole, Load, Store, Touch), {"huge_pages": (1,), "vmas": (1,), "vma.missing": (False,)}),
)
