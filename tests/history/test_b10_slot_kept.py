"""B10, exhausted: the node is freed, or the root becomes one."""

from __future__ import annotations

from questions import never, reach

from pagecache.history.b10_slot_kept_without_the_lock import BUG
from pagecache.operations import Collapse, Load, PunchHole
from pagecache.world import WorldSpec

LEAF, _ = BUG.focus.worlds
FIRST = WorldSpec(("data", "hole"))


def test_the_huge_page_is_stored_into_a_freed_node() -> None:
    reach(BUG.kernel, LEAF, [Collapse(4)], [PunchHole(4)], promise="no_freed_memory_is_used", deviations=1)


def test_the_root_is_overwritten() -> None:
    reach(BUG.kernel, FIRST, [Collapse(0)], [Load(1)], promise="no_kernel_assertion_fails", deviations=1)


def test_a_slot_that_is_looked_up_again_is_the_right_one() -> None:
    assert never(BUG.fixed, LEAF, [Collapse(4)], [PunchHole(4)], promise="no_freed_memory_is_used")
    assert never(BUG.fixed, FIRST, [Collapse(0)], [Load(1)], promise="no_kernel_assertion_fails")
