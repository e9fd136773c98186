"""Switching the swap device off by hand: what comes back, who is waited for, who is too late."""

from __future__ import annotations

import pytest
from stepping import Hand, contents, run, untidy, world

from pagecache.operations import Load, Migrate, Mincore, PageOut, PunchHole, Swapoff
from pagecache.step import Task, UseAfterFree
from pagecache.swap import swap_cache_get_folio
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.world import VmaSpec, World, WorldSpec

KERNEL = "linux-2026-mended"
SWAPPED = WorldSpec(("swapped", "data"))
LARGE = WorldSpec(("swapped",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),), large=((0, 1), (2, 1)))
A, B = Task("A", 0), Task("B", 1)


def off(here: World, task: Task = B) -> Hand:
    return Hand(Swapoff().run(here, ""), task)


@pytest.mark.parametrize("spec", [SWAPPED, LARGE])
def test_every_page_comes_back_and_the_device_goes(spec: WorldSpec) -> None:
    here = world(spec, KERNEL)

    assert off(here).finish() == 0

    swap = here.mapping.swap
    assert (swap.writeok, swap.dying, swap.freed, swap.in_use()) == (False, True, True, False)
    assert contents(here) == [f"d{index}" for index in range(len(spec.pages))]
    assert untidy(here) == []


def test_it_can_be_switched_off_once() -> None:
    here = world(SWAPPED, KERNEL)
    off(here).finish()

    assert off(here).finish() == "EINVAL"


def test_nothing_goes_out_any_more() -> None:
    here = world(SWAPPED, KERNEL)
    off(here).finish()
    run(PageOut(1).run(here, ""))

    assert contents(here) == ["d0", "d1"]
    assert untidy(here) == []


def test_without_memory_the_device_stays() -> None:
    here = world(SWAPPED, KERNEL)
    hand = Hand(Swapoff().run(here, ""), B, failing=[("folio_alloc", 1)])

    assert hand.finish() == "ENOMEM"

    swap = here.mapping.swap
    assert (swap.writeok, swap.dying, swap.freed) == (True, False, False)
    assert contents(here) == ["d0", "d1"]
    assert off(here).finish() == 0


def test_it_waits_for_the_last_reference() -> None:
    here = world(SWAPPED, KERNEL)
    assert run(get_swap_device(here.mapping.swap), A)
    hand = off(here)
    hand.until("wait_for_completion")

    assert hand.blocked
    assert hand.pending is not None
    assert hand.pending.waits_for is not None
    assert hand.pending.waits_for().holders == (A,)

    run(put_swap_device(here.mapping.swap), A)

    assert hand.finish() == 0


def test_who_comes_too_late_gets_no_reference() -> None:
    here = world(SWAPPED, KERNEL)
    off(here).finish()

    assert not run(get_swap_device(here.mapping.swap))
    with pytest.raises(UseAfterFree, match="switched off"):
        run(swap_cache_get_folio(here.mapping.swap, 0))


@pytest.mark.parametrize(("operation", "result"), [(Load(0), "d0"), (Mincore(0), 0), (Migrate(0), "ENOENT")])
def test_who_has_found_an_entry_before_looks_for_the_device(
    operation: Load | Mincore | Migrate, result: object
) -> None:
    here = world(SWAPPED, KERNEL)
    hand = Hand(operation.run(here, ""), A)
    hand.until("get_swap_device")
    off(here).finish()

    assert hand.finish() == result
    assert untidy(here) == []


def test_it_waits_for_a_page_on_its_way_out() -> None:
    here = world(WorldSpec(), KERNEL)
    hand = Hand(PageOut(0).run(here, ""), A)
    hand.until("swap_shmem_alloc")
    hand.step()
    swapoff = off(here)
    swapoff.until("folio_lock")

    assert swapoff.blocked

    hand.finish()

    assert swapoff.finish() == 0
    assert contents(here) == ["d0", "d1"]
    assert untidy(here) == []


def test_it_waits_for_a_slot_on_its_way_back() -> None:
    here = world(SWAPPED, KERNEL)
    hand = Hand(PunchHole(0).run(here, ""), A)
    hand.until("free_swap_and_cache")
    swapoff = off(here)
    swapoff.until("swap_usage_in_pages", 2)

    assert swapoff.blocked

    hand.finish()

    assert swapoff.finish() == 0
    assert contents(here) == [None, "d1"]
    assert untidy(here) == []


def test_what_only_the_swap_cache_has_is_freed() -> None:
    """A page that was being read while its slot was freed: nobody else would free it but reclaim."""
    here = world(SWAPPED, KERNEL)
    load = Hand(Load(0).run(here, ""), A)
    load.until("swap_readpage")
    run(PunchHole(0).run(here, ""), B)
    load.until("put_swap_device")

    assert here.mapping.swap.slots[0].cache is not None

    load.step()

    assert off(here).finish() == 0
    assert load.finish() == "0"
    assert untidy(here) == []
