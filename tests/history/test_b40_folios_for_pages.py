"""B40, exhausted."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b40_folios_for_pages import BUG
from pagecache.operations import Fallocate, PageOut
from pagecache.world import VmaSpec, WorldSpec

(GIVES_UP,) = BUG.breaks
RESERVED_FIRST = WorldSpec(("hole", "hole", "data", "data"), size=4, vmas=(VmaSpec(end=4),), huge="always")
TWICE = [PageOut(0), PageOut(0)]


def test_it_goes_on_though_reclaim_wanted_more() -> None:
    found = reach(
        BUG.kernel, RESERVED_FIRST, [Fallocate(0, 3)], TWICE, promise=GIVES_UP, deviations=BUG.minimum.deviations
    )
    assert "returned 0, though reclaim had wanted 4 pages when it looked last, and it had reserved 2" in (
        found.verdict.sentence
    )


@pytest.mark.parametrize("length", [3, 4])
def test_by_pages_it_gives_up_when_it_should(length: int) -> None:
    assert never(BUG.fixed, RESERVED_FIRST, [Fallocate(0, length)], TWICE, promise=GIVES_UP)


def test_once_is_not_enough() -> None:
    assert never(BUG.kernel, RESERVED_FIRST, [Fallocate(0, 3)], [PageOut(0)], promise=GIVES_UP)
