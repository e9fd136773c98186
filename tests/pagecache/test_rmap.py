from __future__ import annotations

import pytest
from stepping import Hand, K, folio_at, run, steps, world

from pagecache.fault import access
from pagecache.folio import folio_lock
from pagecache.rmap import try_to_unmap, try_to_unmap_flush
from pagecache.world import VmaSpec, WorldSpec
from pagecache.zap import unmap_mapping_range

TWICE = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)), VmaSpec("B", mapped=(0,))))


@pytest.fixture(autouse=True)
def _fresh_task() -> None:
    K.atomic = 0
    K.held.clear()


def test_a_folio_is_unmapped_from_every_page_table() -> None:
    here = world(TWICE)
    folio = folio_at(here, 0)
    run(folio_lock(folio))

    assert steps(try_to_unmap(here.mapping, folio)) == [
        "down_read(i_mmap_rwsem)",
        "spin_lock(ptl of vma0:0)",
        "ptep_get_and_clear(vma0, 0)",
        "flush_tlb_page(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "spin_lock(ptl of vma1:0)",
        "ptep_get_and_clear(vma1, 0)",
        "flush_tlb_page(vma1, 0)",
        "spin_unlock(ptl of vma1:0)",
        "up_read(i_mmap_rwsem)",
    ]
    assert (folio.mapcount, folio.refcount) == (0, 1)
    assert list(here.vmas[0].ptes) == [1]
    assert list(here.vmas[1].ptes) == []


def test_the_semaphore_is_not_taken_by_who_has_it() -> None:
    here = world(TWICE)

    assert "down_read(i_mmap_rwsem)" not in steps(try_to_unmap(here.mapping, folio_at(here, 0), rmap_locked=True))


def test_cpus_reach_the_page_through_old_entries_until_a_flush_that_was_put_off() -> None:
    here = world(TWICE)
    folio = folio_at(here, 0)
    assert run(access(here.vmas[0], 0, "old", waits=True)) == "old"
    run(folio_lock(folio))
    run(try_to_unmap(here.mapping, folio, batch_flush=True))

    assert run(access(here.vmas[0], 0, "late", waits=True)) == "late"
    assert folio.page_at(0) == "late"

    run(try_to_unmap_flush(here.mapping))
    again = Hand(access(here.vmas[0], 0, None, waits=True))
    again.until("folio_lock")

    assert again.blocked


def test_a_range_is_unmapped_without_the_folio_locks() -> None:
    here = world(TWICE)
    run(unmap_mapping_range(here.mapping, 0, 1))

    assert list(here.vmas[0].ptes) == [1]
    assert list(here.vmas[1].ptes) == []
    assert (folio_at(here, 0).mapcount, folio_at(here, 0).refcount) == (0, 1)
    assert (folio_at(here, 1).mapcount, folio_at(here, 1).refcount) == (1, 2)


def test_unmapping_a_range_flushes_what_a_collapse_has_put_off() -> None:
    here = world(TWICE)
    run(access(here.vmas[0], 0, None, waits=True))
    run(try_to_unmap(here.mapping, folio_at(here, 0), batch_flush=True))

    run(unmap_mapping_range(here.mapping, 0, 1))

    assert here.vmas[0].tlb == {}
