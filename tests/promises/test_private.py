"""A private mapping sees its copies, and the file where it has none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from questions import never
from watched import Watched

from pagecache.operations import (
    EVENT,
    Collapse,
    DontNeed,
    Load,
    Mincore,
    Operation,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    Result,
    Store,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdZeropage,
    Write,
)
from pagecache.promises.linearizable import SparseFileWatcher
from pagecache.world import VmaSpec, WorldSpec

EXPLAINED = "every_call_is_explained_by_a_sparse_file"
BOTH = pytest.mark.parametrize(
    "kernel", [pytest.param("linux-6.4-mended", marks=pytest.mark.slow), "linux-2026-mended"]
)
DATA = WorldSpec(vmas=(VmaSpec(private=True), VmaSpec("B")))
HOLES = WorldSpec(("hole", "hole"), vmas=(VmaSpec(private=True), VmaSpec("B")))
ARMED = WorldSpec(("data", "hole"), vmas=(VmaSpec(private=True, missing=True),))
PART = WorldSpec(vmas=(VmaSpec(start=1, private=True),))
STORED = [(Store(0), 0)]

SEQUENTIAL: list[tuple[WorldSpec, Sequence[tuple[Operation, Result]], Operation, list[Result], list[Result]]] = [
    (DATA, [], Load(0), ["d0"], ["0"]),
    (DATA, STORED, Load(0), ["a.0"], ["d0"]),
    (DATA, STORED, Load(0, vma=1), ["d0"], ["a.0"]),
    (DATA, STORED, Read(0), ["d0"], ["a.0"]),
    (DATA, [*STORED, (Write(0), 1)], Load(0), ["a.0"], ["a.1"]),
    (DATA, [(Load(0), "d0"), (Write(0), 1)], Load(0), ["a.1"], ["d0"]),
    (DATA, [*STORED, (PunchHole(0), 0)], Load(0), ["a.0"], ["0", "d0"]),
    (DATA, [(Store(1), 0), (Truncate(1), 0)], Load(1), ["SIGBUS"], ["a.0"]),
    (DATA, [(Store(1), 0), (Truncate(1), 0), (Truncate(2), 0)], Load(1), ["0"], ["a.0", "d1"]),
    (DATA, [(PinWrite(0), 0)], Load(0), ["a.0"], ["d0"]),
    (DATA, [(PinWrite(0), 0)], Read(0), ["d0"], ["a.0"]),
    (HOLES, STORED, Read(0), ["0"], ["a.0"]),
    (HOLES, STORED, Mincore(0), [1], [0]),
    (HOLES, [*STORED, (PunchHole(0), 0)], Mincore(0), [1], [0]),
    (HOLES, [*STORED, (PunchHole(0), 0)], Mincore(0, vma=1), [0], [1]),
    (ARMED, [(UffdCopy(1), 0)], Load(1), ["a.0"], ["0"]),
    (ARMED, [(UffdCopy(1), 0)], Read(1), ["0"], ["a.0"]),
    (ARMED, [(UffdCopy(0), 0)], Load(0), ["a.0"], ["d0"]),
    (ARMED, [(UffdCopy(1), 0)], UffdCopy(1), ["EEXIST"], [0]),
    (ARMED, [], UffdCopy(0), [0, "EEXIST"], ["EFAULT", "ENOENT"]),
    (ARMED, [], UffdCopy(1), [0], ["EEXIST"]),
    (ARMED, [(UffdZeropage(1), 0)], Touch(1), ["0"], [EVENT]),
    (ARMED, [(UffdZeropage(1), 0), (PunchHole(1), 0)], Touch(1), [EVENT], ["0"]),
    (ARMED, [(UffdCopy(1), 0), (PunchHole(1), 0)], Touch(1), ["a.0"], [EVENT]),
    (ARMED, [(UffdZeropage(1), 0), (Store(1), 0), (PunchHole(1), 0)], Touch(1), ["a.1"], [EVENT]),
    (ARMED, [], Poke(1), [EVENT], [0]),
    (ARMED, [(UffdContinue(0), 0)], Poke(0), [0], [EVENT]),
    (DATA, STORED, DontNeed(0, 2), [0], ["ENOMEM"]),
    (DATA, [*STORED, (DontNeed(0), 0)], Load(0), ["d0"], ["a.0"]),
    (DATA, [*STORED, (DontNeed(1), 0)], Load(0), ["a.0"], ["d0"]),
    (DATA, [*STORED, (DontNeed(0, vma=1), 0)], Load(0), ["a.0"], ["d0"]),
    (DATA, [(Store(0, vma=1), 0), (DontNeed(0, vma=1), 0)], Load(0, vma=1), ["a.0"], ["d0"]),
    (PART, [], DontNeed(0, 2), ["ENOMEM"], [0]),
    (PART, [(Store(1), 0), (DontNeed(0, 2), "ENOMEM")], Load(1), ["d1"], ["a.0"]),
    (ARMED, [(UffdCopy(1), 0), (DontNeed(1), 0)], Touch(1), [EVENT], ["a.0", "0"]),
    (ARMED, [(UffdZeropage(1), 0), (DontNeed(0, 2), 0)], Touch(1), [EVENT], ["0"]),
]


@pytest.mark.parametrize(("spec", "before", "operation", "right", "wrong"), SEQUENTIAL)
def test_what_a_call_returns(
    spec: WorldSpec,
    before: Sequence[tuple[Operation, Result]],
    operation: Operation,
    right: list[Result],
    wrong: list[Result],
) -> None:
    for result, is_right in [(one, True) for one in right] + [(one, False) for one in wrong]:
        run = Watched(SparseFileWatcher, spec)
        for earlier, answer in before:
            assert run.do("a", earlier, answer) is None
        assert (run.do("a", operation, result) is None) is is_right, result


def test_in_the_end_the_copy_is_there() -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.do("a", Store(1), 0)

    assert run.end() == (
        "in the end what vma0 has of its own at index 1 holds nothing instead of a.0 "
        "(explained up to there: a Store(index=1) = 0)"
    )


def test_what_has_been_unmapped_is_not_looked_for() -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.do("a", Store(1), 0)
    run.world.vmas[0].alive = False

    assert run.end() is None


def test_a_copy_of_what_is_being_truncated_may_come_and_go() -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.call("a", Store(1))
    run.call("b", Truncate(1))
    run.do("c", Load(1), "SIGBUS")
    run.do("c", Load(1), "d1")
    assert run.answer("a", 0) is None
    assert run.do("c", Load(1), "a.0") is None
    assert run.answer("b", 0) is None
    assert run.do("c", Load(1), "a.0") is not None


def test_what_is_given_back_is_there_until_the_tlb_is_flushed() -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.do("a", Store(0), 0)
    run.call("b", DontNeed(0))
    assert run.do("c", Load(0), "a.0") is None
    assert run.do("c", Load(0), "d0") is None
    assert run.do("c", Load(0), "a.0") is None
    assert run.answer("b", 0) is None
    assert run.do("c", Load(0), "a.0") == (
        "c Load(index=0) returned a.0; a sparse file would answer d0 (explained up to there: "
        "a Store(index=0) = 0; c Load(index=0) = a.0; c Load(index=0) = d0; c Load(index=0) = a.0; "
        "b DontNeed(start=0) = 0)"
    )


def test_what_comes_in_its_place_is_seen_afterwards() -> None:
    run = Watched(SparseFileWatcher, ARMED)
    run.do("a", UffdCopy(1), 0)
    run.call("b", DontNeed(1))
    assert run.do("c", UffdCopy(1), 0) is None
    assert run.do("d", Load(1), "a.0") is None
    assert run.do("d", Store(1), 0) is None
    assert run.answer("b", 0) is None
    assert run.do("d", Load(1), "a.0") is not None


def test_what_is_stored_meanwhile_may_go_as_well() -> None:
    for seen in ("d0", "a.0", "c.0"):
        run = Watched(SparseFileWatcher, DATA)
        run.do("a", Store(0), 0)
        run.call("b", DontNeed(0))
        run.do("c", Store(0), 0)
        assert run.answer("b", 0) is None
        assert (run.do("c", Load(0), seen) is None) is (seen != "a.0"), seen


@pytest.mark.parametrize("seen", ["d0", "b.0"])
def test_a_pinned_page_may_be_given_back_before_it_is_written_to(seen: str) -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.do("a", Store(0), 0)
    run.call("b", PinWrite(0))
    run.do("c", DontNeed(0), 0)
    assert run.answer("b", 0) is None
    assert run.do("c", Load(0), seen) is None


def test_not_if_it_was_given_back_before_it_was_pinned() -> None:
    run = Watched(SparseFileWatcher, DATA)
    run.do("a", Store(0), 0)
    run.do("c", DontNeed(0), 0)
    run.do("b", PinWrite(0), 0)
    assert run.do("c", Load(0), "d0") is not None


@pytest.mark.parametrize("error", ["EEXIST", "EAGAIN"])
def test_who_fills_a_page_may_lose_the_page_table(error: str) -> None:
    run = Watched(SparseFileWatcher, ARMED)
    run.call("a", UffdCopy(1))
    assert run.answer("a", error) is not None

    run = Watched(SparseFileWatcher, ARMED)
    run.call("a", UffdCopy(1))
    run.do("b", DontNeed(0), 0)
    assert run.answer("a", error) is None


def test_to_pin_the_zero_page_takes_memory() -> None:
    for may_fail in (False, True):
        run = Watched(SparseFileWatcher, ARMED, may_fail=may_fail)
        run.do("a", UffdZeropage(1), 0)
        assert (run.do("b", PinWrite(1), "EFAULT") is None) is may_fail


PROGRAMS: list[tuple[WorldSpec, list[list[Operation]]]] = [
    (DATA, [[Store(0)], [Truncate(0), Truncate(1)]]),
    (DATA, [[Store(1)], [PunchHole(1), Load(1)]]),
    (DATA, [[Store(0), Load(0)], [Store(0, vma=1)]]),
    (DATA, [[Store(0)], [Store(0), Load(0)]]),
    (DATA, [[Collapse(0, vma=1)], [Store(1), Load(1)]]),
    (DATA, [[Collapse(0)], [Load(0), Store(0)]]),
    (DATA, [[PageOut(0)], [Load(0), Store(0), Load(0)]]),
    (DATA, [[PinWrite(0)], [Truncate(0)]]),
    (HOLES, [[Store(0)], [Write(0), Load(0)]]),
    (HOLES, [[Store(0)], [Mincore(0), PunchHole(0)]]),
    (ARMED, [[UffdCopy(1), Load(1)], [Truncate(1), Truncate(2)]]),
    (ARMED, [[UffdZeropage(1), Poke(1)], [PunchHole(1)]]),
    (ARMED, [[UffdCopy(0), Load(0)], [Collapse(0)]]),
    (ARMED, [[UffdCopy(1)], [Touch(1), Poke(1)]]),
    (ARMED, [[UffdRegister(mode="wp"), Poke(0)], [Store(0)]]),
    (DATA, [[Store(0), DontNeed(0, 2)], [Load(0), Store(0), Load(0)]]),
    (DATA, [[Store(0), DontNeed(0)], [DontNeed(0, 2), Load(0)]]),
    (DATA, [[Store(0)], [DontNeed(0), PinWrite(0)]]),
    (ARMED, [[UffdCopy(1), DontNeed(1)], [UffdCopy(1), Load(1)]]),
    (ARMED, [[UffdZeropage(1), DontNeed(0, 2)], [Poke(1), Mincore(1)]]),
]

LONGER: list[tuple[WorldSpec, list[list[Operation]]]] = [
    (DATA, [[Store(0), PinWrite(0)], [DontNeed(0), Load(0)]]),
    (DATA, [[Store(0), DontNeed(0)], [PunchHole(0), Load(0)]]),
    (DATA, [[Collapse(0)], [Store(0), DontNeed(0, 2), Load(0)]]),
]


@BOTH
@pytest.mark.parametrize(("spec", "threads"), PROGRAMS, ids=lambda value: str(value) if isinstance(value, list) else "")
def test_it_is_so_under_all_schedules(kernel: str, spec: WorldSpec, threads: list[list[Operation]]) -> None:
    assert never(kernel, spec, *threads, promise=EXPLAINED) > 10


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["linux-6.4-mended", "linux-2026-mended"])
@pytest.mark.parametrize(("spec", "threads"), LONGER, ids=lambda value: str(value) if isinstance(value, list) else "")
def test_so_it_is_of_longer_ones(kernel: str, spec: WorldSpec, threads: list[list[Operation]]) -> None:
    assert never(kernel, spec, *threads, promise=EXPLAINED) > 1_000


def test_the_copy_of_a_file_that_is_collapsed_is_kept() -> None:
    """As in B53 of the museum, but for the second look."""
    world = WorldSpec(vmas=(VmaSpec(private=True, missing=True, mapped=(0,)),))

    assert never("linux-6.4-mended", world, [Collapse(0)], [UffdCopy(1), Load(1)], promise=EXPLAINED) > 100
