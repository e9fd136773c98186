"""get_user_pages(): the fast way, the slow way, and what has to wait for them."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, world

from pagecache.collapse.scan import retract_page_tables_4_8
from pagecache.gup import gup_fast, pin_user_pages_fast
from pagecache.rmap import try_to_unmap
from pagecache.step import Task, UseAfterFree
from pagecache.syscalls import do_munmap
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def mapped() -> World:
    return world(WorldSpec(vmas=(VmaSpec(mapped=(0,)),)))


def test_the_fast_way_takes_a_reference_and_looks_at_the_entry_again() -> None:
    here = mapped()
    hand = Hand(gup_fast(here.vmas[0], 0))

    assert hand.finish() is folio_at(here, 0)
    assert hand.steps == [
        "local_irq_save()",
        "pmdp_get_lockless(vma0, 0)",
        "ptep_get_lockless(vma0, 0)",
        "folio_try_get(F0)",
        "ptep_get(vma0, 0)",
        "local_irq_restore()",
    ]
    assert folio_at(here, 0).refcount == 3
    assert K.atomic == 0


def test_a_reference_that_comes_after_the_unmapping_is_put_again() -> None:
    here = mapped()
    folio = folio_at(here, 0)
    hand = Hand(gup_fast(here.vmas[0], 0))
    hand.until("folio_try_get")
    run(try_to_unmap(here.mapping, folio), B)

    assert hand.finish() is None
    assert folio.refcount == 1


def test_nothing_is_faulted_in_by_the_fast_way() -> None:
    assert run(gup_fast(mapped().vmas[0], 1)) is None


def test_the_slow_way_faults_the_page_in() -> None:
    here = world(WorldSpec(("data", "hole")))

    folio = run(pin_user_pages_fast(here.vmas[0], 1))

    assert folio is folio_at(here, 1)
    assert folio.refcount == 3  # the cache's, the mapping's, ours
    assert contents(here) == ["d0", "0"]


@pytest.mark.parametrize("index", [0, 1])
def test_what_is_not_mapped_any_more_is_efault(index: int) -> None:
    here = mapped()
    run(do_munmap(here.vmas[0]))

    assert run(pin_user_pages_fast(here.vmas[0], index)) is None


def test_page_tables_go_when_the_last_walker_has_turned_interrupts_on() -> None:
    here = mapped()
    run(try_to_unmap(here.mapping, folio_at(here, 0)), B)
    walker = Hand(gup_fast(here.vmas[0], 0))
    walker.until("ptep_get_lockless")
    retract = Hand(retract_page_tables_4_8(here.mapping, 0), B)
    retract.until("tlb_remove_table_sync_one")

    assert retract.blocked
    assert walker.finish() is None
    retract.finish()
    assert not here.vmas[0].table(0).present


def test_a_table_that_is_freed_under_a_walker_is_a_use_after_free() -> None:
    here = mapped()
    walker = Hand(gup_fast(here.vmas[0], 0))
    walker.until("ptep_get_lockless")
    here.vmas[0].table(0).generation += 1

    with pytest.raises(UseAfterFree, match="page table of vma0"):
        walker.finish()
