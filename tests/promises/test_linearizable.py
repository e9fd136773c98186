from __future__ import annotations

import pytest
from watched import Watched

from pagecache.folio import Folio
from pagecache.operations import (
    EVENT,
    Collapse,
    Fallocate,
    Load,
    MemoryFailure,
    Mincore,
    Munmap,
    Operation,
    Poke,
    PunchHole,
    Read,
    Result,
    SeekData,
    SeekHole,
    Store,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdZeropage,
    Write,
)
from pagecache.promises import explanation
from pagecache.promises.linearizable import SparseFileWatcher
from pagecache.step import Task
from pagecache.world import VmaSpec, WorldSpec

DATA = WorldSpec(("data", "data"))
HOLES = WorldSpec(("hole", "hole"))
RESERVED = WorldSpec(("unwritten", "unwritten"))
SHORT = WorldSpec(("data", "hole"), size=1)
ARMED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
TAIL = WorldSpec(("data", "hole"), vmas=(VmaSpec(start=1, missing=True),))


def watched(spec: WorldSpec = DATA, *, may_fail: bool = False) -> Watched:
    return Watched(SparseFileWatcher, spec, may_fail=may_fail)


# One operation after the other: what a sparse file answers, and what it does not.

SEQUENTIAL: list[tuple[WorldSpec, list[tuple[Operation, Result]], tuple[Operation, list[Result], list[Result]]]] = [
    (DATA, [], (Read(0), ["d0"], ["0", 0, "d1", "poison"])),
    (HOLES, [], (Read(0), ["0"], [0, "poison"])),
    (RESERVED, [], (Read(0), ["0"], ["poison"])),
    (SHORT, [], (Read(1), [0], ["0"])),
    (DATA, [(Write(0), 1)], (Read(0), ["a.0"], ["d0"])),
    (SHORT, [(Write(1), 1)], (Read(1), ["a.0"], [0])),
    (HOLES, [], (Write(0), [1], [0, "ENOMEM"])),
    (DATA, [], (Load(0), ["d0"], ["0", "SIGBUS", "SIGSEGV"])),
    (HOLES, [], (Load(0), ["0"], ["SIGBUS"])),
    (SHORT, [], (Load(1), ["SIGBUS"], ["0"])),
    (TAIL, [], (Load(0), ["SIGSEGV"], ["d0"])),
    (ARMED, [], (Touch(1), [EVENT], ["0"])),
    (ARMED, [], (Touch(0), ["d0"], [EVENT])),
    (DATA, [(Store(0), 0)], (Read(0), ["a.0"], ["d0"])),
    (DATA, [], (SeekHole(0), [2], [0, 1, "ENXIO"])),
    (HOLES, [], (SeekHole(1), [1], [0, 2])),
    (RESERVED, [], (SeekHole(0), [0], [2])),
    (HOLES, [], (SeekData(0), ["ENXIO"], [0, 2])),
    (SHORT, [], (SeekData(0), [0], ["ENXIO"])),
    (SHORT, [], (SeekHole(0), [1], [0])),
    (SHORT, [], (SeekHole(1), ["ENXIO"], [1])),
    (SHORT, [], (SeekData(1), ["ENXIO"], [1])),
    (DATA, [], (Mincore(0), [1], [0, "ENOMEM"])),
    (HOLES, [], (Mincore(0), [0], [1])),
    (SHORT, [], (Mincore(1), [0, 1], ["ENOMEM"])),
    (TAIL, [], (Mincore(0), ["ENOMEM"], [1])),
    (DATA, [(Truncate(0), 0)], (Read(0), [0], ["d0"])),
    (DATA, [(Truncate(0), 0), (Truncate(2), 0)], (Read(0), ["0"], ["d0"])),
    (DATA, [(Truncate(1), 0)], (Read(0), ["d0"], ["0", 0])),
    (DATA, [(PunchHole(0), 0)], (Read(0), ["0"], ["d0"])),
    (DATA, [(PunchHole(0), 0)], (Read(1), ["d1"], ["0"])),
    (DATA, [(PunchHole(0), 0)], (Mincore(0), [0], [1])),
    (DATA, [(Truncate(1), 0), (Truncate(2), 0)], (Mincore(1), [0], [1])),
    # A huge folio that cannot be split is zeroed in place; one that can leaves nothing behind the end of the file.
    (DATA, [(Collapse(0), 0), (PunchHole(0), 0)], (Mincore(0), [0, 1], ["ENOMEM"])),
    (DATA, [(Collapse(0), 0), (Truncate(1), 0), (Truncate(2), 0)], (Mincore(1), [0, 1], ["ENOMEM"])),
    (SHORT, [(Collapse(0), 0), (PunchHole(0), 0), (Truncate(2), 0)], (Mincore(1), [0, 1], ["ENOMEM"])),
    (SHORT, [(Fallocate(1, keep_size=True), 0), (PunchHole(0), 0)], (Fallocate(1, keep_size=True), [0], ["EINTR"])),
    (HOLES, [(Fallocate(0, 2), 0)], (Mincore(0), [0], [1])),
    (HOLES, [(Fallocate(0), 0), (Fallocate(0), 0)], (Mincore(0), [1], [0])),
    (SHORT, [(Fallocate(1), 0)], (SeekHole(0), [1], ["ENXIO"])),
    (SHORT, [(Fallocate(1), 0)], (Read(1), ["0"], [0])),
    (SHORT, [(Fallocate(1, keep_size=True), 0)], (Read(1), [0], ["0"])),
    (HOLES, [], (Fallocate(0), [0], ["ENOMEM"])),
    (ARMED, [], (UffdCopy(1), [0], ["EEXIST", "ENOENT", "EFAULT"])),
    (ARMED, [], (UffdCopy(0), ["EEXIST"], [0])),
    (ARMED, [(UffdCopy(1), 0)], (Read(1), ["a.0"], ["0"])),
    (ARMED, [(UffdZeropage(1), 0)], (Read(1), ["0"], ["a.0"])),
    (ARMED, [(Fallocate(1), 0)], (UffdCopy(1), ["EEXIST"], [0])),
    (ARMED, [(Truncate(1), 0)], (UffdCopy(1), ["EFAULT"], [0, "EEXIST"])),
    (HOLES, [], (UffdCopy(1), ["ENOENT"], [0])),
    (HOLES, [(UffdRegister(), 0)], (UffdCopy(1), [0], ["ENOENT"])),
    (HOLES, [(UffdRegister(), 0)], (Touch(1), [EVENT], ["0"])),
    (HOLES, [(UffdRegister(), "EINVAL")], (Touch(1), ["0"], [EVENT])),
    (ARMED, [(UffdUnregister(), 0)], (UffdCopy(1), ["ENOENT"], [0])),
    (ARMED, [(UffdUnregister(), 0)], (Touch(1), ["0"], [EVENT])),
    (ARMED, [(Munmap(), 0)], (UffdCopy(1), ["ENOENT"], [0])),
    (DATA, [(Munmap(), 0)], (Load(0), ["SIGSEGV"], ["d0"])),
    (DATA, [(Munmap(), 0)], (Mincore(0), ["ENOMEM"], [1])),
    (DATA, [(Collapse(0), 0)], (Read(0), ["d0"], ["0", "poison"])),
    (DATA, [(Collapse(0), "EAGAIN")], (SeekHole(0), [2], [0])),
    (HOLES, [(Collapse(0), 0)], (Mincore(1), [1], [0])),
    (HOLES, [(Collapse(0), "EBUSY")], (Mincore(1), [0], [1])),
    (RESERVED, [(Collapse(0), "EBUSY")], (Mincore(1), [0, 1], ["ENOMEM"])),
]


def told(spec: WorldSpec, before: list[tuple[Operation, Result]]) -> Watched:
    run = watched(spec)
    for operation, result in before:
        assert run.do("a", operation, result) is None
    return run


@pytest.mark.parametrize(("spec", "before", "last"), SEQUENTIAL, ids=str)
def test_one_after_the_other(
    spec: WorldSpec,
    before: list[tuple[Operation, Result]],
    last: tuple[Operation, list[Result], list[Result]],
) -> None:
    operation, right, wrong = last
    for result in right:
        assert told(spec, before).do("b", operation, result) is None, result
    for result in wrong:
        assert told(spec, before).do("b", operation, result) is not None, result


# Overlapping calls.


def test_a_read_during_a_write_sees_either() -> None:
    for content in ("d0", "write.0"):
        run = watched()
        run.call("write", Write(0))
        assert run.do("read", Read(0), content) is None


def test_a_second_read_does_not_go_back() -> None:
    run = watched()
    run.call("write", Write(0))
    run.do("read", Read(0), "write.0")
    assert run.do("read", Read(0), "d0") == (
        "read Read(index=0) returned d0; a sparse file would answer write.0 "
        "(explained up to there: read Read(index=0) = write.0)"
    )


def test_a_write_extends_the_file_before_its_data_is_there() -> None:
    run = watched(SHORT)
    run.call("write", Write(1))
    assert run.do("read", Read(1), "0") is None
    assert run.do("read", Read(1), "write.0") is None


def test_lseek_sees_a_page_as_it_was_when_it_came_by() -> None:
    # Page 0 is filled behind it, so that it reports a file that never was.
    run = watched(HOLES)
    run.call("lseek", SeekData(0))
    run.do("first", Load(0), "0")
    run.do("second", Load(1), "0")
    assert run.answer("lseek", 1) is None


def test_lseek_does_not_look_back() -> None:
    run = watched(HOLES)
    run.do("load", Load(0), "0")
    assert run.do("lseek", SeekData(0), 1) is not None


def test_operations_under_i_rwsem_see_each_other_whole() -> None:
    # A truncate and a write of the page that it removes: lseek cannot see the size of one and the page of the other.
    run = watched(DATA)
    run.call("truncate", Truncate(1))
    run.call("lseek", SeekHole(0))
    assert run.answer("lseek", 2) is None  # before the truncate
    run.call("late", SeekHole(1))
    assert run.answer("late", 1) is not None  # neither before nor after


def test_a_fault_may_fill_a_page_behind_a_punch() -> None:
    run = watched(DATA)
    run.call("punch", PunchHole(0))
    run.do("load", Load(0), "0")
    run.answer("punch", 0)
    assert run.do("mincore", Mincore(0), 1) is None


def test_a_punch_touches_every_page_of_its_range() -> None:
    run = watched(DATA)
    run.call("punch", PunchHole(0, 2))
    run.do("read", Read(1), "d1")
    run.answer("punch", 0)
    assert run.do("read", Read(1), "d1") is not None


def test_a_page_that_a_truncate_left_behind_is_missed_by_the_next_reader() -> None:
    run = watched(DATA)
    run.do("truncate", Truncate(0), 0)
    run.do("truncate", Truncate(2), 0)
    assert run.do("load", Load(1), "d1") is not None


TWO_VMAS = WorldSpec(("hole", "hole"), vmas=(VmaSpec(), VmaSpec(missing=True)))


def inserting_a_page() -> Watched:
    """A fault has inserted a page and still has it locked, as UFFDIO_COPY can tell."""
    run = watched(TWO_VMAS)
    run.call("load", Load(1))
    run.do("copy", UffdCopy(1, vma=1), "EEXIST")
    return run


def supplying_a_page() -> Watched:
    """UFFDIO_COPY has inserted a page and still has it locked, or has not: who knows."""
    run = watched(TWO_VMAS)
    run.call("copy", UffdCopy(1, vma=1))
    run.do("mincore", Mincore(1), 1)
    return run


@pytest.mark.parametrize(("left", "fine"), [(None, True), ("0", False)])
def test_a_fault_that_lost_against_a_truncate_takes_its_page_back(left: str | None, *, fine: bool) -> None:
    run = inserting_a_page()
    run.do("truncate", Truncate(0), 0)
    assert run.answer("load", "SIGBUS") is None
    run.world.inode.i_size = 0
    run.store("load", 1, run.folio(1, left) if left else None)
    assert (run.end() is None) == fine


def test_who_does_not_notice_a_truncate_keeps_a_page_of_zeroes() -> None:
    run = watched(TWO_VMAS)
    run.call("zeropage", UffdZeropage(1, vma=1))
    run.do("mincore", Mincore(1), 1)
    run.do("truncate", Truncate(0), 0)
    run.do("truncate", Truncate(2), 0)
    assert run.do("copy", UffdCopy(1, vma=1), "EEXIST") is None
    assert run.answer("zeropage", 0) is None


@pytest.mark.parametrize(
    ("result", "left", "fine"),
    [(0, "copy.0", False), (0, None, True), ("EFAULT", "copy.0", False), ("EFAULT", None, True)],
)
def test_a_truncate_must_not_leave_behind_what_uffdio_copy_keeps(
    result: Result, left: str | None, *, fine: bool
) -> None:
    run = supplying_a_page()
    run.do("truncate", Truncate(0), 0)
    assert run.answer("copy", result) is None
    run.world.inode.i_size = 0
    run.store("copy", 1, run.folio(1, left) if left else None)
    assert (run.end() is None) == fine


def test_what_uffdio_copy_has_filled_does_not_survive_a_truncate() -> None:
    run = supplying_a_page()
    run.do("truncate", Truncate(0), 0)
    run.do("truncate", Truncate(2), 0)
    run.answer("copy", 0)
    assert run.do("read", Read(1), "copy.0") is not None


@pytest.mark.parametrize("witness", [(Load(1), "copy.0"), (Collapse(0), 0), (Fallocate(1), 0)], ids=str)
def test_nobody_gets_at_a_page_before_it_is_there_to_stay(witness: tuple[Operation, Result]) -> None:
    for result, fine in ((0, True), ("EFAULT", False)):
        run = supplying_a_page()
        run.do("witness", *witness)
        run.do("truncate", Truncate(0), 0)
        assert (run.answer("copy", result) is None) == fine


def test_a_page_that_is_being_written_is_not_zeroed_by_a_fault() -> None:
    run = watched(TWO_VMAS)
    run.call("write", Write(1))
    run.do("copy", UffdCopy(1, vma=1), "EEXIST")
    assert run.do("load", Load(1), "0") is not None


def test_a_read_copies_after_it_has_looked_at_the_size() -> None:
    run = watched(DATA)
    run.do("khugepaged", Collapse(0), 0)
    run.call("read", Read(1))
    run.do("truncate", Truncate(1), 0)  # zeroes in place
    assert run.answer("read", "0") is None


def test_a_collapse_fills_hole_after_hole_but_then_it_has_to_succeed() -> None:
    run = watched(HOLES)
    run.call("khugepaged", Collapse(0))
    assert run.do("mincore", Mincore(0), 1) is None
    assert run.do("mincore", Mincore(1), 0) is None
    assert run.answer("khugepaged", "EAGAIN") is not None


def test_data_does_not_turn_into_a_hole_during_a_collapse() -> None:
    run = watched(DATA)
    run.call("khugepaged", Collapse(0))
    assert run.do("lseek", SeekHole(0), 0) == "lseek SeekHole(index=0) returned 0; a sparse file would answer 2"


def test_what_is_going_to_be_unmapped_may_already_be() -> None:
    run = watched(DATA)
    run.call("munmap", Munmap())
    assert run.do("load", Load(0), "d0") is None
    assert run.do("load", Load(0), "SIGSEGV") is None
    run.call("mincore", Mincore(0))
    run.answer("munmap", 0)
    assert run.answer("mincore", 1) is None


def test_nobody_knows_which_of_two_registrations_came_last() -> None:
    for result in (EVENT, "0"):
        run = watched(HOLES)
        run.call("one", UffdRegister())
        run.call("two", UffdUnregister())
        run.answer("one", 0)
        run.answer("two", 0)
        assert run.do("touch", Touch(0), result) is None


def test_an_injected_failure_explains_an_error_but_no_damage() -> None:
    for operation in (Write(0), Fallocate(0, 2), UffdCopy(1)):
        run = watched(ARMED, may_fail=True)
        assert run.do("task", operation, "ENOMEM") is None
        assert run.do("read", Read(0), "d0") is None
        assert run.do("seek", SeekHole(0), 1) is None
    run = watched(DATA, may_fail=True)
    assert run.do("load", Load(0), "SIGBUS") is None
    assert run.do("read", Read(0), "0") is not None


def test_an_undone_fallocate_leaves_what_others_have_written_to() -> None:
    run = watched(HOLES, may_fail=True)
    run.call("fallocate", Fallocate(0, 2))
    run.do("store", Store(0), 0)
    run.answer("fallocate", "ENOMEM")
    assert run.do("read", Read(0), "store.0") is None


# The end.


def test_a_lost_page_is_noticed_although_nobody_reads_it() -> None:
    run = watched()
    run.do("write", Write(0), 1)
    assert run.end() == (
        "in the end index 0 holds d0 instead of write.0 (explained up to there: write Write(index=0) = 1)"
    )


def test_the_size_is_part_of_the_file() -> None:
    run = watched()
    run.world.inode.i_size = 1
    assert run.end() == "in the end i_size is 1 instead of 2"


def test_the_end_of_a_quiet_run() -> None:
    for spec in (DATA, HOLES, RESERVED, SHORT, ARMED):
        assert watched(spec).end() is None


def test_an_operation_that_never_returns_may_have_done_what_it_likes() -> None:
    run = watched(HOLES)
    run.call("load", Load(1))
    run.store("load", 1, run.folio(1))
    assert run.end() is None


def test_a_folio_that_does_not_hold_the_page_of_its_slot() -> None:
    run = watched()
    run.at(0).index = 7
    assert run.end() == "in the end index 0 holds not a page of F0 instead of d0"


def test_a_reserved_page_is_not_data_in_the_end() -> None:
    run = watched()
    run.store("khugepaged", 1, run.folio(0, order=1, uptodate=False))
    assert run.end() == "in the end index 1 holds a reserved page instead of d1"


# The automaton.


def test_runs_of_one_world_share_what_they_have_learned() -> None:
    first, second = watched(), watched()
    for run in (first, second):
        run.call("write", Write(0))
        run.do("read", Read(0), "d0")
    assert first.watcher.key() is second.watcher.key()
    second.do("read", Read(0), "write.0")
    assert first.watcher.key() != second.watcher.key()


def test_an_automaton_that_has_grown_too_large_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "STATES_MAX", 3)
    automaton = explanation.Automaton(DATA, may_fail=False)
    state, first = automaton.initial, automaton.initial
    task = Task("read", 0)
    for number in range(9):
        after = state.called(task, number, Read(0)).returned(task, "d0")
        assert after is not None
        state = after
    assert automaton.initial is not first
    assert state.called(task, 9, Read(0)).returned(task, "0") is None


@pytest.mark.parametrize("flushed", [True, False])
def test_what_is_stored_through_a_stale_tlb_entry_is_lost_where_memory_has_failed(flushed: bool) -> None:
    """A collapse unmaps the page, memory_failure() finds nobody who has it mapped, the TLB is flushed only then."""
    run = watched()
    run.call("khugepaged", Collapse(0))
    if flushed:
        run.answer("khugepaged", "EAGAIN")
    run.do("mce", MemoryFailure(0), "EBUSY")
    folio = run.world.mapping.i_pages.slots[0]
    assert isinstance(folio, Folio)
    folio.poisoned = True
    run.do("poke", Poke(0), 0)
    if not flushed:
        run.answer("khugepaged", "EAGAIN")

    assert (run.end() is None) is not flushed


@pytest.mark.parametrize("zeroed", [True, False])
def test_a_reserved_page_that_uffdio_continue_has_zeroed_can_fail(zeroed: bool) -> None:
    """1. UFFDIO_CONTINUE zeroes it.  2. memory_failure() takes it for a page with content.  3. It finds it poisoned."""
    run = watched(WorldSpec(("data", "unwritten"), vmas=(VmaSpec(minor=True),)))
    run.call("mce", MemoryFailure(1))
    if zeroed:
        run.do("uffd", UffdContinue(1), "EIO")

    assert (run.answer("mce", 0) is None) is zeroed
