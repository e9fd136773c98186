from __future__ import annotations

import pytest
from stepping import K, folio_at, run, world

from pagecache.evict import evict_inodes
from pagecache.folio import folio_get
from pagecache.step import KernelBug
from pagecache.world import VmaSpec, WorldSpec

SPEC = WorldSpec(("data", "unwritten", "data", "hole"), size=3, vmas=(VmaSpec(end=4, mapped=(0,)), VmaSpec("B")))


@pytest.fixture(autouse=True)
def _fresh_task() -> None:
    K.atomic = 0
    K.held.clear()


def test_nothing_is_left_of_a_file_that_was_used_properly() -> None:
    here = world(SPEC)

    assert run(evict_inodes(here)) is None
    assert here.memory.nr_live == here.mapping.nrpages == here.inode.i_blocks == 0
    assert here.mapping.i_mmap == []


def test_a_page_count_that_is_wrong_is_a_bug_in_clear_inode() -> None:
    here = world(SPEC)
    here.mapping.nrpages += 1

    with pytest.raises(KernelBug, match="nrpages is 1"):
        run(evict_inodes(here))


def test_a_reference_that_nobody_drops_is_a_leak() -> None:
    here = world(SPEC)
    run(folio_get(folio_at(here, 2)))

    with pytest.raises(KernelBug, match=r"F2 \(refcount 1\)"):
        run(evict_inodes(here))
