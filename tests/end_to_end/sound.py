"""The kernels in which nothing must be found."""

from __future__ import annotations

from typing import Final

from pagecache.kernels import LINUX_6_4, LINUX_2026
from pagecache.shmem_charge import shmem_uncharge_6_6

__all__ = ["LINUX_6_4_REPAIRED", "SOUND"]

LINUX_6_4_REPAIRED: Final = LINUX_6_4.replace(
    name="linux-6.4-repaired",
    summary="6.4 with the shmem_uncharge() of 6.6",
    source="a2e17cc2efc7, e8c716bc6812, and one function of 6.6",
    shmem_uncharge=shmem_uncharge_6_6,
)
"""What was merged, without the one thing that is known to be wrong with it.

A rollback of 6.4 lowers nrpages, then shmem_uncharge() lowers alloced by as much.  Any shmem_recalc_inode() between
the two takes the difference for pages that were dropped, and lowers alloced first.  That this one function is all that
has to be replaced says more than leaving out the promise about the counts would.
"""

SOUND: Final = (LINUX_2026, LINUX_6_4_REPAIRED)
