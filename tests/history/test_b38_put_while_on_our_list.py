"""B38, exhausted."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b38_put_while_on_our_list import BUG
from pagecache.operations import CloseFile, Shrink
from pagecache.world import WorldSpec

ASSERTION, BROKEN = BUG.breaks
TWO = WorldSpec(huge="always", others=("idle", "pinned"))
THREE = WorldSpec(huge="always", others=("idle", "pinned", "idle"))


def test_two_files_are_enough() -> None:
    reach(BUG.kernel, TWO, [Shrink()], [CloseFile(2)], promise=BROKEN, deviations=1)


def test_whoever_walks_the_list_next_may_meet_a_bug() -> None:
    reach(BUG.kernel, THREE, [Shrink()], [CloseFile(2)], promise=ASSERTION, deviations=2)


def test_one_that_goes_in_any_case_is_not_put_while_it_is_on_a_list() -> None:
    """The first file that is walked, which is the last of the list, must be one that stays."""
    world = WorldSpec(huge="always", others=("pinned", "idle"))
    for promise in BUG.breaks:
        assert never(BUG.kernel, world, [Shrink()], [CloseFile(2)], promise=promise)


@pytest.mark.parametrize("promise", BUG.breaks)
def test_moved_back_first_it_is_on_a_list_with_a_lock(promise: str) -> None:
    assert never(BUG.fixed, TWO, [Shrink()], [CloseFile(2)], promise=promise)


@pytest.mark.slow
@pytest.mark.parametrize("promise", BUG.breaks)
def test_two_that_are_closed_do_not_meet(promise: str) -> None:
    assert never(BUG.fixed, TWO, [Shrink()], [CloseFile(2)], [CloseFile(1)], promise=promise)


@pytest.mark.parametrize("promise", BUG.breaks)
def test_two_shrinkers_do_not_meet(promise: str) -> None:
    assert never(BUG.fixed, TWO, [Shrink()], [Shrink()], promise=promise)
