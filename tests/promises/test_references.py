from __future__ import annotations

from watched import Watched

from pagecache.promises.references import LeakWatcher, ReferenceWatcher
from pagecache.world import VmaSpec, WorldSpec

MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)), VmaSpec(mapped=(1,))))


def test_slots_and_page_tables_account_for_every_reference() -> None:
    for watcher in (ReferenceWatcher, LeakWatcher):
        assert Watched(watcher, MAPPED).end() is None


def test_a_huge_folio_has_a_reference_for_each_slot() -> None:
    run = Watched(ReferenceWatcher, WorldSpec(("hole", "hole")))
    huge = run.folio(0, order=1)
    huge.refcount = 2
    run.store("khugepaged", 0, huge)
    run.store("khugepaged", 1, huge)
    assert run.end() is None


def test_a_reference_too_many() -> None:
    run = Watched(ReferenceWatcher, MAPPED)
    run.at(1).refcount += 1
    assert run.end() == "in the end F1 has 4 references, but is found in 1 slots and 2 page-table entries"


def test_a_reference_too_few() -> None:
    run = Watched(ReferenceWatcher)
    run.at(0).refcount = 0
    assert run.end() == "in the end F0 has 0 references, but is found in 1 slots and 0 page-table entries"


def test_a_count_that_was_never_unfrozen() -> None:
    run = Watched(ReferenceWatcher)
    run.at(0).refcount = 0
    run.at(0).frozen_by = run.task("khugepaged")
    assert run.end() == "in the end the reference count of F0 is still frozen by khugepaged"


def test_a_lock_that_was_never_released() -> None:
    run = Watched(ReferenceWatcher)
    run.at(0).locked_by = run.task("khugepaged")
    assert run.end() == "in the end F0 is still locked by khugepaged"


def test_a_mapcount_that_is_wrong() -> None:
    run = Watched(ReferenceWatcher, MAPPED)
    run.at(0).mapcount = 0
    assert run.end() == "in the end the mapcount of F0 is 0, but 1 page-table entries map it"


def test_a_folio_that_was_isolated_and_forgotten() -> None:
    run = Watched(ReferenceWatcher)
    run.at(0).lru = False
    assert run.end() == "in the end F0 is in the page cache but on no LRU list: somebody isolated it and forgot"


def test_a_page_table_that_points_to_freed_memory() -> None:
    run = Watched(ReferenceWatcher, MAPPED)
    run.at(1).freed = True
    assert run.end() == "in the end vma0 maps index 1 to F1, which has been freed"


def test_a_folio_that_nobody_can_reach() -> None:
    run = Watched(LeakWatcher)
    run.store("khugepaged", 0, None)
    assert run.end() == "in the end F0 is alive with 1 references, but nothing points to it"


def test_a_folio_that_only_a_page_table_points_to_does_not_leak() -> None:
    run = Watched(LeakWatcher, MAPPED)
    run.store("truncate", 0, None)
    assert run.end() is None


def test_a_spare_node_of_a_cursor_that_has_gone() -> None:
    run = Watched(LeakWatcher)
    run.world.mapping.i_pages.nr_spares += 1
    assert run.end() == "in the end the number of spare nodes is 1, but no cursor is left that has one"
