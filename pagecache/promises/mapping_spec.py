"""What loads, stores, pins, mincore and userfaultfd may do to a file, action by action.

See :mod:`pagecache.promises.file_spec`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pagecache.operations import (
    EVENT,
    CloseFile,
    DontNeed,
    Load,
    Mincore,
    Mremap,
    Munmap,
    PinWrite,
    Poke,
    Store,
    Touch,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
)
from pagecache.promises.file_spec import (
    ANY_ERROR,
    ANYTHING,
    FIRST,
    HOLE,
    HWPOISON,
    NO,
    NOBODY,
    UNDIRTIED,
    UNWRITTEN,
    YES,
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

__all__ = [
    "Accessing",
    "Continuing",
    "Discarding",
    "Looking",
    "Mapping",
    "Pinning",
    "Supplying",
]


class Accessing(Behaviour):
    """A load or a store through a mapping: handle_mm_fault(), shmem_fault(), shmem_get_folio(SGP_CACHE).

    Not atomic, and tried again as often as it takes.  A fault looks at ``i_size``, inserts a missing page
    locked and !uptodate, zeroes it, looks at ``i_size`` again ("perhaps the file has been truncated since we
    checked"), and either takes its page back or maps it and lets go of the lock.  A page that was only reserved
    is zeroed.  Where a userfaultfd is registered for MISSING events no fault fills a hole.  For MINOR events, a fault
    at a page that is there may be reported, and for WP events any store: which, see
    :mod:`pagecache.promises.write_protection`.
    The access itself is atomic and looks at no size: a page stays mapped until a truncate has unmapped it.

    Where new folios may be huge, the fault fills holes beside its page, too, behind the end of the file as well, and
    lets go of all of them, or takes all of them back, before anything else happens.  Coarser than the kernel: it fills
    any of them; a huge folio is inserted only where nothing is.
    """

    __slots__ = ()
    operation: Load | Store | Touch | Poke

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        ours = cell.locker == self.task
        if self.huge and phase in (("fault",), ("doomed",)):
            if phase == ("fault",) and ours and self.operation.index >= size:
                yield ("doomed",), size, cell
            return
        if phase == ("doomed",):
            yield done("SIGBUS"), size, Cell(HOLE, NOBODY, cell.swept)
            return
        if not self.within or (moment.mapped != YES and not ours):
            yield done("SIGSEGV"), size, cell
        if not self.within or moment.mapped == NO:
            return
        if cell.content == HWPOISON or self.operation.index in moment.failing:
            yield done("SIGBUS"), size, cell
            if isinstance(self.operation, Store | Poke) and moment.unmapping:
                # Through a TLB entry that is to be flushed: memory_failure() finds nothing to unmap, says EBUSY, and
                # what is stored is lost.  A load is a machine check.
                yield done(0), size, cell
        if has_data(cell) and cell.locker == NOBODY and cell.content != HWPOISON:
            if isinstance(self.operation, Store | Poke):
                yield done(0), size, cell._replace(content=self.tag)
            else:
                yield done(as_read(cell.content)), size, cell
        if self.operation.index >= size:
            yield ("doomed",) if ours else done("SIGBUS"), size, cell
        elif phase == FIRST:
            yield ("fault",), size, cell
        interested = moment.registered if cell.content == HOLE else moment.minor
        if isinstance(self.operation, Poke):
            interested = max(interested, moment.wp)
        reported = phase in (("fault",), ("filled",)) and interested != NO
        if reported and isinstance(self.operation, Touch | Poke):  # others sleep, and fault again
            yield done(EVENT), size, cell
        if moment.may_fail and not ours:
            yield done("SIGBUS"), size, cell  # without memory for the page, or for its page table

    def span(self, phase: Phase) -> Sequence[int]:
        if phase == ("fault",):
            return self.around(self.operation.index)
        return self.around(self.operation.index) if self.huge and phase == ("doomed",) else ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        ours = cell.locker == self.task
        if phase == ("doomed",):
            if ours:
                yield Cell(HOLE, NOBODY, cell.swept)
        elif cell.content == HOLE:
            if moment.registered != YES and index in self.fills:
                yield Cell(UNWRITTEN, self.task, cell.swept)
        elif cell.content == UNWRITTEN:
            if ours or cell.locker == NOBODY:
                yield cell._replace(content=UNDIRTIED if ours else ZEROES)
            if ours and self.huge and moment.may_fail:
                yield cell._replace(content=HOLE, locker=NOBODY)  # ENOSPC: taken back, and a small page instead
        elif ours and self.operation.index < moment.size:
            yield cell._replace(locker=NOBODY)

    def settles(self, phase: Phase) -> Phase | None:
        if self.huge and phase == ("fault",):
            return ("filled",)
        return done("SIGBUS") if self.huge and phase == ("doomed",) else None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        del phase, index
        return cell if cell.locker != self.task else None


class Pinning(Accessing):
    """A device writes into a page that is pinned: pin_user_pages_fast(FOLL_WRITE), the write, unpin.

    Not atomic: the page is found, or faulted in, as by an access, and written later.  The pin keeps the page, not its
    place in the file: if a truncate or a hole punch runs in between, the write may go to a page that nobody
    sees any more.  Nothing else may come between the two: neither a collapse, nor reclaim, nor migration.
    """

    __slots__ = ()
    operation: PinWrite  # type: ignore[assignment]

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        match phase:
            case ("pinned",):
                if cell.content == HWPOISON:
                    yield done(0), size, cell
                elif has_data(cell):
                    yield done(0), size, cell._replace(content=self.tag)
                if moment.removing:
                    yield ("lost",), size, cell
                return
            case ("lost",):
                yield done(0), size, cell
                return
        for following, next_size, left in super().act(phase, moment, cell):
            if following[0] != "done":
                yield following, next_size, left
            elif following[1] in ("SIGBUS", "SIGSEGV"):
                yield done("EFAULT"), next_size, left
            elif following[1] != EVENT:
                yield ("pinned",), next_size, left

    def settles(self, phase: Phase) -> Phase | None:
        following = super().settles(phase)
        return done("EFAULT") if following == done("SIGBUS") else following


class Looking(Behaviour):
    """``mincore(2)`` of one page: a page-table entry, else mincore_page().

    Atomic: one look at one page; uptodate counts, as it does for lseek().
    Behind the end of the file it may say anything.  A page that is swapped out is not in core, so that it may
    say 0 where there is data.
    """

    __slots__ = ()
    operation: Mincore

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        size = moment.size
        if not self.within or moment.mapped != YES:
            yield done("ENOMEM"), size, cell
        if self.within and moment.mapped != NO:
            yield done(int(has_data(cell))), size, cell
            if moment.swapping:
                yield done(0), size, cell
            if self.operation.index >= size:
                yield done(int(not has_data(cell))), size, cell


def _where_a_pmd_maps_it(size: int, cell: Cell) -> Iterator[Outcome]:
    """An ioctl() of a userfaultfd does not split a huge page that is mapped by a PMD.

    It says EEXIST before it looks at anything else, or EAGAIN if the PMD comes in between.
    """
    if has_data(cell):
        yield done("EEXIST"), size, cell
        yield done("EAGAIN"), size, cell


class Supplying(Behaviour):
    """``UFFDIO_COPY`` and ``UFFDIO_ZEROPAGE`` of one page: shmem_mfill_atomic_pte().

    Not atomic: it looks at ``i_size``, inserts its page, complete, over a hole, and looks at ``i_size`` again under
    the page-table lock (mfill_atomic_install_pte()); if the file has shrunk meanwhile, the page is taken back.
    Whatever is at the index, be it only reserved, is EEXIST: it never waits for it.

    A collapse, or madvise(MADV_DONTNEED), may take the page table away under it: EEXIST before it has looked at
    anything else (mfill_establish_pmd()), or EAGAIN, and the page is taken back.
    """

    __slots__ = ()
    operation: UffdCopy | UffdZeropage

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        beyond = self.operation.index >= size
        match phase:
            case ("filled",):
                if self.may_be_huge(self.operation.index, moment) or moment.discarding:
                    yield done("EAGAIN"), size, Cell(HOLE, NOBODY, cell.swept)
                if beyond:
                    yield ("doomed",), size, cell
                else:
                    yield done(0), size, cell._replace(locker=NOBODY)
                return
            case ("doomed",):
                yield done("EFAULT"), size, Cell(HOLE, NOBODY, cell.swept)
                return
        # find_dst_vma(), again after each copy outside of the mmap_lock.
        if not self.within or moment.armed != YES or moment.mapped != YES:
            yield done("ENOENT"), size, cell
        if not self.within or NO in (moment.armed, moment.mapped):
            return
        if moment.may_fail:
            yield done(ANY_ERROR), size, cell
        if self.pmds:
            yield from _where_a_pmd_maps_it(size, cell)
        if moment.discarding:
            yield done("EEXIST"), size, cell
        if phase == FIRST:
            if beyond and has_data(cell) and self.may_be_huge(self.operation.index, moment):
                yield done("EEXIST"), size, cell
            yield done("EFAULT") if beyond else ("checked",), size, cell
        elif cell.content == HOLE:
            content = self.tag if isinstance(self.operation, UffdCopy) else ZEROES
            yield ("filled",), size, Cell(content, self.task, cell.swept)
        else:
            yield done("EEXIST"), size, cell


class Continuing(Behaviour):
    """``UFFDIO_CONTINUE`` of one page: shmem_get_folio(SGP_NOALLOC), then mfill_atomic_install_pte().

    It maps what is there, and gives content to a page that was only reserved; EEXIST if something is mapped already,
    which the file does not tell.
    """

    __slots__ = ()
    operation: UffdContinue

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        size = moment.size
        beyond = self.operation.index >= size
        if not self.within or moment.armed != YES or moment.mapped != YES:
            yield done("ENOENT"), size, cell
        if not self.within or NO in (moment.armed, moment.mapped):
            return
        if moment.may_fail:
            yield done(ANY_ERROR), size, cell
        if self.pmds:
            yield from _where_a_pmd_maps_it(size, cell)
        if (self.may_be_huge(self.operation.index, moment) and has_data(cell)) or moment.discarding:
            # A collapse, or madvise(MADV_DONTNEED), takes the page table away, before it looks at anything else or when
            # it has found its page.
            yield done("EEXIST" if phase == FIRST else "EAGAIN"), size, cell
        if beyond:
            yield done("EFAULT" if phase == ("found",) else "EINVAL"), size, cell
            return
        if cell.content == HWPOISON or self.operation.index in moment.failing:
            yield done("EIO"), size, cell  # a page that was only reserved may have been zeroed by then
        if phase == ("found",):
            yield done(0), size, cell
            yield done("EEXIST"), size, cell
        elif has_data(cell) and cell.content != HWPOISON:
            yield ("found",), size, cell
        elif cell.content == HOLE:
            yield done("EFAULT"), size, cell
        elif cell.locker == NOBODY:
            yield ("found",), size, cell._replace(content=ZEROES)

    def span(self, phase: Phase) -> Sequence[int]:
        return self.around(self.operation.index) if self.huge and phase == FIRST else ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        del phase, moment, index
        yield from self.cleared(cell)


class Discarding(Behaviour):
    """``madvise(MADV_DONTNEED)`` of a shared mapping: no page of the file changes, and the next access finds it."""

    __slots__ = ()
    operation: DontNeed

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        del phase
        if not self.within or moment.mapped != YES:
            yield done("ENOMEM"), moment.size, cell
        if self.within and moment.mapped != NO:
            yield done(0), moment.size, cell


class Mapping(Behaviour):
    """``munmap()``, ``mremap()``, ``UFFDIO_REGISTER``, UNREGISTER, WRITEPROTECT: no page of the file changes.

    What they do to the VMA is :class:`pagecache.promises.vma_spec.VmaFacts`' business.
    """

    __slots__ = ()
    first = done(ANYTHING)
    operation: CloseFile | Mremap | Munmap | UffdRegister | UffdUnregister | UffdWriteProtect
