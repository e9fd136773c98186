"""What a file is to those who use it: a sparse array of pages and a size.

This is the vocabulary in which :mod:`pagecache.promises.syscall_spec`, :mod:`pagecache.promises.mapping_spec` and
:mod:`pagecache.promises.memory_spec` say what each operation may do; they never mention folios, slots or reference
counts.  A page is a hole, or reserved (fallocate(), nobody wrote it, user space cannot tell it from a hole except by
UFFDIO_COPY), or it has content.

An operation of the kernel is not one atomic action, and nobody promises that it is: a hole punch
empties page after page, read(2) looks twice at the size.  So an operation is specified as a *nondeterministic
program of atomic actions*, and its granularity is a claim about the kernel that its docstring has to
defend: coarser than the kernel, the oracle would report what nobody promised; finer, it would excuse bugs.

A program is written in terms of one page at a time:

* ``act()``: the actions that take the operation on, each looking at one page and at the size;
* ``drift()``: what it may do to any page of its ``span()`` any number of times while it stays where it is;
* ``settle()``: the pages of the span are all as they have to be for the operation to go on.

Because pages depend on each other only through the operations' progress and the size, the set of all
explanations of a history is a small set of products, see :mod:`pagecache.promises.explanation`.

After Lowe, "Testing for linearizability" (2017), and the concurrency-aware specifications of Hemed, Rinetzky and
Vafeiadis, "Modular verification of concurrency-aware linearizability" (2015): an operation need not be one point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

from pagecache.operations import Operation, Result
from pagecache.step import Task
from pagecache.world import PAGES_MAX, VmaSpec, WorldSpec

__all__ = [
    "AND_SO_ON",
    "ANYTHING",
    "ANY_ERROR",
    "FIRST",
    "HOLE",
    "HWPOISON",
    "MAYBE",
    "NO",
    "NOBODY",
    "UNDIRTIED",
    "UNWRITTEN",
    "YES",
    "ZEROES",
    "Behaviour",
    "Cell",
    "Certainty",
    "Moment",
    "Outcome",
    "Phase",
    "as_read",
    "done",
    "has_data",
    "initial_cells",
    "private_cells",
]

HOLE: Final = "hole"
UNWRITTEN: Final = "unwritten"
"""Contents of a page that has none; a tag is never one of these words, see :mod:`pagecache.folio`."""

HWPOISON: Final = "hwpoison"
"""The content of a page that has been lost to a memory error: it is there, and an error to whoever wants it."""

ZEROES: Final = "0"
UNDIRTIED: Final = "zeroes that nobody wrote"
"""What a fault fills a hole with.  It reads as ZEROES, but reclaim may make a hole of it again."""

NOBODY: Final = -1


class Cell(NamedTuple):
    """One page of the file, and what operations under way have to do with it.

    Args:
        content: HOLE, UNWRITTEN, UNDIRTIED or a tag.
        locker: the number of the task that has just inserted the page and will look at ``i_size`` once
            more before anybody else can lock it.  The kernel inserts a page locked; NOBODY
            from the moment at which it can no longer be taken back.
        swept: a bit for each task that takes pages away and has been here.
        stale: of a private mapping, the copy that is in no page table any more, and in the TLB still; empty if none is.
    """

    content: str
    locker: int = NOBODY
    swept: int = 0
    stale: str = ""


def has_data(cell: Cell) -> bool:
    """Do lseek() and mincore() see data?  A page that is reserved only is none (``folio_test_uptodate()``)."""
    return cell.content not in (HOLE, UNWRITTEN)


def as_read(content: str) -> str:
    """What user space sees of it."""
    return ZEROES if content == UNDIRTIED else content


def initial_cells(spec: WorldSpec) -> tuple[Cell, ...]:
    """The file before anything runs, and the private copies, of which there are none."""
    if spec.backing == "file":
        return tuple(Cell(f"d{index}" if index < spec.size else HOLE) for index in range(len(spec.pages)))
    words = {"hole": HOLE, "unwritten": UNWRITTEN, "zeroes": UNDIRTIED}
    cells = tuple(Cell(words.get(state, f"d{index}")) for index, state in enumerate(spec.pages))
    copies = [place for number, vma in enumerate(spec.vmas) if vma.private for place in private_cells(spec, number)]
    return cells + (Cell(HOLE),) * (copies[-1] + 1 - len(cells)) if copies else cells


def private_cells(spec: WorldSpec, number: int) -> range:
    """Where the cells of a private mapping's own pages are, by index of the file: behind all files' pages.

    A HOLE there is a page that has not been copied.
    """
    before = sum(vma.private for vma in spec.vmas[:number])
    first = PAGES_MAX + before * len(spec.pages)
    return range(first, first + len(spec.pages))


Certainty = Literal[0, 1, 2]
NO: Final = 0
MAYBE: Final = 1
YES: Final = 2


class Moment(NamedTuple):
    """What an action may look at besides its page.

    Args:
        size: ``i_size`` in pages.
        mapped: is the operation's VMA there?  MAYBE while a munmap() of it runs.
        registered: does it have a MISSING userfaultfd?  MAYBE while that changes.
        minor: does it have a MINOR userfaultfd?
        wp: does it have a WP userfaultfd?
        may_fail: are failures injected, so that an error needs no other reason?
        huge: the indices whose pages may be part of a large folio.
        removing: does a call run that takes pages out of the file, and has yet to come to some?
        swapping: may pages be on the swap device?
        alone: does no other operation run?
        failing: the pages whose memory is just failing.
        reclaiming: does a PageOut run?
        unmapping: does a call run that unmaps pages first, and flushes the TLBs some time later?
        discarding: does a call run that empties page tables of the operation's VMA, and perhaps takes them away?
    """

    size: int
    mapped: Certainty
    registered: Certainty
    may_fail: bool
    huge: frozenset[int]
    removing: bool = False
    swapping: bool = False
    alone: bool = False
    failing: frozenset[int] = frozenset()
    minor: Certainty = NO
    wp: Certainty = NO
    reclaiming: bool = False
    unmapping: bool = False
    discarding: bool = False

    @property
    def armed(self) -> Certainty:
        """Does it have any userfaultfd?"""
        return max(self.registered, self.minor, self.wp)


Phase = tuple[str | int, ...]
"""How far an operation has come: a word, and what it has to remember."""

FIRST: Final[Phase] = ("first",)

ANY_ERROR: Final = "an error"
ANYTHING: Final = "anything"
"""Results that stand for several: any string; anything at all."""

AND_SO_ON: Final = "..."
"""The end of a result that stands for all strings with the same beginning."""


def done(result: Result) -> Phase:
    """The last phase: all that is left is to return ``result``."""
    return ("done", result)


Outcome = tuple[Phase, int, Cell]
"""After an action: the phase, the size, and the page that it looked at."""


def _filled_by_a_fault(spec: WorldSpec, vma: VmaSpec, index: int) -> range:
    """The pages of the largest folio that a fault at ``index`` may bring in."""
    orders = {"never": range(0), "sizes": range(spec.hpage_order, 0, -1)}.get(spec.huge, (spec.hpage_order,))
    for order in orders:
        first = index >> order << order
        if vma.start <= first and first + (1 << order) <= vma.end:
            return range(first, first + (1 << order))
    return range(index, index + 1)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One call of an operation; a subclass for each kind says what it may do.

    Args:
        operation: what was called.
        task: the number of the task that called it.
        tag: the content that it writes, if it writes.
        within: does its VMA map its page at all, or all of its pages?
        hpage_nr: HPAGE_PMD_NR in this world.
        pmds: may its VMA map huge pages by PMDs?
        huge: may new folios be large, so that what happens to a page happens to those beside it, too?
        fills: which pages a fault at its page may bring in at once.
        writable: may its VMA, if it has one, be written to?
        own: the cell of its VMA's own copy of its page, or its first; its page's in the file if the VMA is shared.
        copies: where the cells of each private mapping are.

    ``exclusive`` operations hold ``i_rwsem`` for writing from their first action until they are done:
    among themselves they run one after the other.  One that ``removes`` takes pages out of the file.
    """

    exclusive: ClassVar[bool] = False
    removes: ClassVar[bool] = False
    first: ClassVar[Phase] = FIRST

    operation: Operation
    task: int
    tag: str
    within: bool = True
    hpage_nr: int = 2
    pmds: bool = False
    huge: bool = False
    fills: range = range(0)
    writable: bool = True
    own: int = 0
    copies: tuple[range, ...] = ()

    @classmethod
    def of_call(cls, spec: WorldSpec, task: Task, number: int, operation: Operation) -> Behaviour:
        """The behaviour of ``task``'s ``number``-th operation in a world made from ``spec``."""
        pages, vma = operation.pages, getattr(operation, "vma", None)
        index = None if pages is None else pages.start
        within = (
            pages is None or vma is None or (spec.vmas[vma].start <= pages.start and pages.stop <= spec.vmas[vma].end)
        )
        pmds = vma is not None and spec.vmas[vma].huge
        fills = range(0) if index is None or vma is None else _filled_by_a_fault(spec, spec.vmas[vma], index)
        writable = vma is None or spec.backing == "shmem" or spec.vmas[vma].writable
        tag = f"{task.name}.{number}"
        nr = 1 << spec.hpage_order
        own = 0 if index is None else index
        if index is not None and vma is not None and spec.vmas[vma].private:
            own = private_cells(spec, vma)[index]
        copies = tuple(private_cells(spec, each) for each, one in enumerate(spec.vmas) if one.private)
        huge = spec.huge != "never"
        return cls(operation, task.number, tag, within, nr, pmds, huge, fills, writable, own, copies)

    @property
    def bit(self) -> int:
        """This call's bit in :attr:`Cell.swept`."""
        return 1 << self.task

    def may_be_huge(self, index: int, moment: Moment) -> bool:
        """May the page be part of a large folio?  It was so in the beginning, or a collapse has made one."""
        return index in moment.huge

    def around(self, index: int) -> range:
        """The pages that may be in one folio with that at ``index``: one that was reserved as a whole, for example."""
        first = index // self.hpage_nr * self.hpage_nr if self.huge else index
        return range(first, first + self.hpage_nr if self.huge else index + 1)

    def cleared(self, cell: Cell) -> Iterator[Cell]:
        """A page that was only reserved gets content, because another page of its folio does."""
        if cell.content == UNWRITTEN and cell.locker == NOBODY:
            yield cell._replace(content=ZEROES)

    def index(self, phase: Phase) -> int:
        """Which page the next action looks at; beyond the last one it sees a hole."""
        del phase
        index: int = getattr(self.operation, "index", 0)
        return index

    def act(self, phase: Phase, moment: Moment, cell: Cell) -> Iterator[Outcome]:
        """The actions that are possible now, given that the page at ``index(phase)`` is ``cell``."""
        raise NotImplementedError

    def span(self, phase: Phase) -> Sequence[int]:
        """The pages for which ``drift()`` and ``settle()`` are asked; indices beyond the file are allowed."""
        del phase
        return ()

    def drift(self, phase: Phase, moment: Moment, index: int, cell: Cell) -> Iterator[Cell]:
        """What the page at ``index`` may become without the operation getting any further."""
        del phase, moment, index, cell
        yield from ()

    def settles(self, phase: Phase) -> Phase | None:
        """The phase to which it goes on once all pages of the span are settled; ``None`` if there is none."""
        del phase
        return None

    def settle(self, phase: Phase, index: int, cell: Cell) -> Cell | None:
        """The page as it is left behind if it is settled, otherwise ``None``."""
        del phase, index
        return cell
