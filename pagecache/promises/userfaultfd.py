"""userfaultfd: a page that user space knows to be missing is not filled behind its back.

"A page that userspace, holding an armed userfaultfd, knows to be missing must not be filled by
khugepaged" is how David Stevens put it in the discussion of v1 (February 2023); Peter Xu's first reading was
stronger: once UFFDIO_REGISTER has returned, khugepaged fills nothing at all.  The two differ when a
registration lands between the collapse's look at the VMAs and its store: nobody has seen the hole, so it
could as well have been filled before.  That was the argument, so both are promises here.

*Missing* means that an access would be reported: nothing is in the slot, or what is there (a RETRY entry,
a huge folio that is not uptodate) stands for a collapse under way.  A page that fallocate() reserved is not missing.

*Filled by the collapse* means that a missing page gets content in a step of a task that is in a
Collapse; whatever any other task fills, user space has filled itself (write(2) included: Kirill Shutemov
asked, and Peter Xu answered that it is under user space's control).

Left out: MINOR and WP registrations (their observers see another type of event at worst), and what an
observation through another file would be.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from pagecache.folio import Folio
from pagecache.operations import (
    EVENT,
    Collapse,
    Mincore,
    Operation,
    PunchHole,
    Result,
    SeekData,
    SeekHole,
    Touch,
    UffdRegister,
)
from pagecache.promises.promise import Watcher
from pagecache.promises.vma_spec import vmas_changed_by
from pagecache.step import Step, Task
from pagecache.world import World
from pagecache.xarray import ValueEntry

__all__ = ["ObservedMissingWatcher", "RegisteredWatcher"]

FILLING: Final = frozenset({"xas_store", "folio_mark_uptodate"})
"""The calls that can change whether a page is missing: they write the slot of an index, or give a folio content."""

MISSING: Final = 0
RESERVED: Final = 1
FILLED: Final = 2


def _ended_by(operation: Operation) -> tuple[int, ...]:
    """The VMAs whose registration for MISSING events it may end; another mode replaces it."""
    if isinstance(operation, UffdRegister) and operation.mode == "missing":
        return ()
    return vmas_changed_by(operation)


class RegisteredWatcher(Watcher):
    """Nothing is filled by a collapse after UFFDIO_REGISTER has returned (Peter Xu's first reading).

    A registration counts from the return of the call that makes it to the call of one that ends it.  If the two
    overlap, nobody knows which came last, and it does not count.
    """

    after_calls = FILLING

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.pages = [self._look(index, MISSING) for index in range(len(world.spec.pages))]
        self.registered = {number for number, vma in enumerate(world.spec.vmas) if vma.missing}
        self.registering: dict[int, int] = {}
        """By task that is in an UFFDIO_REGISTER for MISSING events, the VMA, as long as nobody else interferes."""
        self.ending: dict[int, tuple[int, ...]] = {}
        """By task that is in an operation that may end registrations, of which VMAs."""
        self.collapsing: set[int] = set()
        """The numbers of the tasks that are in a Collapse."""

    def called(self, task: Task, number: int, operation: Operation) -> str | None:
        del number
        if isinstance(operation, Collapse):
            self.collapsing.add(task.number)
        elif ended := _ended_by(operation):
            self.ending[task.number] = ended
            self.registered.difference_update(ended)
            self.registering = {number: vma for number, vma in self.registering.items() if vma not in ended}
        elif isinstance(operation, UffdRegister) and all(operation.vma not in vmas for vmas in self.ending.values()):
            self.registering[task.number] = operation.vma
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number
        if isinstance(operation, Collapse):
            self.collapsing.discard(task.number)
        self.ending.pop(task.number, None)
        vma = self.registering.pop(task.number, None)
        if vma is not None and result == 0:
            self.registered.add(vma)
        return None

    def after(self, task: Task, step: Step) -> str | None:
        if step.call not in FILLING:
            return None
        subject = step.args[0]
        indices: Sequence[int] = (subject,) if isinstance(subject, int) else ()
        if isinstance(subject, Folio):
            indices = range(subject.index, min(subject.next_index, len(self.pages)))
        for index in indices:
            was = self.pages[index]
            reserved = self.world.spec.huge != "never" and task.number not in self.collapsing
            now = self.pages[index] = self._look(index, RESERVED if reserved else was)
            if was != now:
                sentence = self._changed(task, step, index, was, now)
                if sentence is not None:
                    return sentence
        return None

    def key(self) -> Hashable:
        # Who is in an operation that ends a registration, is part of every point.
        registering = tuple(sorted(self.registering.items()))
        return (tuple(self.pages), frozenset(self.registered), registering, frozenset(self.collapsing))

    def _changed(self, task: Task, step: Step, index: int, was: int, now: int) -> str | None:
        """The page at ``index`` has changed, in ``step`` of ``task``."""
        if was == MISSING and now == FILLED and task.number in self.collapsing:
            for number in sorted(self.registered):
                if self.world.vmas[number].maps(index):
                    return f"{task} filled index {index} at {step}, while vma{number} is registered for MISSING events"
        return None

    def _look(self, index: int, placeholder: int) -> int:
        """Is the page missing, reserved or filled; ``placeholder`` if that is for a collapse to say."""
        entry = self.world.mapping.i_pages.slots[index]
        if isinstance(entry, ValueEntry):
            return FILLED  # a page on the swap device is no hole
        if not isinstance(entry, Folio):
            return MISSING
        if entry.uptodate:
            return FILLED
        # A huge folio that is not uptodate is a collapse's placeholder, and says nothing about the page, unless
        # somebody else has stored it: then fallocate() has reserved it.
        return placeholder if entry.order else RESERVED


class _Looking:
    """An operation under way, as far as it may tell user space that pages are missing."""

    __slots__ = ("filled", "registered")

    def __init__(self, registered: set[int]) -> None:
        self.registered = registered
        """The VMAs that have been registered ever since its call."""
        self.filled: set[int] = set()
        """The pages that a collapse has filled since its call, and nobody has touched after that."""


class ObservedMissingWatcher(RegisteredWatcher):
    """A page that user space observed missing, while registered, is not filled by a collapse.

    Observed is what a call told that was made while registered, if the page is in fact missing when it returns:
    lseek() called it a hole, mincore() said 0, a hole punch returned, a touch was reported.
    If a collapse has filled the page between call and return, the observation is already wrong when user space
    gets it (the race of v2: lseek loads NULL, the collapse stores, lseek returns the hole).
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.observed: set[tuple[int, int]] = set()
        """VMA and index of each page that is observed missing."""
        self.looking: dict[int, _Looking] = {}
        """By task."""

    def called(self, task: Task, number: int, operation: Operation) -> str | None:
        super().called(task, number, operation)
        if ended := _ended_by(operation):
            self.observed = {page for page in self.observed if page[0] not in ended}
            for looking in self.looking.values():
                looking.registered.difference_update(ended)
        elif isinstance(operation, SeekHole | SeekData | Mincore | PunchHole | Touch):
            self.looking[task.number] = _Looking(set(self.registered))
        return None

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        super().returned(task, number, operation, result)
        looking = self.looking.pop(task.number, None)
        if looking is None:
            return None
        for index in _told_missing(operation, result, min(self.world.inode.i_size, len(self.pages))):
            for vma in sorted(looking.registered):
                if not self.world.vmas[vma].maps(index):
                    continue
                if index in looking.filled:
                    return (
                        f"{task} {operation!r} returned {result}, so index {index} is missing, but a collapse has "
                        f"filled it meanwhile, and vma{vma} was registered for MISSING events before the call"
                    )
                if self.pages[index] == MISSING:
                    self.observed.add((vma, index))
        return None

    def key(self) -> Hashable:
        looking = tuple(
            (number, frozenset(each.registered), frozenset(each.filled))
            for number, each in sorted(self.looking.items())
        )
        return (super().key(), frozenset(self.observed), looking)

    def _changed(self, task: Task, step: Step, index: int, was: int, now: int) -> str | None:
        by_collapse = was == MISSING and now == FILLED and task.number in self.collapsing
        for looking in self.looking.values():
            if by_collapse:
                looking.filled.add(index)
            else:
                looking.filled.discard(index)
        observers = sorted(vma for vma, observed in self.observed if observed == index)
        if by_collapse and observers:
            return (
                f"{task} filled index {index} at {step}, which user space has observed missing "
                f"while vma{observers[0]} was registered for MISSING events"
            )
        self.observed = {page for page in self.observed if page[1] != index}
        return None


def _told_missing(operation: Operation, result: Result, size: int) -> Sequence[int]:
    """The indices of which an operation has told user space that nothing is there.

    Args:
        operation: what was called.
        result: what it returned.
        size: the size of the file in pages, for a SEEK_DATA that found none.
    """
    match operation:
        case SeekHole():
            return (result,) if isinstance(result, int) and result < size else ()
        case SeekData():
            return range(operation.index, result if isinstance(result, int) else size)
        case Mincore():
            return (operation.index,) if result == 0 else ()
        case PunchHole():
            return range(operation.start, operation.start + operation.length) if result == 0 else ()
        case Touch():
            return (operation.index,) if result == EVENT else ()
    return ()
