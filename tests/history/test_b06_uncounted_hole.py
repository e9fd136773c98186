"""B06, exhausted: the smallest program that loses a page, and the fixed function in the same program."""

from __future__ import annotations

from questions import never, reach

from pagecache.history.b06_uncounted_hole import BUG
from pagecache.operations import Collapse, Store
from pagecache.world import WorldSpec

LOST, COUNTS = BUG.breaks
DATA_HOLE = WorldSpec(("data", "hole"))


def test_a_page_is_lost() -> None:
    reach(BUG.kernel, DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST, deviations=BUG.minimum.deviations)


def test_the_counts_are_wrong() -> None:
    reach(BUG.kernel, DATA_HOLE, [Collapse(0)], [Store(1)], promise=COUNTS, deviations=BUG.minimum.deviations)


def test_the_fixed_function_never_does() -> None:
    assert never(BUG.fixed, DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST)
    assert never(BUG.fixed, DATA_HOLE, [Collapse(0)], [Store(1)], promise=COUNTS)
