"""Promises that nobody gave: each says that a certain window is never entered, so that a test can enter it."""

from __future__ import annotations

from pagecache.operations import EVENT, Collapse, Operation, SeekHole, Touch, UffdRegister
from pagecache.promises.promise import Promise, Watcher
from pagecache.step import Step, Task
from pagecache.world import World

COPIES = frozenset({"copy_highpage", "copy_mc_highpage", "clear_highpage"})


class _CopyWatcher(Watcher):
    """Is a page inserted by somebody else between two steps of a collapse's copy, or right behind the last?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.collapsing: set[int] = set()
        self.copying: set[int] = set()

    def called(self, task: Task, number: int, operation: Operation) -> str | None:
        if isinstance(operation, Collapse):
            self.collapsing.add(task.number)
        return None

    def after(self, task: Task, step: Step) -> str | None:
        if task.number in self.collapsing:
            (self.copying.add if step.call in COPIES else self.copying.discard)(task.number)
        elif step.call == "xas_store" and step.args[1] is not None and self.copying:
            return f"{task} stored {step.args[1]} at index {step.args[0]} while the data was being copied"
        return None

    def key(self) -> tuple[bool, bool]:
        return bool(self.collapsing), bool(self.copying)


NOTHING_IS_INSERTED_DURING_THE_COPY = Promise(
    "nothing_is_inserted_while_the_data_is_copied", _CopyWatcher, "P1, P2", default=False
)


class _ScanWatcher(Watcher):
    """Does somebody else insert a page while a collapse is under way?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.collapsing: set[int] = set()

    def called(self, task: Task, number: int, operation: Operation) -> str | None:
        if isinstance(operation, Collapse):
            self.collapsing.add(task.number)
        return None

    def after(self, task: Task, step: Step) -> str | None:
        if step.call == "xas_store" and step.args[1] is not None and self.collapsing - {task.number}:
            return f"{task} stored {step.args[1]} at index {step.args[0]} during a collapse"
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: object) -> str | None:
        self.collapsing.discard(task.number)
        return None

    def key(self) -> frozenset[int]:
        return frozenset(self.collapsing)


NOTHING_IS_INSERTED_DURING_A_COLLAPSE = Promise(
    "nothing_is_inserted_during_a_collapse", _ScanWatcher, "P2, P7, P8", default=False
)


class _BetweenWatcher(Watcher):
    """Does REGISTER return between the walk over the VMAs and the store of the new folio?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.asked = False

    def after(self, task: Task, step: Step) -> str | None:
        if step.call == "userfaultfd_missing":
            self.asked = True
        elif step.call == "folio_unlock":
            self.asked = False
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: object) -> str | None:
        if isinstance(operation, UffdRegister) and self.asked:
            return "REGISTER returned after the VMAs were asked and before the new folio was unlocked"
        return None

    def key(self) -> bool:
        return self.asked


REGISTER_DOES_NOT_COME_BETWEEN = Promise("register_does_not_come_between", _BetweenWatcher, "P10, P12", default=False)


class _TwiceWatcher(_ScanWatcher):
    """Does somebody else fill the same hole twice while collapses are under way?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.filled: set[int] = set()

    def after(self, task: Task, step: Step) -> str | None:
        inserted = super().after(task, step)
        if inserted is None:
            return None
        index = int(str(step.args[0]))
        if index in self.filled:
            return f"{inserted}, for the second time"
        self.filled.add(index)
        return None

    def key(self) -> frozenset[int]:
        return frozenset([*self.collapsing, *(-1 - index for index in self.filled)])


NO_HOLE_IS_FILLED_TWICE = Promise("no_hole_is_filled_twice_during_collapses", _TwiceWatcher, "P7", default=False)


class _GivesUpWatcher(Watcher):
    """Does a collapse that gives up because of others tell its caller to try again?"""

    def returned(self, task: Task, number: int, operation: Operation, result: object) -> str | None:
        if isinstance(operation, Collapse) and result == "EAGAIN":
            return f"{task} gave up {operation!r} with EAGAIN"
        return None


NO_COLLAPSE_GIVES_UP = Promise("no_collapse_gives_up", _GivesUpWatcher, "P7", default=False)


class _ReportedWatcher(Watcher):
    """Does a task get an event for a page at which its own SEEK_HOLE has found data?"""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.present: set[tuple[int, int]] = set()

    def returned(self, task: Task, number: int, operation: Operation, result: object) -> str | None:
        if isinstance(operation, SeekHole) and isinstance(result, int) and result > operation.index:
            self.present.add((task.number, operation.index))
        elif isinstance(operation, Touch) and result == EVENT and (task.number, operation.index) in self.present:
            return f"{task} got an event for index {operation.index}, where it had seen data"
        return None

    def key(self) -> tuple[tuple[int, int], ...]:
        return tuple(sorted(self.present))


NOTHING_PRESENT_IS_REPORTED_MISSING = Promise(
    "nothing_present_is_reported_missing", _ReportedWatcher, "P13", default=False
)
