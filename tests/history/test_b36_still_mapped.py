"""B36, exhausted: munmap has cleared the PMD, and its mapcount has not followed."""

from __future__ import annotations

from questions import never, reach

from pagecache.history.b36_still_mapped import BUG
from pagecache.operations import Munmap, PageOut, PunchHole, Truncate
from pagecache.world import VmaSpec, WorldSpec

MAPPED, _ = BUG.focus.worlds
BY_ENTRIES = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),), large=((0, 1),))
(STILL_MAPPED,) = BUG.breaks


def test_a_truncate_does_not_wait_for_the_mapcount() -> None:
    found = reach(BUG.kernel, MAPPED, [Munmap()], [Truncate(0)], promise=STILL_MAPPED, deviations=1)

    assert found.verdict.sentence.startswith("truncate at xas_lock_irq(): H0: still mapped when removed")


def test_nor_does_a_hole_punch() -> None:
    reach(BUG.kernel, MAPPED, [Munmap()], [PunchHole(0, 2)], promise=STILL_MAPPED, deviations=1)


def test_with_page_table_entries_there_is_no_such_window() -> None:
    assert never(BUG.kernel, BY_ENTRIES, [Munmap()], [Truncate(0)], promise=STILL_MAPPED)


def test_who_is_told_of_the_page_waits() -> None:
    assert never(BUG.fixed, MAPPED, [Munmap()], [Truncate(0)], promise=STILL_MAPPED)
    assert never(BUG.fixed, MAPPED, [Munmap()], [PunchHole(0, 2)], promise=STILL_MAPPED)


def test_reclaim_has_waited_before() -> None:
    assert never(BUG.kernel, MAPPED, [Munmap()], [PageOut(0)], promise=STILL_MAPPED)
