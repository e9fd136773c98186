"""B39, exhausted."""

from __future__ import annotations

from questions import never, reach

from pagecache.history.b39_memory_failure_truncates import BUG
from pagecache.operations import Collapse, MemoryFailure, Read, Write
from pagecache.world import WorldSpec

(LOST,) = BUG.breaks


def test_it_reads_as_zeroes() -> None:
    reach(BUG.kernel, WorldSpec(), [MemoryFailure(0), Read(0)], promise=LOST, deviations=0)


def test_the_page_that_stays_is_an_error_in_every_schedule() -> None:
    assert never(BUG.fixed, WorldSpec(), [MemoryFailure(0)], [Read(0)], promise=LOST)
    assert never(BUG.fixed, WorldSpec(), [MemoryFailure(0)], [Write(0)], promise=LOST)


def test_a_collapse_does_not_read_it() -> None:
    assert never(BUG.fixed, WorldSpec(), [Collapse(0)], [MemoryFailure(1)], promise=LOST)
