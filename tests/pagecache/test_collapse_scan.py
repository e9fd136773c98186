from __future__ import annotations

from typing import Any

import pytest
from stepping import DATA_DATA, DATA_HOLE, Hand, K, contents, folio_at, run, snapshot, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import (
    SCAN_EXCEED_SWAP_PTE,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_LRU,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    CollapseControl,
    hpage_collapse_scan_file_4_8,
    hpage_collapse_scan_file_2026,
    retract_page_tables_4_8,
    retract_page_tables_6_6,
)
from pagecache.fault import access
from pagecache.folio import folio_ref_freeze
from pagecache.kernels import KERNELS, LINUX_6_4, LINUX_2026
from pagecache.locks import down_read
from pagecache.step import Task
from pagecache.syscalls import do_munmap, shmem_punch_hole
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY

B = Task("B", 1)
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)), VmaSpec("B", mapped=(0,))))
SCANS = [hpage_collapse_scan_file_4_8, hpage_collapse_scan_file_2026]


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


async def nothing(*_: object) -> str:
    """A collapse_file() that is content."""
    return SCAN_SUCCEED


def scan(here: World, function: Any) -> Hand:
    """The scan alone, as madvise_collapse() calls it."""
    run(down_read(here.vmas[0].mm.mmap_lock))
    return Hand(function(here.vmas[0].mm, here.mapping, 0, CollapseControl(here.vmas[0])))


@pytest.mark.parametrize("function", SCANS)
def test_the_scan_looks_at_a_range_without_any_lock_and_leaves_no_trace(function: Any) -> None:
    here = world(MAPPED, LINUX_6_4.replace(collapse_file=nothing))
    before = snapshot(here)
    hand = scan(here, function)
    hand.until("folio_ref_count")

    assert K.atomic == 1
    assert here.vmas[0].mm.mmap_lock.readers == []
    assert hand.finish() == SCAN_SUCCEED
    assert snapshot(here) == before


@pytest.mark.parametrize("function", SCANS)
def test_the_scan_gives_up_on_a_page_that_is_isolated_or_used(function: Any) -> None:
    for change, result in (("lru", SCAN_PAGE_LRU), ("refcount", SCAN_PAGE_COUNT)):
        here = world(DATA_DATA)
        setattr(folio_at(here, 1), change, getattr(folio_at(here, 1), change) ^ 3 if change == "refcount" else False)

        assert scan(here, function).finish() == result


@pytest.mark.parametrize("function", SCANS)
def test_the_scan_waits_for_a_retry_entry_to_go(function: Any) -> None:
    here = world(DATA_HOLE, LINUX_6_4.replace(collapse_file=nothing))
    here.mapping.i_pages.slots[1] = XA_RETRY_ENTRY
    hand = scan(here, function)
    hand.until("xas_retry")
    assert hand.blocked

    here.mapping.i_pages.slots[1] = None

    assert hand.finish() == SCAN_SUCCEED


def test_the_old_scan_looks_at_a_frozen_page_and_the_new_one_spins_on_it() -> None:
    here = world(DATA_DATA)
    run(folio_ref_freeze(folio_at(here, 0), 1), B)
    new = scan(here, hpage_collapse_scan_file_2026)
    new.until("cpu_relax")

    assert new.blocked
    K.atomic = 0
    assert scan(here, hpage_collapse_scan_file_4_8).finish() == SCAN_PAGE_COUNT


@pytest.mark.parametrize("function", SCANS)
def test_the_scan_finds_a_huge_page_that_is_there(function: Any) -> None:
    here = world(DATA_DATA)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0

    assert scan(here, function).finish() == SCAN_PTE_MAPPED_HUGEPAGE


def test_a_large_folio_is_compound_to_the_old_scan_and_welcome_to_the_new_one() -> None:
    for function, result in (
        (hpage_collapse_scan_file_4_8, SCAN_PAGE_COMPOUND),
        (hpage_collapse_scan_file_2026, SCAN_SUCCEED),
    ):
        here = world(
            WorldSpec(("hole",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),)),
            LINUX_6_4.replace(collapse_file=nothing),
        )
        folio = here.memory.new_folio(1)
        folio.mapping, folio.lru, folio.refcount = here.mapping, True, 2
        here.mapping.i_pages.slots[2:] = [folio, folio]
        folio.index = 2

        assert scan(here, function).finish() == result


def test_the_scan_of_v1_gives_up_on_an_armed_mapping_with_a_hole() -> None:
    for pages, result in ((("data", "hole"), SCAN_EXCEED_SWAP_PTE), (("data", "data"), SCAN_SUCCEED)):
        here = world(WorldSpec(pages, vmas=(VmaSpec(missing=True),)), "stevens-v1")

        assert scan(here, here.kernel.hpage_collapse_scan_file).finish() == result


@pytest.mark.parametrize("kernel", [kernel.name for kernel in KERNELS if kernel.name != "stevens-v1"])
def test_madvise_collapses_a_range_and_says_so(kernel: str) -> None:
    here = world(MAPPED, kernel)

    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    assert contents(here) == ["d0", "d1"]
    assert folio_at(here, 0).order == 1
    assert untidy(here) == []
    assert [vma.ptes for vma in here.vmas] == [{}, {}]


@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-6.4", "linux-2026"])
def test_madvise_of_a_huge_page_succeeds_again(kernel: str) -> None:
    here = world(DATA_DATA, kernel)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    before = snapshot(here)

    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    assert snapshot(here) == before


def test_a_huge_page_that_went_away_again_is_not_reported_as_success() -> None:
    here = world(DATA_DATA)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    hand = Hand(madvise_collapse(here.vmas[0], 0))
    hand.until("down_write")
    run(shmem_punch_hole(here.inode, 0, 1), B)

    assert hand.finish() == "EINVAL"


def test_a_mapping_that_went_away_is_not_reported_as_success() -> None:
    here = world(DATA_DATA)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    hand = Hand(madvise_collapse(here.vmas[0], 0))
    hand.until("down_write")
    run(do_munmap(here.vmas[0]), B)

    assert hand.finish() == "EINVAL"


@pytest.mark.parametrize(("start", "end"), [(1, 2), (0, 1)])
def test_madvise_wants_a_mapping_of_the_whole_huge_page(start: int, end: int) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(start=start, end=end),)))

    assert run(madvise_collapse(here.vmas[0], 0)) == "EINVAL"
    assert here.vmas[0].mm.mmap_lock.readers == []


@pytest.mark.parametrize(
    ("result", "errno"),
    [
        ("SCAN_SUCCEED", 0),
        ("SCAN_ALLOC_HUGE_PAGE_FAIL", "ENOMEM"),
        ("SCAN_CGROUP_CHARGE_FAIL", "EBUSY"),
        ("SCAN_EXCEED_NONE_PTE", "EBUSY"),
        ("SCAN_PAGE_COUNT", "EAGAIN"),
        ("SCAN_PAGE_LOCK", "EAGAIN"),
        ("SCAN_PAGE_LRU", "EAGAIN"),
        ("SCAN_DEL_PAGE_LRU", "EAGAIN"),
        ("SCAN_PAGE_FILLED", "EAGAIN"),
        ("SCAN_TRUNCATED", "EINVAL"),
        ("SCAN_PAGE_COMPOUND", "EINVAL"),
        ("SCAN_COPY_MC", "EINVAL"),
        ("SCAN_FAIL", "EINVAL"),
        ("SCAN_EXCEED_SWAP_PTE", "EINVAL"),
    ],
)
def test_user_space_gets_an_errno_for_each_result(result: str, errno: int | str) -> None:
    async def collapse_file(*_: object) -> str:
        return result

    here = world(DATA_DATA, LINUX_6_4.replace(collapse_file=collapse_file))

    assert run(madvise_collapse(here.vmas[0], 0)) == errno


@pytest.mark.parametrize("retract", [retract_page_tables_4_8, retract_page_tables_6_6])
def test_page_tables_go_where_a_huge_page_fits(retract: Any) -> None:
    here = world(WorldSpec(vmas=(VmaSpec(), VmaSpec("B", start=1), VmaSpec("C"))))
    for vma in here.vmas[:2]:
        vma.table(1).present = True

    run(retract(here.mapping, 0))

    assert [vma.table(1).present for vma in here.vmas] == [False, True, False]


def test_until_6_5_a_mapping_whose_mmap_lock_is_taken_is_skipped() -> None:
    for retract, present in ((retract_page_tables_4_8, True), (retract_page_tables_6_6, False)):
        here = world(DATA_DATA)
        here.vmas[0].table(0).present = True
        run(down_read(here.vmas[0].mm.mmap_lock), B)

        run(retract(here.mapping, 0))

        assert here.vmas[0].table(0).present is present


@pytest.mark.parametrize("kernel", [LINUX_6_4, LINUX_2026])
def test_after_a_collapse_a_fault_builds_a_new_page_table_over_the_huge_page(kernel: Any) -> None:
    here = world(MAPPED, kernel)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    assert not here.vmas[0].table(0).present

    fault = Hand(access(here.vmas[0], 1, None, waits=True))

    assert fault.finish() == "d1"
    assert fault.visits("pte_alloc") == 1
    assert here.vmas[0].mapped(1) is folio_at(here, 0)
