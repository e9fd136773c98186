"""The list of the files whose last folio reaches behind their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagecache.promises.promise import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagecache.list_head import ListHead
    from pagecache.operations import Operation
    from pagecache.step import Task

__all__ = ["ShrinklistWatcher"]


class ShrinklistWatcher(Watcher):
    """In the end the list leads forwards and backwards, is as long as it says, and no file is on another list.

    Nor is one on it that has been evicted; the memory of its inode is another one's by then.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        sbinfo = self.world.sbinfo
        if sbinfo is None:
            return None
        entries = sbinfo.shrinklist.entries()
        for entry in (sbinfo.shrinklist, *entries):
            if entry.next.prev is not entry:
                return (
                    f"in the end {entry} leads to {entry.next} in the shrinklist, which leads back to {entry.next.prev}"
                )
        if len(entries) != sbinfo.shrinklist_len:
            return (
                f"in the end {len(entries)} files are on the shrinklist, but shrinklist_len is {sbinfo.shrinklist_len}"
            )
        return next(filter(None, (_misplaced(inode.shrinklist, entries) for inode in self.world.inodes)), None)


def _misplaced(entry: ListHead | None, entries: Sequence[ListHead]) -> str | None:
    assert entry is not None
    assert entry.inode is not None
    if entry in entries:
        return f"in the end {entry} is on the shrinklist, but its inode has gone" if entry.inode.freeing else None
    return f"in the end {entry} is on a list that nobody has" if entry.next is not entry else None
