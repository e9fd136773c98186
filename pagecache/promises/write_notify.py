"""Who has a page of a regular file mapped cannot write to it behind the file system's back."""

from __future__ import annotations

from collections.abc import Sequence

from pagecache.operations import Operation
from pagecache.promises.promise import Watcher
from pagecache.step import Task

__all__ = ["WriteNotifyWatcher"]


class WriteNotifyWatcher(Watcher):
    """A store to a clean page of a regular file faults: no entry, nor the TLB, allows it without.

    That is how dirty pages are counted ("mm: tracking shared dirty pages", d08b3851da41), and write-back, which looks
    at the folio only, finds what was stored.  It holds whenever nobody has the folio lock; here, in the end.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        if self.world.mapping.regular is None:
            return None
        for vma in self.world.vmas:
            tables = {number: table.huge for number, table in enumerate(vma.tables) if table.huge is not None}
            for where, entries in (("maps", vma.ptes), ("maps by a PMD", tables), ("has in the TLB", vma.tlb)):
                for index, entry in sorted(entries.items()):
                    if entry.folio is not None and entry.write and not entry.folio.dirty:
                        what = f"{vma} {where} {entry} at {index}, to be written to, though it is clean"
                        return f"in the end {what}: nobody will notice a store"
        return None
