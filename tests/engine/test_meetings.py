"""Of some programs the one is chosen whose operations have met least."""

from __future__ import annotations

from fuzz.search.meetings import Meetings, meetings
from pagecache.operations import Collapse, Load, Operation, PageOut, Stat, Store
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Program, TaskSpec


def case(*operations: Operation, world: WorldSpec = WorldSpec()) -> Case:  # noqa: B008 - a value
    tasks = tuple(TaskSpec(f"task{number}", (one,)) for number, one in enumerate(operations))
    return Case("linux-2026", world, Program(tasks))


def test_pairs_of_kinds_and_each_kind_with_its_page_and_mapping() -> None:
    world = WorldSpec(("swapped", "swapped"), vmas=(VmaSpec(missing=True),), large=((0, 1),))

    found = meetings(case(Store(index=0), Load(index=0), Load(index=1), Stat(), world=world))

    modes = (True, False, False, False, False, False)
    assert found == [
        ("Load", "Load"),
        ("Load", "Stat"),
        ("Load", "Store"),
        ("Stat", "Store"),
        ("Store", "shmem", ("swapped", True), modes),
        ("Load", "shmem", ("swapped", True), modes),
        ("Stat", "shmem", None, None),
    ]


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


def test_an_operation_behind_the_end_of_the_world_has_no_page() -> None:
    assert meetings(case(Load(index=9, vma=3))) == [("Load", "shmem", None, None)]
