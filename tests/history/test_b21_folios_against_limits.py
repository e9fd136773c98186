"""B21, both halves; and by what they are not noticed."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b21_folios_against_limits import BUG
from pagecache.operations import Collapse, Khugepaged
from pagecache.world import VmaSpec, WorldSpec

(LIMITS,) = BUG.breaks
FOUR = (VmaSpec(end=4),)
FULL = WorldSpec(("data",) * 4, 2, 4, FOUR, ((0, 1),))
HALF = WorldSpec(("swapped", "swapped", "data", "data"), 2, 4, FOUR, ((0, 1),))
SMALL = WorldSpec(("swapped", "swapped", "data", "data"), 2, 4, FOUR)


def test_a_range_full_of_data_is_left_alone() -> None:
    found = reach(BUG.kernel, FULL, [Khugepaged(0)], promise=LIMITS, deviations=BUG.minimum.deviations)
    assert "returned SCAN_EXCEED_NONE_PTE, though 0 pages of its range were missing" in found.verdict.sentence


def test_more_is_read_from_swap_than_may_be() -> None:
    operation = Khugepaged(0, max_ptes_none=2, max_ptes_swap=1)
    found = reach(BUG.kernel, HALF, [operation], promise=LIMITS, deviations=0)
    assert "returned 0, though 2 pages of its range were missing, 2 of them on swap" in found.verdict.sentence


@pytest.mark.parametrize("world", [FULL, HALF])
@pytest.mark.parametrize("none", [0, 2])
@pytest.mark.parametrize("swap", [0, 1, 2])
def test_by_pages_the_limits_are_kept(world: WorldSpec, none: int, swap: int) -> None:
    operation = Khugepaged(0, max_ptes_none=none, max_ptes_swap=swap)
    never(BUG.fixed, world, [operation], promise=LIMITS)


def test_nobody_notices_without_large_folios() -> None:
    never(BUG.kernel, SMALL, [Khugepaged(0, max_ptes_none=2, max_ptes_swap=1)], promise=LIMITS)


def test_nor_does_madvise_which_has_no_limits() -> None:
    never(BUG.kernel, FULL, [Collapse(0)], promise="a_collapse_that_nobody_disturbs_succeeds")
