"""B35: a fault takes the inode's lock.

Symptom: deadlock: write() holds the inode's lock, and faults on its buffer, a mapping of the same file; or the
fault holds the mmap_lock, for which the holder of the inode's lock waits.

 1. fault: holds the mmap_lock; the page is being punched.
 2. fault: takes the inode's lock, to wait for the punch.

Mistake: f00cdc6df7d7 ("shmem: fix faulting into a hole while it's punched") let faults wait on i_mutex; i_mutex
comes before the mmap_lock.  Fix: 8e205f779d14 ("shmem: fix faulting into a hole, not taking i_mutex"): a wait
queue on the puncher's stack.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_write, up_write
from pagecache.operations import Load, PunchHole, Store, Write
from pagecache.shmem import SGP_CACHE, Vmf
from pagecache.step import step
from pagecache.world import VmaSpec, WorldSpec


async def shmem_fault(vmf: Vmf) -> tuple[str, object]:
    """``shmem_fault()``: wait while the range is being punched, then find or allocate the page, locked."""
    inode = vmf.vma.mapping.host
    await step("i_private", target=("i_private", 0))
    if inode.i_private is not None:
        falloc = inode.i_private
        if falloc.waitq is not None and falloc.start <= vmf.index < falloc.next:
            await down_write(inode.i_rwsem)
            await up_write(inode.i_rwsem)
    error, folio = await vmf.vma.mapping.kernel.shmem_get_folio(inode, vmf.index, SGP_CACHE, vmf)
    return error, folio


BUG: Final = Bug(
    number=35,
    name="i-mutex-in-the-fault",
    kernel=LINUX_2026_MENDED.replace(
        name="b35-i-mutex-in-the-fault",
        summary="a fault takes the inode's lock",
        source="8e205f779d14",
        shmem_fault=shmem_fault,
    ),
    fixed=LINUX_2026_MENDED,
    fix="8e205f779d14",
    release="3.16",
    minimum=Minimum(2, 2, 1),
    breaks=("locks_are_taken_in_order", "no_deadlock"),
    focus=Focus(
        operations=(PunchHole, Load, Store, Write),
        worlds=(WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),)),),
    ),
)
