"""What the system calls on a regular file may do to it, action by action (see :mod:`pagecache.promises.file_spec`).

Whether a page is in the cache or on the disk only, nobody can tell, except by mincore(2), which may say anything.
What the file does not have, behind its end or where nobody wrote, is zeroes; in a cell that is HOLE.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pagecache.operations import (
    CloseWrite,
    Collapse,
    DontNeed,
    Khugepaged,
    Load,
    Mincore,
    Mremap,
    Munmap,
    OpenWrite,
    Operation,
    PageOut,
    PinWrite,
    Read,
    Store,
    Truncate,
    Write,
    Writeback,
)
from pagecache.promises.file_spec import (
    ANY_ERROR,
    ANYTHING,
    NO,
    YES,
    Behaviour,
    Cell,
    Moment,
    Outcome,
    Phase,
    done,
    has_data,
)
from pagecache.promises.mapping_spec import Discarding, Mapping
from pagecache.promises.syscall_spec import Reading, Truncating

__all__ = ["REGULAR_BEHAVIOURS"]

ZEROES: Final = "0"


class ReadingCache(Reading):
    """``read(2)`` of one page: filemap_read().

    Not atomic: it looks at ``i_size``, finds the page, uptodate or read from the disk, looks at ``i_size`` again and
    copies without a lock: so the content is one that the page had at some moment between the lookup and the copy.
    """

    __slots__ = ()

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        if moment.may_fail and phase == ("find",):  # no memory, or a disk that does not answer
            yield done(ANY_ERROR), moment.size, cell
        yield from super().act(phase, moment, cell)


class WritingCache(Behaviour):
    """``write(2)`` of one whole page: generic_perform_write().

    Not atomic: the data is copied first, and who has the page mapped, or reads, sees it at once; then ``i_size`` grows.
    """

    __slots__ = ()
    exclusive = True

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        match phase:
            case ("first",):
                yield ("copied",), size, cell._replace(content=self.tag)
                if moment.may_fail:
                    yield done(ANY_ERROR), size, cell
            case ("copied",):
                yield done(1), max(size, self.index(phase) + 1), cell


class LoadingCache(Behaviour):
    """A load through a mapping: filemap_fault().

    The access is atomic and looks at no size: a page stays mapped until a truncate has unmapped it.  So while a
    truncate runs it may see what has been behind the end, or zeroes where that has been zeroed; and no longer, even if
    a huge page lies across the end (74207de2ba10).
    """

    __slots__ = ()
    operation: Load

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        size = moment.size
        beyond = self.operation.index >= size
        if not self.within or moment.mapped != YES:
            yield done("SIGSEGV"), size, cell
        if not self.within or moment.mapped == NO:
            return
        if not beyond or moment.removing:
            yield done(cell.content if has_data(cell) else ZEROES), size, cell
        if beyond or moment.may_fail:
            yield done("SIGBUS"), size, cell


class StoringCache(Behaviour):
    """A store through a mapping: do_shared_fault(), do_wp_page(), ->page_mkwrite().

    Atomic, as a load is; and nobody takes it back: neither write-back nor reclaim nor a collapse, whether or not they
    have begun.  Only a truncate: to a page that it has yet to come to, also one of zeroes.
    """

    __slots__ = ()
    operation: Store

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        size = moment.size
        beyond = self.operation.index >= size
        if not self.within or not self.writable or moment.mapped != YES:
            yield done("SIGSEGV"), size, cell
        if not self.within or not self.writable or moment.mapped == NO:
            return
        if not beyond or moment.removing:
            yield done(0), size, cell._replace(content=self.tag, swept=0)
        if beyond or moment.may_fail:
            yield done("SIGBUS"), size, cell


class PinningCache(Behaviour):
    """A device writes into a page that is pinned: pin_user_pages_fast(FOLL_WRITE), the write, unpin.

    Not atomic: the page is found, or faulted in, as by a store, and written later.  If a truncate takes it away in
    between, the write may go to a page that nobody sees any more; or behind the end of the file, if the page is part of
    a large folio, which cannot be split as long as it is pinned.
    """

    __slots__ = ()
    operation: PinWrite

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        beyond = self.operation.index >= size
        match phase:
            case ("lost",):
                yield done(0), size, cell
                return
            case ("pinned",):
                if not beyond or moment.removing or self.may_be_huge(self.operation.index, moment):
                    yield done(0), size, cell._replace(content=self.tag)
                if moment.removing:
                    yield ("lost",), size, cell
                return
        if not self.within or not self.writable or moment.mapped != YES:
            yield done("EFAULT"), size, cell
        if not self.within or not self.writable or moment.mapped == NO:
            return
        if not beyond or moment.removing:
            yield ("pinned",), size, cell
        if beyond or moment.may_fail:
            yield done("EFAULT"), size, cell


class LookingAtCache(Behaviour):
    """``mincore(2)`` of one page: it says what is cached, and so anything, of a page that is mapped."""

    __slots__ = ()
    operation: Mincore

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        if not self.within or moment.mapped != YES:
            yield done("ENOMEM"), moment.size, cell
        if self.within and moment.mapped != NO:
            yield done(0), moment.size, cell
            yield done(1), moment.size, cell


class CollapsingCache(Behaviour):
    """``MADV_COLLAPSE`` and khugepaged: the file stays as it is, and any error is possible."""

    __slots__ = ()
    operation: Collapse

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        yield done(0), moment.size, cell
        yield done(ANY_ERROR), moment.size, cell


class Unnoticed(Behaviour):
    """Opening and closing the file, write-back and reclaim: no page of the file changes, wherever it is kept."""

    __slots__ = ()
    first = done(ANYTHING)
    operation: OpenWrite | CloseWrite | Writeback | PageOut


REGULAR_BEHAVIOURS: Final[dict[type[Operation], type[Behaviour]]] = {
    Collapse: CollapsingCache,
    Khugepaged: CollapsingCache,
    Load: LoadingCache,
    Store: StoringCache,
    PinWrite: PinningCache,
    Read: ReadingCache,
    Write: WritingCache,
    Mincore: LookingAtCache,
    Truncate: Truncating,
    Munmap: Mapping,
    Mremap: Mapping,
    DontNeed: Discarding,
    PageOut: Unnoticed,
    OpenWrite: Unnoticed,
    CloseWrite: Unnoticed,
    Writeback: Unnoticed,
}
"""By operation, what it may do; the others are not modelled for regular files."""
