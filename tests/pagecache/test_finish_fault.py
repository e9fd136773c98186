"""finish_fault() since 6.18, stepped by hand: when all of a large folio is mapped, and when one page of it."""

from __future__ import annotations

import dataclasses

import pytest
from stepping import Hand, K, folio_at, run, untidy, world

from pagecache.fault import access
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec

KERNEL = "linux-2026"
B = Task("B", 1)
FOUR = WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 2),))
FILE = WorldSpec(("dirty",) * 4, 2, 4, (VmaSpec(end=4, writable=True),), ((0, 2),), backing="file")


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def with_vma(spec: WorldSpec, **changes: object) -> World:
    """The world with its first mapping changed."""
    vma = dataclasses.replace(spec.vmas[0], **changes)  # type: ignore[arg-type]
    return world(dataclasses.replace(spec, vmas=(vma,)), KERNEL)


def touch(here: World, index: int, store: str | None = None) -> str:
    return run(access(here.vmas[0], index, store, waits=True))  # type: ignore[no-any-return]


def mapped(here: World) -> list[int]:
    return sorted(here.vmas[0].ptes)


@pytest.mark.parametrize("index", range(4))
def test_a_load_maps_all_of_the_folio_with_a_reference_for_each_page(index: int) -> None:
    here = world(FOUR, KERNEL)

    assert touch(here, index) == f"d{index}"

    assert mapped(here) == [0, 1, 2, 3]
    assert (folio_at(here, 0).mapcount, folio_at(here, 0).refcount) == (4, 4 + 4)
    assert not any(entry.dirty for entry in here.vmas[0].ptes.values())
    assert untidy(here) == []


def test_before_6_18_it_maps_its_own_page() -> None:
    here = world(FOUR, "linux-6.4")

    touch(here, 2)

    assert mapped(here) == [2]


def test_a_store_makes_all_entries_writable_and_dirty() -> None:
    here = world(FILE, KERNEL)

    touch(here, 1, "stored")

    assert mapped(here) == [0, 1, 2, 3]
    assert all(entry.write and entry.dirty for entry in here.vmas[0].ptes.values())


def test_a_load_of_a_regular_file_makes_none_writable() -> None:
    here = world(FILE, KERNEL)

    touch(here, 1)

    assert mapped(here) == [0, 1, 2, 3]
    assert not any(entry.write for entry in here.vmas[0].ptes.values())


@pytest.mark.parametrize("part", [{"start": 1}, {"end": 3}], ids=["without-the-head", "without-the-tail"])
def test_where_the_mapping_ends_in_the_folio_it_maps_one_page(part: dict[str, int]) -> None:
    here = with_vma(FOUR, **part)

    touch(here, 2)

    assert mapped(here) == [2]


@pytest.mark.parametrize("mode", ["missing", "minor", "wp"])
def test_where_a_userfaultfd_wants_each_fault_it_maps_one_page(mode: str) -> None:
    here = with_vma(FOUR, **{mode: True})
    hand = Hand(access(here.vmas[0], 2, None, waits=False))

    if hand.finish() == "d2":
        assert mapped(here) == [2]
    else:
        assert mapped(here) == []  # MINOR: the fault was reported


def test_where_a_page_of_it_is_mapped_already_it_maps_one_page() -> None:
    here = with_vma(FOUR, mapped=(0,))

    touch(here, 2)

    assert mapped(here) == [0, 2]
    assert folio_at(here, 0).refcount == 4 + 2


@pytest.mark.parametrize(("spec", "pages"), [(FOUR, [0, 1, 2, 3]), (FILE, [0])], ids=["shmem", "regular"])
def test_across_the_end_of_a_regular_file_it_maps_one_page(spec: WorldSpec, pages: list[int]) -> None:
    here = world(spec, KERNEL)
    here.inode.i_size = 2  # as after a truncate that could not split the folio

    touch(here, 0)

    assert mapped(here) == pages
