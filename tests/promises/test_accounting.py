from __future__ import annotations

from watched import Watched

from pagecache.promises.accounting import CountWatcher
from pagecache.world import WorldSpec


def test_the_counts_agree_from_the_start() -> None:
    for pages in (("data", "data"), ("hole", "hole"), ("unwritten", "hole")):
        assert Watched(CountWatcher, WorldSpec(pages)).end() is None


def test_nrpages_is_wrong() -> None:
    run = Watched(CountWatcher)
    run.world.mapping.nrpages = 3
    assert run.end() == "in the end nrpages is 3, but 2 slots are occupied"


def test_alloced_is_too_low() -> None:
    run = Watched(CountWatcher)
    run.world.inode.info.alloced = 1
    assert run.end() == "in the end info->alloced is 1, but nrpages is 2 and info->swapped 0"


def test_alloced_may_be_too_high_until_somebody_recalculates() -> None:
    run = Watched(CountWatcher)
    run.world.inode.info.alloced = 3
    run.world.inode.i_blocks = 24
    assert run.end() is None


def test_i_blocks_does_not_follow_alloced() -> None:
    run = Watched(CountWatcher)
    run.world.inode.i_blocks = 8
    assert run.end() == "in the end i_blocks is 8, but info->alloced is 2, at 8 blocks a page"
