from __future__ import annotations

import pytest
from watched import Watched

from pagecache.locks import acquire
from pagecache.promises.structure import CursorWatcher, PlaceholderWatcher, RetryWatcher, SlotWatcher
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY


def test_a_quiet_file_agrees() -> None:
    for watcher in (SlotWatcher, RetryWatcher, PlaceholderWatcher):
        assert Watched(watcher).end() is None


def test_small_folios_become_a_huge_one_slot_by_slot() -> None:
    run = Watched(SlotWatcher)
    huge = run.folio(0, order=1)
    assert run.store("khugepaged", 0, huge) is None
    assert run.store("khugepaged", 1, huge) is None
    assert run.end() is None


def test_a_folio_is_stored_where_it_does_not_belong() -> None:
    run = Watched(SlotWatcher)
    assert run.store("khugepaged", 1, run.folio(0)) == (
        "slot 1 points to F2 after khugepaged had stored it, which thinks that it is at index 0 to 0"
    )


@pytest.mark.parametrize("call", ["folio_put", "folio_put_refs", "folio_putback_lru"])
def test_a_folio_is_freed_while_a_slot_points_to_it(call: str) -> None:
    run = Watched(SlotWatcher)
    folio = run.at(1)
    folio.freed = True
    assert run.after("khugepaged", Step(call, folio)) == (
        f"slot 1 points to F1 after {call}(F1) by khugepaged, which has been freed"
    )


def test_a_folio_loses_its_mapping_while_a_slot_points_to_it() -> None:
    run = Watched(SlotWatcher)
    run.at(0).mapping = None
    assert run.after("khugepaged", Step("folio_unlock", run.at(0))) == (
        "slot 0 points to F0 after folio_unlock(F0) by khugepaged, whose mapping has been cleared"
    )


def test_a_folio_may_go_once_no_slot_points_to_it() -> None:
    run = Watched(SlotWatcher)
    folio = run.at(1)
    run.store("punch", 1, None)
    folio.mapping = None
    folio.freed = True
    assert run.after("punch", Step("folio_put", folio)) is None


def test_at_the_end_every_slot_is_looked_at() -> None:
    run = Watched(SlotWatcher)
    run.at(1).freed = True
    assert run.end() == "slot 1 points to F1 in the end, which has been freed"


def test_a_retry_entry_is_left_behind() -> None:
    run = Watched(RetryWatcher)
    run.world.mapping.i_pages.slots[1] = XA_RETRY_ENTRY
    run.world.mapping.i_pages.retry_by = run.task("khugepaged")
    assert run.end() == "slot 1 holds a RETRY entry in the end, the last of them stored by khugepaged"


def test_a_placeholder_is_left_behind() -> None:
    run = Watched(PlaceholderWatcher)
    huge = run.folio(0, order=1, uptodate=False)
    run.store("khugepaged", 1, huge)
    assert run.end() == f"slot 1 points to {huge} in the end, a huge folio that never became uptodate"


def test_a_reserved_page_is_no_placeholder() -> None:
    run = Watched(PlaceholderWatcher)
    run.store("fallocate", 1, run.folio(1, uptodate=False))
    assert run.end() is None


def test_a_cursor_that_finds_something_else_is_reported() -> None:
    run = Watched(CursorWatcher)
    acquire(run.world.mapping.i_pages.xa_lock, run.task("khugepaged"))
    run.world.mapping.i_pages.note(0, run.at(0))
    assert run.after("khugepaged", Step("xas_next", 0)) is None

    run.world.mapping.i_pages.note(1, run.at(0))

    assert run.after("khugepaged", Step("xas_next", 1)) == (
        "xas_next(1) by khugepaged found F0 with its cursor at index 1, where there is F1"
    )


def test_a_large_folio_with_slots_of_their_own_is_reported() -> None:
    run = Watched(SlotWatcher, WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),)))
    assert run.end() is None

    large = run.at(0)
    place = run.world.mapping.i_pages.place_of(0)
    assert place is not None
    place[0].slots[1] = large

    assert run.end() == f"slot 0 belongs to an entry of order 0 in the end, but {large} has order 1"
