"""B17, exhausted: what the second test is good for, and what cannot happen anyway.

Three tasks take a minute each; `pytest fuzz/ --history` finds the bug again, and searches the fixed kernel.
"""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b17_dirty_after_the_test import BUG
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Munmap, Operation, PageOut, PinWrite, Read, Store, Writeback
from pagecache.world import VmaSpec, WorldSpec

(WORLD,) = BUG.focus.worlds
(EXPLAINED,) = BUG.breaks
DIRTY = WorldSpec(
    ("dirty", "data", "data", "data"), 1, 4, (VmaSpec(end=4, mapped=(0,), writable=True),), ((2, 1),), backing="file"
)
"""A store has left page 0 dirty, and an entry that is writable and dirty."""

PIN: list[Operation] = [PinWrite(0, unlocked=True)]


@pytest.mark.slow
def test_a_pin_from_before_needs_no_lock_to_make_the_page_dirty() -> None:
    reach(BUG.kernel, WORLD, [Collapse(0)], PIN, [Writeback(0)], promise=EXPLAINED, deviations=BUG.minimum.deviations)


@pytest.mark.slow
def test_a_page_that_is_dirty_by_now_ends_the_scan() -> None:
    assert never(BUG.fixed, WORLD, [Collapse(0)], PIN, [Writeback(0)], promise=EXPLAINED)


@pytest.mark.slow
def test_who_locks_the_page_to_make_it_dirty_still_has_a_reference() -> None:
    assert never(BUG.kernel, WORLD, [Collapse(0)], [PinWrite(0)], [Writeback(0)], promise=EXPLAINED)


def test_a_store_by_way_of_a_page_table_entry_is_never_lost_with_one_test_only() -> None:
    """The catalogue's ladder: what is mapped writable is dirty, and what is clean is mapped read-only."""
    assert never(BUG.kernel, DIRTY, [Collapse(0)], [Store(0)], [Writeback(0)], promise=EXPLAINED)
    assert never(BUG.kernel, DIRTY, [Collapse(0), PageOut(0), Read(0)], [Store(0)], promise=EXPLAINED)


@pytest.mark.slow
def test_nor_if_it_is_unmapped_and_closed_meanwhile() -> None:
    assert never(BUG.kernel, DIRTY, [Collapse(0)], [Store(0), Munmap()], [Writeback(0)], promise=EXPLAINED)


def test_nobody_collapses_a_file_with_a_writable_mapping_before() -> None:
    assert never(LINUX_2026_MENDED, WORLD, [Collapse(0)], PIN, promise=EXPLAINED)
