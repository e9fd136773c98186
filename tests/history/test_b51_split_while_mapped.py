"""B51, exhausted: munmap has cleared the PMD, and somebody splits the page."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b51_split_while_mapped import BUG
from pagecache.operations import Munmap, Operation, PageOut, PunchHole, Split, Truncate
from pagecache.world import VmaSpec, WorldSpec

MAPPED, _ = BUG.focus.worlds
BY_ENTRIES = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),), large=((0, 1),))
(STILL_MAPPED,) = BUG.breaks

SPLITS = pytest.mark.parametrize("operation", [Split(0), PunchHole(1), Truncate(1)], ids=["split", "punch", "truncate"])


@SPLITS
def test_the_mapcount_has_not_followed(operation: Operation) -> None:
    found = reach(BUG.kernel, MAPPED, [Munmap()], [operation], promise=STILL_MAPPED, deviations=1)

    assert "H0: still mapped when it is to be split (refcount 4, index 0" in found.verdict.sentence


@SPLITS
def test_who_waits_for_the_lock_finds_it_unmapped(operation: Operation) -> None:
    assert never(BUG.fixed, MAPPED, [Munmap()], [operation], promise=STILL_MAPPED)


def test_with_page_table_entries_there_is_no_such_window() -> None:
    assert never(BUG.kernel, BY_ENTRIES, [Munmap()], [Split(0)], promise=STILL_MAPPED)


def test_reclaim_of_all_of_it_asks_whether_it_is_mapped() -> None:
    assert never(BUG.kernel, MAPPED, [Munmap()], [PageOut(0)], promise=STILL_MAPPED)
