"""What memory management may do to a file behind everybody's back, action by action.

See :mod:`pagecache.promises.file_spec`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pagecache.operations import Collapse, MemoryFailure, Migrate, PageOut, Shrink, Split, Swapoff
from pagecache.promises.file_spec import (
    ANY_ERROR,
    FIRST,
    HOLE,
    HWPOISON,
    NOBODY,
    UNDIRTIED,
    UNWRITTEN,
    ZEROES,
    Behaviour,
    Cell,
    Moment,
    Outcome,
    Phase,
    done,
    has_data,
)
from pagecache.world import PAGES_MAX

__all__ = ["Collapsing", "Migrating", "Poisoning", "Reclaiming", "Splitting", "Unswapping"]


class Collapsing(Behaviour):
    """``MADV_COLLAPSE`` and khugepaged: collapse_file().

    User space must not notice it, except that holes and reserved pages of the range read as zeroes
    before and are zeroes after: a collapse may give content to a page that was only reserved at any time, even
    if it fails then (shmem_get_folio(SGP_NOALLOC)), and fills all holes if it succeeds.
    The holes are filled one by one, since xas_store() publishes a multi-index entry slot by slot and lockless
    readers may see some of it; but once one is filled the collapse does not fail any more.
    Any error is possible at any time before: MADV_COLLAPSE is best effort.  Where a PMD is to map the huge page, that
    may fail afterwards, for example if somebody has split it again: then there is an error although holes are filled.
    A huge page that fallocate() has reserved as a whole counts as collapsed, and stays reserved.
    """

    __slots__ = ()
    operation: Collapse

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase == FIRST:
            yield done(ANY_ERROR), moment.size, cell
            yield ("commit",), moment.size, cell
        elif self.pmds:
            yield done(ANY_ERROR), moment.size, cell

    def span(self, phase: Phase) -> Sequence[int]:
        del phase
        return range(self.operation.start, self.operation.start + self.hpage_nr)

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del moment, index
        if (cell.content == UNWRITTEN and cell.locker == NOBODY) or (cell.content == HOLE and phase == ("commit",)):
            yield cell._replace(content=ZEROES)

    def settles(self, phase: Phase) -> Phase | None:
        return done(0) if phase == ("commit",) else None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase, index
        filled = has_data(cell) or (self.huge and cell.content == UNWRITTEN)
        return cell if filled and cell.content != HWPOISON and cell.locker == NOBODY else None


class Reclaiming(Behaviour):
    """Reclaim of a page: no page of the file changes its content, wherever it is kept.

    A page that has only been reserved may be written to swap, and has zeroes for content from then on
    (shmem_writepage()).  A large folio that the end of the file cuts through is split first, and what it has behind the
    end goes, as with any split.

    Nobody promises to keep the zeroes with which a fault has filled a hole: as long as nobody writes to the page it is
    not dirty, and reclaim drops it instead of writing it (the "undirtied hole pages" of shmem_recalc_inode()).  Then it
    is a hole again, also for lseek(), mincore() and userfaultfd.  A page is not such a page if a call has given
    it content, UFFDIO_ZEROPAGE and fallocate() included: those make it dirty.  Coarser than the kernel: after a fault
    for writing or a collapse the page is dirty, too, although its zeroes are those of the hole.
    """

    __slots__ = ()
    operation: PageOut

    def span(self, phase: Phase) -> Sequence[int]:
        around = self.around(self.operation.index) if self.huge else ()
        match phase:
            case ("first",):
                return around
            case ("cut", int(end)):
                first = self.operation.index // self.hpage_nr * self.hpage_nr
                return sorted({*around, *range(max(first, end), first + self.hpage_nr)})
        return ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        if self.huge:
            yield from self.cleared(cell)
            if cell.content == UNDIRTIED and cell.locker == NOBODY:
                yield cell._replace(content=HOLE)
        match phase:
            case ("cut", int(end)) if index >= end and cell.locker == NOBODY and self.may_be_huge(index, moment):
                yield cell._replace(content=HOLE)

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase == FIRST and moment.huge:
            yield ("cut", moment.size), moment.size, cell
        yield done(0), moment.size, cell
        if cell.content == UNWRITTEN and cell.locker == NOBODY:
            yield done(0), moment.size, cell._replace(content=ZEROES)
        if cell.content == UNDIRTIED and cell.locker == NOBODY:
            yield done(0), moment.size, cell._replace(content=HOLE)


class Unswapping(Behaviour):
    """``swapoff(2)``: no page of the file changes, is missing or appears, at any moment: only its place is another.

    EINVAL if another one is at it, or has been, which the file does not tell.  Without memory to read a page back the
    device stays.
    """

    __slots__ = ()
    operation: Swapoff

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        yield done(0), moment.size, cell
        yield done("EINVAL"), moment.size, cell
        if moment.may_fail:
            yield done("ENOMEM"), moment.size, cell


class Migrating(Behaviour):
    """Migration of a folio: no page of the file changes, is missing or appears, at any moment.

    Any error is possible: somebody else has a reference, or there is no memory.
    """

    __slots__ = ()
    operation: Migrate

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        yield done(0), moment.size, cell
        yield done(ANY_ERROR), moment.size, cell


class _Cutting(Behaviour):
    """What splits a large folio: its parts behind the end of the file leave the page cache.

    It looks at ``i_size`` once, before ("EOF may change from under us"), and takes no ``i_rwsem``.
    """

    __slots__ = ()

    def span(self, phase: Phase) -> Sequence[int]:
        match phase:
            case ("cut", int(end)):
                return range(end, PAGES_MAX)
        return ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase
        if cell.locker == NOBODY and self.may_be_huge(index, moment):
            yield cell._replace(content=HOLE)


class Splitting(_Cutting):
    """The split of a large folio, or of the last one of the file, by the superblock's shrinker: no page changes."""

    __slots__ = ()
    operation: Split | Shrink

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        yield done(0), moment.size, cell
        if phase == FIRST:
            yield ("cut", moment.size), moment.size, cell


class Poisoning(_Cutting):
    """A memory error: what was in the page is lost, and says so; it never reads as zeroes or as a hole.

    Atomic for who has the page mapped; read(2), write(2) and faults may fail from the first moment on.
    It is best effort: the page may be taken away, or be in use, and keep its content then, or lose it all the same.
    A huge folio is split first, and what it has behind the end of the file leaves the page cache then.
    """

    __slots__ = ()
    operation: MemoryFailure

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        if phase == FIRST:
            yield ("cut", size), size, cell
        yield done("EBUSY"), size, cell
        yield done("EHWPOISON"), size, cell
        if not has_data(cell) or moment.swapping or cell.locker != NOBODY:
            yield done("ENOENT"), size, cell
        if has_data(cell) and cell.locker == NOBODY:
            for result in (0, "EBUSY"):
                yield done(result), size, cell._replace(content=HWPOISON)
