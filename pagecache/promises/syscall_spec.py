"""What the system calls on a file may do to it, action by action (see :mod:`pagecache.promises.file_spec`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pagecache.inode import BLOCKS_PER_PAGE
from pagecache.operations import Fallocate, PunchHole, SeekHole, Truncate
from pagecache.promises.file_spec import (
    AND_SO_ON,
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
    as_read,
    done,
    has_data,
)
from pagecache.world import PAGES_MAX

if TYPE_CHECKING:
    from pagecache.operations import SeekData, Write

__all__ = ["Counting", "Fallocating", "Punching", "Reading", "Seeking", "Truncating", "Writing"]

END_OF_FILE = 0


class Reading(Behaviour):
    """``read(2)`` of one page: shmem_file_read_iter().

    Not atomic: it takes no ``i_rwsem``.  It looks at ``i_size``, finds the page (a hole, and a page that is
    reserved only, read as zeroes), unlocks it, looks at ``i_size`` again ("we must evaluate after, since reads
    are called without i_rwsem protection against truncate") and copies from the page without a lock.
    So the content is one that the page had at some moment between the lookup and the copy.
    """

    __slots__ = ()

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        beyond = self.index(phase) >= size
        match phase:
            case ("first",):
                yield done(END_OF_FILE) if beyond else ("find",), size, cell
            case ("find",) if cell.content == HWPOISON:
                yield done("EIO"), size, cell
            case ("find",):
                if self.index(phase) in moment.failing:
                    yield done("EIO"), size, cell
                yield ("page", as_read(cell.content)) if has_data(cell) else ("hole",), size, cell
                if beyond:  # shmem_get_folio(SGP_READ) looks, too
                    yield done(END_OF_FILE), size, cell
                if moment.may_fail and moment.swapping:  # without memory to swap it in
                    yield done(ANY_ERROR), size, cell
            case ("hole",):
                yield done(END_OF_FILE if beyond else ZEROES), size, cell
            case ("page", str(content)):
                yield done(END_OF_FILE) if beyond else ("copy", content), size, cell
            case ("copy", str(content)):
                yield done(content), size, cell
                if has_data(cell) and cell.content != HWPOISON:
                    yield ("copy", as_read(cell.content)), size, cell


class Writing(Behaviour):
    """``write(2)`` of one page: generic_perform_write() with shmem_write_begin() and shmem_write_end().

    Not atomic: a page that was missing is inserted !uptodate (SGP_WRITE), where lseek() sees a hole and
    UFFDIO_COPY something; shmem_write_end() raises ``i_size`` before it marks the folio uptodate.
    Into a page that has content the data is copied first, and who has it mapped sees it at once.
    The folio stays locked throughout, so nobody else fills or removes it.
    """

    __slots__ = ()
    exclusive = True
    operation: Write

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        grown = max(size, self.index(phase) + 1)
        match phase:
            case ("first",) if cell.content == HWPOISON:
                yield done("EIO"), size, cell
            case ("first",):
                if self.index(phase) in moment.failing:
                    yield done("EIO"), size, cell
                if cell.content == HOLE or (cell.content == UNWRITTEN and cell.locker == NOBODY):
                    yield ("held",), size, Cell(UNWRITTEN, self.task, cell.swept)
                elif cell.locker == NOBODY:
                    yield ("held",), size, cell
                if moment.may_fail:
                    yield done(ANY_ERROR), size, cell
            case ("held",):
                if cell.content == HWPOISON:
                    yield ("copied",), size, cell
                elif has_data(cell):
                    yield ("copied",), size, cell._replace(content=self.tag)
                else:
                    yield ("sized",), grown, cell
            case ("copied",):
                yield done(1), grown, cell
            case ("sized",):
                yield done(1), size, Cell(self.tag, NOBODY, cell.swept)

    def span(self, phase: Phase) -> Sequence[int]:
        # A large folio that was reserved becomes uptodate as a whole (folio_zero_segments()).
        return self.around(self.operation.index) if self.huge and phase[0] in ("held", "sized") else ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase, moment, index
        yield from self.cleared(cell)


class Seeking(Behaviour):
    """``lseek(2)`` with SEEK_DATA or SEEK_HOLE: mapping_seek_hole_data().

    Not atomic: it goes from page to page under RCU only, and faults fill pages behind it and ahead of it.
    Each page is looked at once, in increasing order.  ``i_rwsem`` keeps ``i_size`` and removals away.
    A folio that is not uptodate is a hole (folio_seek_hole_data(): shmem has no is_partially_uptodate()).
    """

    __slots__ = ()
    exclusive = True
    operation: SeekData | SeekHole

    def index(self, phase: Phase) -> int:
        match phase:
            case ("at", int(index)):
                return index
        return self.operation.index

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        index = self.index(phase)
        seek_hole = isinstance(self.operation, SeekHole)
        if index >= size:
            behind_data = seek_hole and phase != FIRST
            yield done(size if behind_data else "ENXIO"), size, cell
        elif has_data(cell) != seek_hole:
            yield done(index), size, cell
        else:
            yield ("at", index + 1), size, cell


class Counting(Behaviour):
    """``stat(2)``: shmem_getattr().

    Not atomic: st_size is read first.  st_blocks counts the pages that were accounted for, swapped ones included; while
    others run that is anything: a collapse accounts for holes before it fills them, a fault inserts its page before it
    accounts for it.  But when nobody else runs, it is the number of pages that the file has.
    """

    __slots__ = ()

    def index(self, phase: Phase) -> int:
        match phase:
            case ("at", int(index), *_):
                return index
        return 0

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        match phase:
            case ("first",):
                if moment.alone:
                    yield ("at", 0, 0, size), size, cell
                else:
                    yield done(f"st_size {size}, st_blocks {AND_SO_ON}"), size, cell
            case ("at", int(index), int(pages), int(read)):
                if index == PAGES_MAX:
                    yield done(f"st_size {read}, st_blocks {pages * BLOCKS_PER_PAGE}"), size, cell
                else:
                    yield ("at", index + 1, pages + (cell.content != HOLE), read), size, cell


class Truncating(Behaviour):
    """``ftruncate(2)``: shmem_setattr(), shmem_truncate_range().

    Not atomic: first ``i_size`` falls, then the pages behind it go, one after the other and in no
    particular order (find_lock_entries() skips what is locked and the second pass comes back for it).  A fault that
    looked at ``i_size`` before may fill a page again meanwhile; it is removed again.  A huge folio that
    cannot be split is zeroed in place (truncate_inode_partial_folio()).
    Pages before the new end are not touched.
    Private copies of what is behind the new end go, too (``even_cows`` of unmap_mapping_range()).
    """

    __slots__ = ()
    exclusive = True
    removes = True
    operation: Truncate

    def index(self, phase: Phase) -> int:
        del phase
        return self.operation.size

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase == FIRST:
            size = self.operation.size
            yield ("sweep",) if size <= moment.size else done(0), size, cell

    def span(self, phase: Phase) -> Sequence[int]:
        if phase != ("sweep",):
            return ()
        behind = range(self.operation.size, PAGES_MAX)
        return [*behind, *(place for copies in self.copies for place in copies[self.operation.size :])]

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase
        swept = cell.swept | self.bit
        if index >= PAGES_MAX:
            yield Cell(HOLE, NOBODY, swept)
        elif cell.locker == NOBODY:
            yield Cell(HOLE, NOBODY, swept)
            if has_data(cell) and self.may_be_huge(index, moment):
                yield Cell(ZEROES, NOBODY, swept)
            elif self.huge:
                yield cell._replace(swept=swept)  # reserved as part of a folio that could not be split
        elif not has_data(cell) or as_read(cell.content) == ZEROES:
            # "if (info->alloced)": a page that is just being inserted into an empty file is not yet counted, and
            # left to whoever inserts it, who is going to look at i_size again.  Should that have grown by then, the
            # page stays: nobody can tell its zeroes from those of a new page.
            yield cell._replace(swept=swept)

    def settles(self, phase: Phase) -> Phase | None:
        return done(0) if phase == ("sweep",) else None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase, index
        return cell._replace(swept=cell.swept & ~self.bit) if cell.swept & self.bit else None


class Punching(Behaviour):
    """``fallocate(2)`` with FALLOC_FL_PUNCH_HOLE: shmem_truncate_range() of a range.

    Not atomic: page after page goes, as in a truncate, but in one sweep.  Faults that looked at ``i_private``
    before the punch was published may fill a page again behind it (shmem_falloc_wait() is a courtesy).
    A huge folio is split first, and what it has behind the end of the file leaves the page cache then
    (__split_huge_page()).
    Private copies stay; the zero page, with which UFFDIO_ZEROPAGE has filled a private mapping, is none
    (should_zap_folio()).
    """

    __slots__ = ()
    exclusive = True
    removes = True
    operation: PunchHole

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase == FIRST:
            yield ("sweep",), moment.size, cell

    def _punched(self) -> range:
        return range(self.operation.start, self.operation.start + self.operation.length)

    def span(self, phase: Phase) -> Sequence[int]:
        if phase != ("sweep",):
            return ()
        return [*range(PAGES_MAX), *(copies[index] for copies in self.copies for index in self._punched())]

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase
        if index >= PAGES_MAX:
            content = HOLE if cell.content == UNDIRTIED else cell.content
            yield cell._replace(content=content, swept=cell.swept | self.bit)
            return
        if cell.locker != NOBODY:
            return
        if index in self._punched():
            yield Cell(HOLE, NOBODY, cell.swept | self.bit)
            if has_data(cell) and self.may_be_huge(index, moment):
                yield Cell(ZEROES, NOBODY, cell.swept | self.bit)
            elif self.huge:
                yield cell._replace(swept=cell.swept | self.bit)
        elif index >= moment.size and self.may_be_huge(index, moment):
            yield cell._replace(content=HOLE)

    def settles(self, phase: Phase) -> Phase | None:
        return done(0) if phase == ("sweep",) else None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase
        if index < PAGES_MAX and index not in self._punched():
            return cell
        return cell._replace(swept=cell.swept & ~self.bit) if cell.swept & self.bit else None


class Fallocating(Behaviour):
    """``fallocate(2)``: shmem_fallocate().

    Not atomic: page after page is reserved, in increasing order, by shmem_get_folio(SGP_FALLOC); a page that
    was reserved before and never written is zeroed and gets content ("make existing page Uptodate").
    The size grows at the end.  It fails if reclaim wants what has been reserved (``nr_unswapped``).  After a failure
    shmem_undo_range(unfalloc) takes away again what is still !uptodate, and leaves what others have written to
    meanwhile.
    """

    __slots__ = ()
    exclusive = True
    operation: Fallocate

    @property
    def _end(self) -> int:
        return self.operation.start + self.operation.length

    def index(self, phase: Phase) -> int:
        match phase:
            case ("at", int(index), *_):
                return index
        return self.operation.start

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        if phase[0] == "undo":
            return
        index = self.index(phase)
        short = phase[2:]
        if index == self._end:
            yield done(0), size if self.operation.keep_size else max(size, self._end), cell
            return
        if cell.content == HOLE:
            yield ("at", index + 1, *short), size, cell._replace(content=UNWRITTEN)
        elif cell.locker == NOBODY:
            content = ZEROES if cell.content in (UNWRITTEN, UNDIRTIED) else cell.content
            yield ("at", index + 1, *short), size, cell._replace(content=content)
            if self.huge:
                # It has been reserved as part of the same folio as the page before it, and is skipped.
                yield ("at", index + 1, *short), size, cell
        if moment.may_fail or short:
            yield ("undo", index), size, cell
        elif moment.reclaiming and phase != FIRST:
            yield ("at", index, "short of memory"), size, cell

    def span(self, phase: Phase) -> Sequence[int]:
        match phase:
            case ("undo", int(index)):
                return range(self.operation.start, index)
            case ("at", int(index), *_) if self.huge:
                return range(self.around(self.operation.start).start, self.around(self._end - 1).stop)
        return ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del moment, index
        if phase[0] == "at":
            yield from self.cleared(cell)
        elif cell.locker == NOBODY:
            content = HOLE if cell.content == UNWRITTEN else cell.content
            yield Cell(content, NOBODY, cell.swept | self.bit)

    def settles(self, phase: Phase) -> Phase | None:
        return done(ANY_ERROR) if phase[0] == "undo" else None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase, index
        return cell._replace(swept=cell.swept & ~self.bit) if cell.swept & self.bit else None
