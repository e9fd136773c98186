"""What loads, stores, pins, mincore and userfaultfd may do through a private mapping, action by action.

A private mapping has cells of its own, one for each page of the file, see
:func:`pagecache.promises.file_spec.private_cells`: a HOLE as long as the page has not been copied.  Through the mapping
one sees the copy, which nobody else does; where there is none, the file.  Whoever stores where there is none finds the
page as any fault does, copies what it holds, and stores then.

Coarser than the kernel: an access looks at its copy first, and at the file some time later, if there is no copy; in the
kernel one page-table entry says which of the two it is.

See :mod:`pagecache.promises.file_spec`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pagecache.operations import (
    EVENT,
    DontNeed,
    Load,
    Mincore,
    Operation,
    PinWrite,
    Poke,
    Store,
    Touch,
    UffdCopy,
    UffdZeropage,
)
from pagecache.promises.behaviours import BEHAVIOURS
from pagecache.promises.file_spec import (
    ANY_ERROR,
    FIRST,
    HOLE,
    HWPOISON,
    NO,
    UNDIRTIED,
    YES,
    Behaviour,
    Cell,
    Moment,
    Outcome,
    Phase,
    as_read,
    done,
    has_data,
)
from pagecache.promises.mapping_spec import Accessing, Discarding, Looking, Pinning

__all__ = ["PRIVATE_BEHAVIOURS"]

FILE: Final[Phase] = ("file",)
"""There was no copy: the next look is at the file."""


class AccessingPrivately(Accessing):
    """A load or a store through a private mapping: do_read_fault(), do_cow_fault(), wp_page_copy().

    Not atomic.  A copy is mapped with what the page held when it was copied; the store is another action.  Behind the
    end of the file none is mapped any more, but by a fault that has looked at ``i_size`` before: as long as the
    truncate has yet to come by ("unmap again to remove racily COWed private pages", shmem_setattr()), or where it could
    only zero a huge page that somebody held, and has left it (truncate_inode_partial_folio()).

    A copy that madvise(MADV_DONTNEED) has taken out of the page table is still there for who has it in his TLB, until
    that is flushed; whoever faults finds what is in the page table.
    """

    __slots__ = ()

    def index(self, phase: Phase) -> int:
        return self.own if phase == FIRST or phase[0] == "copied" else super().index(phase)

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        match phase:
            case ("first",):
                yield from self._at_the_copy(moment, cell)
            case ("copied", str(content)):
                yield from self._copying(content, moment, cell)
            case _:
                yield from self._at_the_file(phase, moment, cell)

    def _at_the_copy(self, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        if not self.within or moment.mapped != YES:
            yield done("SIGSEGV"), size, cell
        if not self.within or moment.mapped == NO:
            return
        if cell.stale and isinstance(self.operation, Store | Poke):
            yield done(0), size, cell._replace(stale=self.tag)
        elif cell.stale and not isinstance(self.operation, PinWrite):
            yield done(as_read(cell.stale)), size, cell
        if cell.content == HOLE:
            yield FILE, size, cell
        elif isinstance(self.operation, Store | Poke):
            yield done(0), size, cell._replace(content=self.tag)
            if moment.wp != NO and isinstance(self.operation, Poke):
                yield done(EVENT), size, cell
        else:
            yield done(as_read(cell.content)), size, cell
        if cell.content != HOLE and moment.may_fail and isinstance(self.operation, Store | Poke | PinWrite):
            yield done("SIGBUS"), size, cell  # without memory to copy the zero page

    def _copying(self, content: str, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        index = self.operation.index
        fits = index < size or (moment.removing and not cell.swept) or self.may_be_huge(index, moment)
        if cell.content == HOLE and fits:
            yield FIRST, size, cell._replace(content=content)
        else:
            yield FIRST, size, cell
        if moment.may_fail:
            yield done("SIGBUS"), size, cell

    def _at_the_file(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        stores = isinstance(self.operation, Store | Poke | PinWrite)
        for following, next_size, left in super().act(FIRST if phase == FILE else phase, moment, cell):
            if stores and following[0] == "done" and following[1] not in ("SIGBUS", "SIGSEGV", EVENT):
                if has_data(cell) and cell.content != HWPOISON:
                    yield ("copied", as_read(cell.content)), size, cell
            else:
                yield following, next_size, left
        if cell.locker != self.task and phase != ("doomed",) and not (self.huge and phase == ("fault",)):
            yield FIRST, size, cell  # somebody else has mapped a copy: the instruction is tried again


class PinningPrivately(Pinning, AccessingPrivately):
    """A device writes into a private copy that is pinned: as of a page of the file, but for what is faulted in.

    What madvise(MADV_DONTNEED) takes away meanwhile nobody sees any more.
    """

    __slots__ = ()

    def index(self, phase: Phase) -> int:
        return self.own if phase[0] in ("pinned", "lost") else super().index(phase)

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase == ("pinned",) and moment.discarding:
            yield ("lost",), moment.size, cell
        yield from super().act(phase, moment, cell)


class LookingPrivately(Looking):
    """``mincore(2)`` of one page of a private mapping: what has a copy is in core."""

    __slots__ = ()

    def index(self, phase: Phase) -> int:
        return self.own if phase == FIRST else super().index(phase)

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if phase != FIRST:
            yield from super().act(phase, moment, cell)
            return
        size = moment.size
        if not self.within or moment.mapped != YES:
            yield done("ENOMEM"), size, cell
        if self.within and moment.mapped != NO:
            yield (FILE if cell.content == HOLE else done(1)), size, cell


class SupplyingPrivately(Behaviour):
    """``UFFDIO_COPY`` and ``UFFDIO_ZEROPAGE`` of one page of a private mapping: mfill_atomic_pte_copy(), _zeropage().

    Atomic, under the page-table lock: it is no matter what the file has there, unless that is mapped, or a PMD maps it,
    which the file does not tell; nor does it tell where markers are, over which UFFDIO_ZEROPAGE maps nothing.
    """

    __slots__ = ()
    operation: UffdCopy | UffdZeropage

    def index(self, phase: Phase) -> int:
        return self.own if phase == FIRST else super().index(phase)

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        if phase == FILE:
            if has_data(cell):
                yield done("EEXIST"), size, cell
            return
        if not self.within or moment.armed != YES or moment.mapped != YES:
            yield done("ENOENT"), size, cell
        if not self.within or NO in (moment.armed, moment.mapped):
            return
        if moment.may_fail:
            yield done(ANY_ERROR), size, cell
        if self.may_be_huge(self.operation.index, moment) or moment.discarding:
            # A collapse takes the page table away, or sets a PMD, before or after it has looked for one; so does
            # madvise(MADV_DONTNEED).
            yield done("EEXIST"), size, cell
            yield done("EAGAIN"), size, cell
        yield FILE, size, cell
        zeroes = isinstance(self.operation, UffdZeropage)
        if cell.content != HOLE or zeroes:
            yield done("EEXIST"), size, cell
        if self.operation.index >= size:
            yield done("EFAULT"), size, cell
        elif cell.content == HOLE:
            yield done(0), size, cell._replace(content=UNDIRTIED if zeroes else self.tag)


class DiscardingPrivately(Discarding):
    """``madvise(MADV_DONTNEED)`` of a private mapping: the copies go, and what the file has is seen again.

    Not atomic: one page-table entry after the other is cleared, and the TLB flushed some time after that.
    """

    __slots__ = ()

    def index(self, phase: Phase) -> int:
        match phase:
            case ("zapped", int(pages)):
                return self.own + pages
        return self.own

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        match phase:
            case ("first",):
                if moment.mapped != YES:
                    yield done("ENOMEM"), size, cell
                if moment.mapped != NO:
                    yield ("zapped", 0), size, cell
            case ("zapped", int(pages)) if pages < self.operation.length:
                if cell.content == HOLE or cell.stale:
                    yield ("zapped", pages + 1), size, cell._replace(content=HOLE)
                if cell.content != HOLE:
                    yield ("zapped", pages + 1), size, cell._replace(content=HOLE, stale=cell.content)

    def span(self, phase: Phase) -> Sequence[int]:
        return () if phase == FIRST else range(self.own, self.own + self.operation.length)

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase, moment, index
        if cell.stale:
            yield cell._replace(stale="")

    def settles(self, phase: Phase) -> Phase | None:
        if phase != ("zapped", self.operation.length):
            return None
        return done(0 if self.within else "ENOMEM")

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase, index
        return None if cell.stale else cell


PRIVATE_BEHAVIOURS: Final[dict[type[Operation], type[Behaviour]]] = BEHAVIOURS | {
    Load: AccessingPrivately,
    Store: AccessingPrivately,
    Touch: AccessingPrivately,
    Poke: AccessingPrivately,
    PinWrite: PinningPrivately,
    Mincore: LookingPrivately,
    DontNeed: DiscardingPrivately,
    UffdCopy: SupplyingPrivately,
    UffdZeropage: SupplyingPrivately,
}
"""By operation through a private mapping, what it may do; UFFDIO_CONTINUE is about the file's page in any case."""
