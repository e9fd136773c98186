from __future__ import annotations

import dataclasses

import pytest
from stepping import K, contents, run, untidy, world

from pagecache.operations import (
    EVENT,
    OPERATIONS,
    OPERATIONS_BY_NAME,
    Collapse,
    Fallocate,
    Load,
    MemoryFailure,
    Migrate,
    Mincore,
    Munmap,
    Operation,
    PunchHole,
    Read,
    Result,
    SeekData,
    SeekHole,
    Split,
    Stat,
    Store,
    Touch,
    Truncate,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdZeropage,
    Write,
)
from pagecache.world import VmaSpec, WorldSpec

SPEC = WorldSpec(("data", "hole", "unwritten", "hole"), size=3, vmas=(VmaSpec(end=4), VmaSpec("B", 1, 3, missing=True)))


@pytest.fixture(autouse=True)
def _fresh_task() -> None:
    K.atomic = 0
    K.held.clear()


@pytest.mark.parametrize(
    ("operation", "result", "held"),
    [
        (Collapse(0), "EBUSY", None),  # vma 1 wants to know about index 1
        (Collapse(2), "EBUSY", ["d0", None, "0", None]),  # and over index 2; the reserved page is cleared
        (Load(1), "0", ["d0", "0", "unwritten", None]),
        (Load(3), "SIGBUS", None),
        (Store(1), 0, ["d0", "K.0", "unwritten", None]),
        (Touch(1, vma=1), EVENT, None),
        (Touch(0), "d0", None),
        (Read(0), "d0", None),
        (Read(2), "0", None),
        (Read(3), 0, None),
        (Write(3), 1, ["d0", None, "unwritten", "K.0"]),
        (SeekData(1), "ENXIO", None),
        (SeekHole(0), 1, None),
        (Mincore(0), 1, None),
        (Mincore(2), 0, None),
        (Stat(), "st_size 3, st_blocks 16", None),
        (Truncate(1), 0, ["d0", None, None, None]),
        (PunchHole(0, 3), 0, [None] * 4),
        (Fallocate(0, 4), 0, ["d0", "unwritten", "0", "unwritten"]),
        (UffdRegister(), 0, None),
        (UffdUnregister(1), 0, None),
        (UffdCopy(1, vma=1), 0, ["d0", "K.0", "unwritten", None]),
        (UffdCopy(2, vma=1), "EEXIST", None),
        (UffdCopy(1), "ENOENT", None),
        (UffdZeropage(1, vma=1), 0, ["d0", "0", "unwritten", None]),
        (Munmap(), 0, None),
        (Migrate(0), 0, None),
        (Migrate(1), "ENOENT", None),
        (Migrate(2), 0, None),
        (Split(0), 0, None),
        (MemoryFailure(0), 0, ["hwpoison", None, "unwritten", None]),
        (MemoryFailure(1), "ENOENT", None),
        (MemoryFailure(2), "ENOENT", None),
    ],
    ids=repr,
)
def test_an_operation_gives_what_user_space_gets(
    operation: Operation, result: Result, held: list[str | None] | None
) -> None:
    here = world(SPEC)

    assert run(operation.run(here, "K.0")) == result
    assert contents(here) == (held or contents(world(SPEC)))
    assert untidy(here) == []
    assert (K.atomic, K.held) == (0, [])


def test_each_operation_is_tried_here_and_listed_once() -> None:
    assert [operation.__name__ for operation in OPERATIONS] == list(OPERATIONS_BY_NAME)
    assert len(set(OPERATIONS)) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_a_value_with_a_name_for_its_task(operation: type[Operation]) -> None:
    fields = [field.name for field in dataclasses.fields(operation) if field.default is dataclasses.MISSING]
    one, other = (operation(*[0] * len(fields)) for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)
    assert operation.task_name


def test_an_operation_is_shown_without_what_is_default() -> None:
    assert repr(UffdCopy(1)) == "UffdCopy(index=1)"
    assert repr(UffdCopy(1, vma=2)) == "UffdCopy(index=1, vma=2)"
    assert repr(Munmap()) == "Munmap()"


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (Read(4), "index is 4, but the file has 4 pages; choose 0 to 3"),
        (Read(-1), "index is -1; it must not be negative"),
        (Load(0, vma=2), "vma is 2, but the world has 2; choose 0 to 1"),
        (Truncate(5), "size is 5, but the file has 4 pages; choose 0 to 4"),
        (PunchHole(2, 3), "length is 3, but the file ends 2 pages behind start; choose 1 to 2"),
        (PunchHole(0, 0), "length is 0"),
        (Collapse(1), "start is 1; with hpage_order 1 it must be a multiple of 2"),
        (Collapse(2), ""),
        (Split(0, 1), "order is 1, but a huge page has 1; choose a lower one"),
        (Truncate(4), ""),
    ],
)
def test_an_operation_that_makes_no_sense_says_why_and_what_to_do(operation: Operation, problem: str) -> None:
    assert operation.problem(SPEC).startswith(problem)
    assert bool(operation.problem(SPEC)) is bool(problem)


def test_the_base_of_the_operations_is_none_itself() -> None:
    with pytest.raises(NotImplementedError):
        run(Operation().run(world(), "K.0"))
