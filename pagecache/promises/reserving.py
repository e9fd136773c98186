"""fallocate(2): what it has reserved stays reserved, and it gives up if reclaim wants more pages than that.

"Subsequent writes into the range ... are guaranteed not to fail because of lack of disk space" (fallocate(2)), with
FALLOC_FL_KEEP_SIZE also behind the end of the file.

What fallocate() is reserving cannot go to swap: it may have to be undone, and what has been written out is not found
then.  Reclaim leaves it alone, and counts it; "let shmem_fallocate() quit when too many" (1aac1400319d).  An
fallocate() that goes on takes the last memory from everybody; one that gives up too early fails for no reason.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Final

from pagecache.folio import Folio
from pagecache.operations import Fallocate, Operation, PageOut, PunchHole, Result, Truncate
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["GivesUpWatcher", "StaysReservedWatcher"]

NOTHING: Final[frozenset[int]] = frozenset()


class GivesUpWatcher(Watcher):
    """fallocate() fails with ENOMEM if, and only if, reclaim had wanted more when it looked than it had reserved.

    Both are counted here in pages, whatever ``nr_unswapped`` and ``nr_falloced`` say.  What reclaim wants is a folio
    that it has locked when it takes the ``i_lock``, among those that have been reserved up to there (start to next).

    And no PageOut takes a page that is being reserved: it would be cleared first, and uptodate.

    Where failures are injected no result is judged: memory may be short for another reason, and what was reserved may
    have been taken back for a smaller folio.
    """

    after_calls: ClassVar = frozenset({"i_private", "xas_store", "spin_lock", "signal_pending", "folio_mark_uptodate"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.reserving = -1
        """The number of the task whose fallocate() has been published last."""
        self.reserved: frozenset[int] = frozenset()
        """The indices that it has reserved."""
        self.wanted = 0
        """How many pages reclaim has wanted of those, again and again counted again."""
        self.looked = (0, 0)
        """How many were wanted, and reserved, when it looked last."""
        self.reclaiming: frozenset[int] = frozenset()
        """The numbers of the tasks that are in a PageOut."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        if isinstance(operation, PageOut):
            self.reclaiming |= {task.number}

    def after(self, task: Task, step: Step) -> str | None:
        falloc = self.world.inode.i_private
        if falloc is None or falloc.waitq is not None:
            return None
        if step.call == "i_private":
            self.reserving, self.reserved, self.wanted, self.looked = task.number, frozenset(), 0, (0, 0)
        elif step.call == "signal_pending":
            self.looked = (self.wanted, len(self.reserved))
        elif step.call == "xas_store" and task.number == self.reserving:
            folio = step.args[1]
            if isinstance(folio, Folio) and not folio.uptodate:
                self.reserved |= {*range(folio.index, folio.next_index)}
        elif step.call == "spin_lock" and step.args[0] is self.world.inode.i_lock:
            self.wanted += self._locked_by(task, falloc.start, falloc.next)
        elif step.call == "folio_mark_uptodate" and task.number in self.reclaiming:
            folio = step.args[0]
            if isinstance(folio, Folio) and folio.index in self.reserved:
                return (
                    f"{task} takes the page at index {folio.index}, which fallocate() is reserving and may have to undo"
                )
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number
        self.reclaiming -= {task.number}
        if not isinstance(operation, Fallocate) or task.number != self.reserving or self.world.may_fail:
            return None
        wanted, reserved = self.looked
        if (result == "ENOMEM") == (wanted > reserved):
            return None
        return (
            f"{task} {operation!r} returned {result}, though reclaim had wanted {wanted} pages when it looked last, "
            f"and it had reserved {reserved}"
        )

    def key(self) -> Hashable:
        return (self.reserving, self.reserved, self.wanted, self.looked, self.reclaiming)

    def _locked_by(self, task: Task, start: int, end: int) -> int:
        """How many pages the folios have that are reserved only, begin from ``start`` to ``end``, and it has locked."""
        slots = self.world.mapping.i_pages.slots
        folios = [
            entry
            for index, entry in enumerate(slots)
            if isinstance(entry, Folio) and entry.index == index and start <= index < end
        ]
        return sum(folio.nr_pages for folio in folios if folio.locked_by is task and not folio.uptodate)


class StaysReservedWatcher(Watcher):
    """A page that fallocate() has reserved is in the file until a call that takes it out is made.

    It may be in memory or in swap, and have content by then.  What is taken out while fallocate() runs, or by a call
    that has begun when it returns, is not reserved as far as the promise goes.
    """

    after_calls: ClassVar = frozenset({"xas_store"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.reserved: frozenset[int] = NOTHING
        """The indices."""
        self.removing: dict[int, frozenset[int]] = {}
        """By task that is in a call that takes pages out of the file, their indices."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        match operation:
            case Truncate(size=size):
                removed = range(size, self.world.mapping.i_pages.nr_slots)
            case PunchHole(start=start, length=length):
                removed = range(start, start + length)
            case _:
                return
        self.removing[task.number] = frozenset(removed)
        self.reserved -= self.removing[task.number]

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del number
        self.removing.pop(task.number, None)
        if isinstance(operation, Fallocate) and result == 0:
            reserved = frozenset(range(operation.start, operation.start + operation.length))
            self.reserved |= reserved.difference(*self.removing.values())

    def after(self, task: Task, step: Step) -> str | None:
        if step.call != "xas_store" or step.args[1] is not None or not self.reserved:
            return None
        slots = self.world.mapping.i_pages.slots
        lost = [str(index) for index in sorted(self.reserved) if slots[index] is None]
        if not lost:
            return None
        return f"{task} takes out of the file what fallocate() has reserved, at index {' and '.join(lost)}"

    def key(self) -> Hashable:
        # Which calls are under way is part of every point.
        return self.reserved
