from __future__ import annotations

import pytest
from watched import Watched

from pagecache.operations import Collapse, Khugepaged, Load
from pagecache.promises.limits import LimitsWatcher
from pagecache.world import VmaSpec, WorldSpec

NONE, SWAP = "SCAN_EXCEED_NONE_PTE", "SCAN_EXCEED_SWAP_PTE"

FULL = ("data",) * 4
MIXED = ("data", "hole", "swapped", "swapped")


def watched(pages: tuple[str, ...], *large: tuple[int, int], missing: bool = False) -> Watched:
    return Watched(LimitsWatcher, WorldSpec(pages, 2, 4, (VmaSpec(end=4, missing=missing),), large))


@pytest.mark.parametrize(
    ("pages", "limits", "result", "holds"),
    [
        (FULL, (0, 0), 0, True),
        (FULL, (0, 0), NONE, False),
        (FULL, (0, 0), SWAP, False),
        (FULL, (0, 0), "SCAN_PAGE_LOCK", True),
        (MIXED, (3, 2), 0, True),
        (MIXED, (2, 2), 0, False),  # what is on swap is missing, too
        (MIXED, (3, 1), 0, False),
        (MIXED, (2, 2), NONE, True),
        (MIXED, (3, 1), NONE, False),
        (MIXED, (3, 1), SWAP, True),
        (MIXED, (2, 2), SWAP, False),
    ],
)
def test_the_result_goes_by_the_limits(
    pages: tuple[str, ...], limits: tuple[int, int], result: int | str, holds: bool
) -> None:
    none, swap = limits
    operation = Khugepaged(0, max_ptes_none=none, max_ptes_swap=swap)

    assert (watched(pages).do("khugepaged", operation, result) is None) is holds


def test_it_says_what_there_was() -> None:
    assert watched(MIXED).do("khugepaged", Khugepaged(0, max_ptes_none=3, max_ptes_swap=1), 0) == (
        "khugepaged Khugepaged(start=0, max_ptes_none=3, max_ptes_swap=1) returned 0, "
        "though 3 pages of its range were missing, 2 of them on swap, and nothing else ran"
    )


def test_large_folios_and_entries_count_by_their_pages() -> None:
    assert watched(FULL, (0, 1), (2, 1)).do("khugepaged", Khugepaged(0), NONE) is not None
    half = watched(("swapped", "swapped", "data", "data"), (0, 1))
    assert half.do("khugepaged", Khugepaged(0, max_ptes_none=2, max_ptes_swap=1), 0) is not None


@pytest.mark.parametrize("result", [NONE, SWAP])
def test_a_userfaultfd_is_a_reason_of_its_own(result: str) -> None:
    run = watched(MIXED, missing=True)
    assert run.do("khugepaged", Khugepaged(0, max_ptes_none=3, max_ptes_swap=2), result) is None


def test_only_its_range_counts() -> None:
    spec = WorldSpec(("hole", "hole", "data", "data"), size=4, vmas=(VmaSpec(end=4),))
    assert Watched(LimitsWatcher, spec).do("khugepaged", Khugepaged(2), 0) is None
    assert Watched(LimitsWatcher, spec).do("khugepaged", Khugepaged(0), 0) is not None


def test_somebody_was_there_before() -> None:
    run = watched(MIXED)
    run.call("load", Load(0))
    assert run.do("khugepaged", Khugepaged(0), 0) is None


def test_somebody_came_meanwhile() -> None:
    run = watched(MIXED)
    run.call("khugepaged", Khugepaged(0))
    run.do("load", Load(0), "d0")
    assert run.answer("khugepaged", 0) is None


def test_somebody_has_gone() -> None:
    run = watched(MIXED)
    run.do("load", Load(0), "d0")
    assert run.do("khugepaged", Khugepaged(0), 0) is not None


def test_madvise_has_no_limits() -> None:
    assert watched(MIXED).do("khugepaged", Collapse(0), 0) is None
