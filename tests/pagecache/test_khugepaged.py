"""khugepaged, its limits, and what MADV_COLLAPSE does without them."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, steps, untidy, world

from pagecache.collapse.khugepaged import khugepaged_scan_mm_slot
from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import (
    SCAN_EXCEED_NONE_PTE,
    SCAN_EXCEED_SWAP_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_SUCCEED,
)
from pagecache.fault import access
from pagecache.history import EVERY_KERNEL
from pagecache.kernels import KERNELS
from pagecache.locks import down_read, down_write
from pagecache.operations import Khugepaged, Operation
from pagecache.step import Task
from pagecache.syscalls import do_munmap, shmem_punch_hole
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
TODAY = "linux-2026"
FOUR = (VmaSpec(end=4),)
NAMES = [kernel.name for kernel in KERNELS if kernel.name != "linux-4.8"]
"""Those that count a hole once (aaa52e340073), and survive a large folio that comes back from swap."""


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def four(*pages: str, large: tuple[tuple[int, int], ...] = (), kernel: str = TODAY) -> World:
    return world(WorldSpec(pages, 2, 4, FOUR, large), kernel)


def khugepaged(here: World, none: int, swap: int) -> str:
    result: str = run(khugepaged_scan_mm_slot(here.vmas[0], 0, none, swap))
    assert untidy(here) == []
    assert (K.atomic, K.held) == (0, [])
    return result


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize(
    ("none", "swap", "result"),
    [(2, 1, SCAN_SUCCEED), (3, 3, SCAN_SUCCEED), (1, 1, SCAN_EXCEED_NONE_PTE), (2, 0, SCAN_EXCEED_SWAP_PTE)],
)
def test_a_range_with_a_hole_and_a_page_on_swap(kernel: str, none: int, swap: int, result: str) -> None:
    here = four("data", "hole", "swapped", "data", kernel=kernel)
    before = snapshot(here)

    assert khugepaged(here, none, swap) == result
    if result == SCAN_SUCCEED:
        assert folio_at(here, 0).order == 2
        assert contents(here) == ["d0", "0", "d2", "d3"]
    else:
        assert snapshot(here) == before


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize(("swap", "result"), [(1, SCAN_EXCEED_SWAP_PTE), (2, SCAN_SUCCEED)])
def test_an_entry_for_several_pages_counts_for_all_of_them(kernel: str, swap: int, result: str) -> None:
    """Those that cannot collapse the large folio that it comes back in fail later."""
    here = four("swapped", "swapped", "data", "data", large=((0, 1),), kernel=kernel)

    answer = khugepaged(here, 2, swap)

    assert (answer == SCAN_EXCEED_SWAP_PTE) is (result == SCAN_EXCEED_SWAP_PTE)
    assert kernel != TODAY or answer == result


@pytest.mark.parametrize("kernel", NAMES)
def test_so_does_a_large_folio_where_it_is_welcome(kernel: str) -> None:
    here = four("data", "data", "data", "data", large=((0, 1), (2, 1)), kernel=kernel)

    assert khugepaged(here, 0, 0) == (SCAN_SUCCEED if kernel == TODAY else SCAN_PAGE_COMPOUND)


def test_what_begins_behind_a_large_entry_is_seen() -> None:
    here = four("swapped", "swapped", "swapped", "data", large=((0, 1),))

    assert khugepaged(here, 3, 2) == SCAN_EXCEED_SWAP_PTE


@pytest.mark.parametrize("kernel", [TODAY, "linux-6.4"])
def test_madvise_has_no_limits(kernel: str) -> None:
    here = four("data", "hole", "swapped", "hole", kernel=kernel)

    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    assert "xas_get_order" not in " ".join(steps(madvise_collapse(here.vmas[0], 0)))


def test_a_process_that_is_busy_is_left_for_another_time() -> None:
    here = four("data", "data", "data", "data")
    run(down_write(here.vmas[0].mm.mmap_lock), B)

    assert run(khugepaged_scan_mm_slot(here.vmas[0], 0, 0, 0)) == SCAN_FAIL
    assert K.held == []


def test_other_readers_do_not_disturb_it() -> None:
    here = four("data", "data", "data", "data")
    run(down_read(here.vmas[0].mm.mmap_lock), B)

    hand = Hand(khugepaged_scan_mm_slot(here.vmas[0], 0, 0, 0))
    hand.until("rcu_read_lock")

    assert here.vmas[0].mm.mmap_lock.readers == [B]


@pytest.mark.parametrize(("start", "end"), [(1, 2), (0, 1)])
def test_it_wants_a_mapping_of_the_whole_huge_page(start: int, end: int) -> None:
    assert khugepaged(world(WorldSpec(vmas=(VmaSpec(start=start, end=end),)), TODAY), 0, 0) == SCAN_FAIL


def test_a_mapping_that_went_away() -> None:
    here = four("data", "data", "data", "data")
    run(do_munmap(here.vmas[0]), B)

    assert khugepaged(here, 0, 0) == SCAN_FAIL


@pytest.mark.parametrize("kernel", [TODAY, "linux-6.4", "b22-table-freed-under-a-walk"])
def test_it_takes_the_page_table_of_a_huge_page_out_and_leaves_the_rest_to_the_next_fault(kernel: str) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),)), EVERY_KERNEL[kernel])
    vma = here.vmas[0]
    assert vma.table(0).present

    assert khugepaged(here, 0, 0) == SCAN_SUCCEED
    assert vma.table(0).none
    assert run(access(vma, 1, None, waits=True)) == "d1"
    assert vma.table(0).huge is not None


def test_madvise_maps_it_at_once() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),)), TODAY)

    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    assert here.vmas[0].table(0).huge is not None


def test_a_huge_page_that_is_there_needs_no_limits() -> None:
    assert khugepaged(world(WorldSpec(large=((0, 1),)), TODAY), 0, 0) == SCAN_SUCCEED


def test_a_hole_that_is_punched_behind_the_scan_is_filled_whatever_the_limit() -> None:
    """A limit is a hint: collapse_file() counts the holes again, and compares them with those of its own scan only."""
    here = four("data", "data", "data", "data")
    hand = Hand(khugepaged_scan_mm_slot(here.vmas[0], 0, 0, 0))
    hand.until("folio_alloc")
    run(shmem_punch_hole(here.inode, 1, 1), B)

    assert hand.finish() == SCAN_SUCCEED
    assert contents(here) == ["d0", "0", "d2", "d3"]


REGULAR = WorldSpec(("data", "shadow"), backing="file")


@pytest.mark.parametrize(
    ("none", "swap", "result"),
    [(1, 1, SCAN_SUCCEED), (1, 0, SCAN_EXCEED_SWAP_PTE), (0, 1, SCAN_EXCEED_NONE_PTE)],
)
def test_what_was_evicted_from_a_regular_file_counts_as_swapped(none: int, swap: int, result: str) -> None:
    assert khugepaged(world(REGULAR, "linux-2026-mended"), none, swap) == result


def test_a_regular_file_that_is_open_for_writing() -> None:
    here = world(REGULAR, "linux-2026-mended")
    assert here.mapping.regular is not None
    here.mapping.regular.i_writecount = 1

    assert khugepaged(here, 1, 1) == SCAN_FAIL


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (Khugepaged(0), ""),
        (Khugepaged(0, max_ptes_none=1, max_ptes_swap=1), ""),
        (Khugepaged(1), "start is 1; with hpage_order 1 it must be a multiple of 2"),
        (Khugepaged(0, max_ptes_none=2), "max_ptes_none is 2; with hpage_order 1 choose 0 to 1"),
        (Khugepaged(0, max_ptes_swap=2), "max_ptes_swap is 2; with hpage_order 1 choose 0 to 1"),
        (Khugepaged(0, max_ptes_none=-1), "max_ptes_none is -1; it must not be negative"),
    ],
)
def test_limits_that_sysfs_would_not_take(operation: Operation, problem: str) -> None:
    assert operation.problem(WorldSpec()) == problem


def test_the_operation_gives_what_the_trace_says() -> None:
    assert run(Khugepaged(0).run(world(WorldSpec(), TODAY), "K.0")) == 0
    assert run(Khugepaged(0).run(world(WorldSpec(("data", "hole")), TODAY), "K.0")) == SCAN_EXCEED_NONE_PTE
