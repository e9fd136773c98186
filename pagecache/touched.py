"""What steps touch besides their target (:attr:`pagecache.step.Step.also`): objects that no step is about.

Which steps can be swapped without a difference is decided by what they name, so a step behind which something else is
looked at or changed, up to the next step, says so.  A name may stand for more than one object: that costs nothing but
some reductions.
"""

from __future__ import annotations

from typing import Final

from pagecache.step import Target

__all__ = ["NRPAGES", "PMDS", "PTES", "SWAP_CACHE", "TLB", "TREE"]

NRPAGES: Final[Target] = ("nrpages", 0)
"""``mapping->nrpages``: written under the xa_lock, read without it by shmem_recalc_inode()."""

TREE: Final[Target] = ("tree", 0)
"""The nodes of ``i_pages`` and how they hang together: written under the xa_lock, walked without it."""

PTES: Final[Target] = ("ptes", 0)
"""Which page-table entries there are: page_vma_mapped_walk() and zap_pte_range() peek before they take the lock."""

PMDS: Final[Target] = ("pmds", 0)
"""Which page tables there are: handle_mm_fault() asks pmd_none() once it has its page."""

TLB: Final[Target] = ("tlb", 0)
"""Which entries there are to be flushed: a zap looks when it has cleared its own, and so do those who come between."""

SWAP_CACHE: Final[Target] = ("swap cache", 0)
"""References of folios in the swap cache, got by those who know no more than an entry."""
