"""The page cache at one moment, as plain values, and a watcher that takes one of each event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pagecache.folio import Folio
from pagecache.mm import Vma
from pagecache.operations import Operation, Result
from pagecache.promises.promise import Promise, Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["Snapshot", "SnapshotWatcher", "recorder", "snapshot"]

Snapshot = dict[str, Any]
"""What JSON can say: ``file``, ``slots``, ``folios``, ``vmas``, and by task the locks ``held``."""


def snapshot(world: World, tasks: Iterable[Task] = ()) -> Snapshot:
    """The state of ``world`` now, and what ``tasks`` hold; nothing of it is shared with the world."""
    inode, mapping = world.inode, world.mapping
    return {
        "file": {
            "i_size": inode.i_size,
            "nrpages": mapping.nrpages,
            "alloced": inode.info.alloced,
            "swapped": inode.info.swapped,
            "i_blocks": inode.i_blocks,
        },
        "slots": [None if entry is None else str(entry) for entry in mapping.i_pages.slots],
        "folios": [_folio(folio) for folio in world.memory.folios],
        "vmas": [_vma(vma) for vma in world.vmas],
        "held": {task.name: [str(lock) for lock in task.held] for task in tasks if task.held},
    }


def _folio(folio: Folio) -> dict[str, Any]:
    flags = {
        "uptodate": folio.uptodate,
        "dirty": folio.dirty,
        "writeback": folio.writeback is not None,
        "lru": folio.lru,
        "poisoned": folio.poisoned,
        "freed": folio.freed,
    }
    return {
        "name": str(folio),
        "index": folio.index if folio.mapping is not None else None,
        "pages": list(folio.pages),
        "refcount": folio.refcount,
        "mapcount": folio.mapcount,
        "locked_by": _name(folio.locked_by),
        "frozen_by": _name(folio.frozen_by),
        "flags": [flag for flag, is_set in flags.items() if is_set],
    }


def _vma(vma: Vma) -> dict[str, Any]:
    return {
        "name": str(vma),
        "mm": vma.mm.name,
        "alive": vma.alive,
        "missing": vma.uffd_missing,
        "minor": vma.uffd_minor,
        "wp": vma.uffd_wp,
        "waiting": [f"{task} at {index}" for task, index in vma.uffd_waiters],
        "pages": [
            {"index": index, "pte": _name(vma.entry(index)), "tlb": _name(vma.tlb.get(index))}
            for index in range(vma.start, vma.end)
        ],
    }


def _name(thing: object) -> str | None:
    return None if thing is None else str(thing)


class SnapshotWatcher(Watcher):
    """Never objects; keeps the state before the first event and after each one, in the order of the history."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.snapshots: Final = [snapshot(world)]
        self._tasks: Final[dict[int, Task]] = {}

    def _take(self, task: Task) -> None:
        self._tasks[task.number] = task
        self.snapshots.append(snapshot(self.world, self._tasks.values()))

    def called(self, task: Task, number: int, operation: Operation) -> None:  # noqa: ARG002 - a watcher's
        """A call changes nothing, but it is an event."""
        self._take(task)

    def after(self, task: Task, step: Step) -> None:  # noqa: ARG002 - a watcher's
        """The step has taken effect."""
        self._take(task)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:  # noqa: ARG002
        """A return changes nothing, but it is an event."""
        self._take(task)


def recorder(promises: Sequence[Promise]) -> tuple[list[Promise], list[SnapshotWatcher]]:
    """The promises with a recorder before them, so that it sees also the event at which one is broken.

    Returns:
        The promises to run with, and where the recorder of each run appears.
    """
    recorders: list[SnapshotWatcher] = []

    def watch(world: World) -> Watcher:
        recorders.append(SnapshotWatcher(world))
        return recorders[-1]

    return [Promise("snapshots_are_taken", watch, "not a promise: records what happens"), *promises], recorders
