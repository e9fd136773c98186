"""The counts of a file at the end of a run.

While a collapse is under way ``nrpages`` and ``alloced`` are ahead of the slots on purpose; only at rest
must they agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.folio import Folio
from pagecache.inode import BLOCKS_PER_PAGE, AddressSpace
from pagecache.promises.promise import Watcher
from pagecache.xarray import ValueEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagecache.operations import Operation
    from pagecache.step import Task

__all__ = ["CountWatcher"]


class CountWatcher(Watcher):
    """``nrpages``, ``alloced`` and ``i_blocks`` agree with the slots and with each other.

    clear_inode() has a BUG_ON for ``nrpages`` and shmem_evict_inode() a warning for ``i_blocks``.

    ``alloced`` may be too high: pages can be dropped behind shmem's back, and whoever looks calls
    shmem_recalc_inode() first, which takes the surplus away (shmem_getattr()).  Nothing ever makes up for an
    ``alloced`` that is too low.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        inode, mapping = self.world.inode, self.world.mapping
        info = inode.info
        entries = mapping.i_pages.entries()
        swapped = sum(isinstance(entry, ValueEntry) for entry in entries)
        present = sum(entry is not None for entry in entries) - swapped
        if mapping.regular is not None:  # value entries are shadow entries, and nothing else is counted here
            swapped = info.swapped
        if info.swapped != swapped:
            return f"in the end info->swapped is {info.swapped}, but {swapped} slots hold swap entries"
        if mapping.nrpages != present:
            return f"in the end nrpages is {mapping.nrpages}, but {present} slots are occupied"
        if mapping.regular is not None:
            return self._thps(mapping)
        if info.alloced < mapping.nrpages + info.swapped:
            return (
                f"in the end info->alloced is {info.alloced}, "
                f"but nrpages is {mapping.nrpages} and info->swapped {info.swapped}"
            )
        if inode.i_blocks != info.alloced * BLOCKS_PER_PAGE:
            return (
                f"in the end i_blocks is {inode.i_blocks}, "
                f"but info->alloced is {info.alloced}, at {BLOCKS_PER_PAGE} blocks a page"
            )
        return None

    def _thps(self, mapping: AddressSpace) -> str | None:
        """``nr_thps`` of a regular file: who opens it for writing relies on it."""
        assert mapping.regular is not None
        entries = mapping.i_pages.entries()
        huge = {
            entry.number for entry in entries if isinstance(entry, Folio) and entry.order == mapping.hpage_pmd_order
        }
        counted = 0 if mapping.regular.large_folios else len(huge)
        if mapping.regular.nr_thps != counted:
            return f"in the end nr_thps is {mapping.regular.nr_thps}, but there are {len(huge)} huge pages"
        return None
