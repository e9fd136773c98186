"""B34: faults keep a hole punch from ever ending.

Symptom: trinity, which probes the hole that tmpfs is punching, hangs; and so does whoever wants to write, because the
puncher holds the inode's lock (CVE-2014-4171).

Ladder:

 1. P: fallocate(PUNCH_HOLE) removes the page of index 0, and looks whether all is gone.
 2. F: a store to index 0 faults, finds the hole, and fills it.
 3. P: finds a page, removes it, and looks again; and so on from 2.

Mistake: who holds a lock works until nothing is left to do, while others who need no lock make new work.

Fix: 8e205f779d14 ("fix faulting into a hole, not taking i_mutex", 3.16): a fault in the range sleeps on a wait queue on
the puncher's stack; one that looked before may slip in once.  And b1a366500bd5 ("fix splicing from a hole while it's
punched"): a hole punch makes a single sweep.

Before these was f00cdc6df7d7, which is B35.

Here the fault does not wait.  Left out: that the punch goes round; so it ends, but F fills the hole again and again
until it does, and that is what the promise is about.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, PunchHole, Store, Touch
from pagecache.shmem import SGP_CACHE, Vmf
from pagecache.step import step

__all__ = ["BUG", "shmem_fault"]


async def shmem_fault(vmf: Vmf) -> tuple[str, object]:
    """``shmem_fault()``: find or allocate the page, locked."""
    inode = vmf.vma.mapping.host
    await step("i_private", target=("i_private", 0))
    error, folio = await vmf.vma.mapping.kernel.shmem_get_folio(inode, vmf.index, SGP_CACHE, vmf)
    return error, folio


BUG: Final = Bug(
    number=34,
    name="faults-starve-a-punch",
    kernel=LINUX_2026_MENDED.replace(
        name="b34-faults-starve-a-punch",
        summary="faults keep a hole punch from ever ending",
        source="mm/shmem.c before f00cdc6df7d7",
        shmem_fault=shmem_fault,
    ),
    fixed=LINUX_2026_MENDED,
    fix="8e205f779d14",
    release="3.16",
    minimum=Minimum(tasks=2, operations=2, deviations=3),
    breaks=("a_fault_slips_once_into_a_hole_that_is_punched",),
    focus=Focus((PunchHole, Load, Store, Touch), {"huge_pages": (1,), "vmas": (1,), "vma.missing": (False,)}),
)
