"""Programs are made of kinds of operations that have hardly met; of some, the one is run whose operations have not."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fuzz.search.draws import RandomDraw
from fuzz.search.meetings import Meetings, meetings
from pagecache.operations import (
    OPERATIONS,
    Collapse,
    Fallocate,
    Load,
    Munmap,
    Operation,
    PageOut,
    PunchHole,
    Split,
    Stat,
    Store,
    Truncate,
)
from pagecache.world import BACKINGS, VmaSpec, WorldSpec
from strategies.case import Case, Program, TaskSpec

SWAPPED = WorldSpec(("swapped", "swapped"), vmas=(VmaSpec(missing=True),), large=((0, 1),))
MODES = (True, False, False, False, False, False, False)


def case(*operations: Operation | tuple[Operation, ...], world: WorldSpec = WorldSpec()) -> Case:  # noqa: B008 - a value
    threads = [one if isinstance(one, tuple) else (one,) for one in operations]
    return Case("linux-2026", world, Program(tuple(TaskSpec(f"task{n}", thread) for n, thread in enumerate(threads))))


def test_pairs_of_different_tasks_and_each_operation_with_its_pages_and_mapping() -> None:
    inside, end = ("swapped", True), ("swapped", False)

    found = meetings(case(Store(index=0), (Load(index=1), Stat()), world=SWAPPED))

    assert found == [
        ("Load", "Store", False),
        ("Stat", "Store", True),
        ("Store", "shmem", (end, inside), MODES),
        ("Load", "shmem", (inside, end), MODES),
        ("Stat", "shmem", (end, end), None),
    ]


@pytest.mark.parametrize(
    ("operation", "ends"),
    [
        (PunchHole(start=0, length=4), (("data",), ("swapped", False))),
        (PunchHole(start=1, length=2), (("hole",), ("swapped", True))),
        (Fallocate(start=3), (("swapped", True), ("swapped", False))),
        (Truncate(size=3), (("swapped", True), ("swapped", False))),
        (Truncate(size=4), (None, None)),
        (Split(index=2), (("swapped", False), ("swapped", True))),
        (Collapse(start=0), (("data",), ("hole",))),
        (Munmap(vma=0), (("data",), ("data",))),
        (Stat(), (("data",), ("swapped", False))),
        (Load(index=9, vma=3), (None, None)),
    ],
    ids=str,
)
def test_the_pages_at_both_ends_and_what_cuts_through_a_large_folio(
    operation: Operation, ends: tuple[object, object]
) -> None:
    world = WorldSpec(("data", "hole", "swapped", "swapped"), 1, 4, (VmaSpec(end=1),), ((2, 1),))

    (found,) = meetings(case(operation, world=world))

    assert isinstance(found, tuple)
    assert found[2] == ends


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (Load(index=0), Load(index=1), False),
        (Load(index=1), Truncate(size=1), True),
        (Load(index=0), Truncate(size=1), False),
        (Collapse(start=0), Truncate(size=2), False),
        (PunchHole(start=0, length=2), Fallocate(start=1), True),
        (Munmap(vma=0), Load(index=1), True),
        (Stat(), Load(index=1), True),
    ],
    ids=str,
)
def test_two_operations_meet_where_they_are_about_the_same_page(one: Operation, other: Operation, meet: bool) -> None:
    kinds = sorted((type(one).__name__, type(other).__name__))

    assert meetings(case(one, other))[0] == (*kinds, meet)
    assert meetings(case(other, one))[0] == (*kinds, meet)


def test_what_has_met_already_is_passed_over() -> None:
    met = Meetings()
    often, once = case(Collapse(start=0), Load(index=0)), case(PageOut(index=0), Store(index=0))

    assert met.choose([often, often]) == often
    assert met.choose([often, once]) == once
    assert met.choose([once, often]) == once  # both have been taken: the first of equals
    assert met.choose([once, often]) == often


def test_a_long_program_is_not_newer_than_a_short_one_for_its_length() -> None:
    met = Meetings()
    met.choose([case(Load(index=0), Store(index=0), Stat())])

    half_new = case(Load(index=0), Store(index=0), Stat(), PageOut(index=0))
    new = case(PageOut(index=0), PageOut(index=0))

    assert met.choose([half_new, new]) == new


def test_every_pair_of_kinds_has_its_turn_before_any_has_it_again() -> None:
    met, draw, kinds = Meetings(), RandomDraw(Random(0)), (Load, Store, Stat)
    made = {Load: Load(index=0), Store: Store(index=0), Stat: Stat()}
    turns: Counter[frozenset[type[Operation]]] = Counter()

    for turn in range(1, 19):
        one, other = met.pair(draw, kinds)
        turns[frozenset((one, other))] += 1
        met.note(case(made[one], made[other]))
        if turn % 6 == 0:
            assert set(turns.values()) == {turn // 6}


def test_kinds_that_share_a_task_have_not_met() -> None:
    met, draw = Meetings(), RandomDraw(Random(0))
    met.note(case((Load(index=0), Stat()), (Load(index=0), Load(index=0))))  # Load || Load, Load || Stat

    assert met.pair(draw, (Load, Stat)) == (Stat, Stat)


@pytest.mark.parametrize("backing", BACKINGS)
def test_a_pair_of_kinds_is_of_those_that_are_offered(backing: str) -> None:
    met, draw = Meetings(), RandomDraw(Random(0))
    offered = tuple(kind for kind in OPERATIONS if backing in kind.backings)

    assert all(kind in offered for _ in range(100) for kind in met.pair(draw, offered))
