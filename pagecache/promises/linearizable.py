"""Every call is explained by a sparse file.

What user space saw, in every call by every task, must be what a sparse file would have answered, had the
operations' atomic actions happened in some order that respects which call returned before which was called.
And when nobody runs any more, the page cache must hold what that file holds: a lost page is noticed even if
nobody reads it again.

The file is :mod:`pagecache.promises.file_spec`; the search for an order is
:mod:`pagecache.promises.explanation`.

What it cannot see: that a page was given away and filled again with the same content; which folio holds a
page; whether a fault that should have been reported to a userfaultfd found the page filled by
somebody else (:mod:`pagecache.promises.userfaultfd`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from pagecache.folio import ZERO, Folio
from pagecache.mm import Vma
from pagecache.operations import Operation, Result
from pagecache.promises.explanation import automaton_of
from pagecache.promises.file_spec import ANYTHING, HOLE, HWPOISON, UNWRITTEN
from pagecache.promises.promise import Watcher
from pagecache.step import Task
from pagecache.world import PAGES_MAX, World
from pagecache.xarray import ValueEntry

__all__ = ["SparseFileWatcher", "contents"]

WORDS: Final = {HOLE: "nothing", UNWRITTEN: "a reserved page", HWPOISON: "a page whose memory has failed"}


def contents(world: World) -> tuple[str, ...]:
    """What the page cache holds, or else the disk, as :mod:`pagecache.promises.file_spec` would say it.

    For a moment in which nobody runs; it looks at whatever the slots point to, alive or not.  A page that is clean, and
    not as it is on the disk, is as good as lost: reclaim drops it.
    """
    pages = tuple(_content(world, entry, index) for index, entry in enumerate(world.mapping.i_pages.slots))
    copies = [_copy(vma, index) for vma in world.vmas if vma.private for index in range(len(pages))]
    return (*pages, *[HOLE] * (PAGES_MAX - len(pages)), *copies) if copies else pages


def _copy(vma: Vma, index: int) -> str:
    """What a private mapping has of its own at an index of the file."""
    if not vma.alive:
        return ANYTHING
    folio = vma.mapped(index)
    return _page(folio, index - folio.index) if folio is not None and folio.anon else HOLE


def _content(world: World, entry: object, index: int) -> str:
    file = world.mapping.regular
    if file is not None and not (isinstance(entry, Folio) and entry.uptodate):
        return _or_hole(file.disk[index])
    if isinstance(entry, ValueEntry):
        number = entry.value + index % (1 << world.mapping.i_pages.order_at(index))
        slot = world.mapping.swap.slots[number]
        cached = slot.cache
        if cached is None or not cached.uptodate:
            return slot.content
        return _page(cached, number - cached.swap)
    if not isinstance(entry, Folio):
        return HOLE
    if not entry.uptodate:
        return UNWRITTEN
    if entry.poisoned:
        return HWPOISON
    content = _page(entry, index - entry.index)
    if file is None:
        return content
    if index < world.inode.i_size and content != file.disk[index] and not _is_dirty(world, entry):
        return f"{content}, though clean and {file.disk[index]} on the disk,"
    return _or_hole(content)


def _page(folio: Folio, offset: int) -> str:
    """The content of one of its pages; where it does not belong it has none."""
    return folio.pages[offset] if 0 <= offset < len(folio.pages) else f"not a page of {folio}"


def _is_dirty(world: World, folio: Folio) -> bool:
    """Will somebody write it to the disk?  A page-table entry may know what the folio does not know yet."""
    entries = (entry for vma in world.vmas for entry in (*vma.ptes.values(), *(table.huge for table in vma.tables)))
    return folio.dirty or any(entry is not None and entry.folio is folio and entry.dirty for entry in entries)


def _or_hole(content: str) -> str:
    """In a regular file zeroes and nothing are the same."""
    return HOLE if content == ZERO else content


class SparseFileWatcher(Watcher):
    """Follows one run through the automaton of its world."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.state = automaton_of(world.spec, may_fail=world.may_fail, swapping=world.may_swap).initial
        self.explained: list[tuple[Task, Operation, Result]] = []
        """What has returned so far; for the sentence only."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        self.state = self.state.called(task, number, operation)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number
        state = self.state.returned(task, result)
        if state is None:
            possible = " or ".join(map(str, self.state.results(task)))
            would = f"would answer {possible}" if possible else "could not answer yet"
            return f"{task} {operation!r} returned {result}; a sparse file {would}{self._so_far()}"
        self.state = state
        self.explained.append((task, operation, result))
        return None

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        found, size = contents(self.world), self.world.inode.i_size
        differences = self.state.differences(found, size)
        if not differences:
            return None
        parts = [
            f"{self._place(index)} holds {WORDS.get(found[index], found[index])} instead of {_either(possible)}"
            if index >= 0
            else f"i_size is {size} instead of {_either(possible)}"
            for index, possible in differences
        ]
        return f"in the end {', and '.join(parts)}{self._so_far()}"

    def _place(self, index: int) -> str:
        if index < PAGES_MAX:
            return f"index {index}"
        number, index = divmod(index - PAGES_MAX, len(self.world.spec.pages))
        return f"what {[vma for vma in self.world.vmas if vma.private][number]} has of its own at index {index}"

    def key(self) -> Hashable:
        return self.state

    def _so_far(self) -> str:
        if not self.explained:
            return ""
        told = "; ".join(f"{task} {operation!r} = {result}" for task, operation, result in self.explained)
        return f" (explained up to there: {told})"


def _either(possible: Sequence[str]) -> str:
    return " or ".join(WORDS.get(what, what) for what in possible)
