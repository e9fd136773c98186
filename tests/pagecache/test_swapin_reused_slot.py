"""A large swap entry that is replaced, while its order is looked up, by a small one with the same number."""

from __future__ import annotations

import pytest
from stepping import Hand, contents, run, untidy, world

from pagecache.fault import access
from pagecache.operations import Read
from pagecache.step import Task
from pagecache.syscalls import shmem_punch_hole
from pagecache.vmscan import reclaim_folio
from pagecache.world import WorldSpec

B = Task("B", 1)


def test_it_looks_again() -> None:
    """The order is that of the large entry, so the slot behind it is asked for, which nobody refers to any more."""
    here = world(WorldSpec(("swapped", "swapped"), large=((0, 1),)), "linux-2026-mended")
    hand = Hand(access(here.vmas[0], 1, None, waits=True))
    hand.until("xas_get_order", 2)
    run(shmem_punch_hole(here.inode, 0, 1), B)
    run(reclaim_folio(here.mapping, 1), B)

    assert hand.finish() == "d1"
    assert contents(here) == [None, "d1"]
    assert untidy(here) == []


@pytest.mark.parametrize(("kernel", "answer"), [("linux-2026", "ENOENT"), ("linux-2026-mended", "d0")])
def test_the_slot_was_free_for_a_moment(kernel: str, answer: str) -> None:
    """A reader is about to bring the page in when somebody else does, and it goes out again to the same slot."""
    here = world(WorldSpec(("swapped", "hole")), kernel)
    hand = Hand(Read(0).run(here, ""))
    hand.until("swap_cache_get_folio")
    run(access(here.vmas[0], 0, None, waits=True), B)
    hand.until("folio_unlock")
    run(reclaim_folio(here.mapping, 0), B)

    assert hand.finish() == answer
    assert untidy(here) == []
