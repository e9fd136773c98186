from __future__ import annotations

from collections.abc import Callable

import pytest
from watched import Watched

from pagecache.operations import Collapse, Load, PunchHole
from pagecache.promises.sometimes import SOMETIMES, SightingsWatcher
from pagecache.step import Step


def collapse(run: Watched) -> None:
    run.do("khugepaged", Collapse(0), 0)


def roll_back(run: Watched) -> None:
    run.call("khugepaged", Collapse(0))
    run.before("khugepaged", Step("folio_isolate_lru", run.at(0)))
    run.answer("khugepaged", "EAGAIN")


def fill(run: Watched) -> None:
    run.call("khugepaged", Collapse(0))
    run.call("load", Load(1))
    run.before("load", Step("xas_store", 1, run.at(1)))


def remove(run: Watched) -> None:
    run.call("khugepaged", Collapse(0))
    run.call("punch", PunchHole(1))
    run.before("punch", Step("xas_store", 1, None))


def meet_retry(run: Watched) -> None:
    run.before("load", Step("xas_retry", 1))


def meet_frozen(run: Watched) -> None:
    run.at(0).refcount = 0
    run.before("load", Step("folio_try_get", run.at(0)))


def meet_freed(run: Watched) -> None:
    run.at(0).refcount = 0
    run.at(0).freed = True
    run.before("load", Step("folio_try_get", run.at(0)))


def report(run: Watched) -> None:
    run.before("load", Step("handle_userfault"))


def wait_for_punch(run: Watched) -> None:
    run.before("load", Step("schedule", target=("i_private", 0)))


def take_back(run: Watched) -> None:
    run.call("load", Load(1))
    run.before("load", Step("xas_store", 1, None))


def split(run: Watched) -> None:
    huge = run.folio(0, order=1)
    run.before("punch", Step("xas_split", 0, huge.order))


def fail(run: Watched) -> None:
    run.task("load").failing = True
    run.before("load", Step("folio_alloc"))


WAYS: dict[str, Callable[[Watched], None]] = {
    "a_collapse_succeeded": collapse,
    "a_collapse_rolled_back": roll_back,
    "a_hole_was_filled_during_the_scan": fill,
    "a_page_was_removed_during_the_scan": remove,
    "a_lookup_met_a_retry_entry": meet_retry,
    "a_lookup_met_a_frozen_folio": meet_frozen,
    "a_lookup_met_a_freed_folio": meet_freed,
    "an_event_was_delivered": report,
    "a_fault_waited_for_a_hole_punch": wait_for_punch,
    "a_fault_took_its_page_back": take_back,
    "a_huge_folio_was_split": split,
    "a_failure_was_injected": fail,
}


def reached(way: Callable[[Watched], None]) -> set[str]:
    run = Watched(SightingsWatcher)
    way(run)
    assert run.objection is None
    assert isinstance(run.watcher, SightingsWatcher)
    return run.watcher.reached


def test_every_place_has_a_way_and_every_way_leads_to_a_place() -> None:
    assert [place.name for place in SOMETIMES] == list(WAYS)


@pytest.mark.parametrize("name", WAYS)
def test_the_way_there(name: str) -> None:
    assert reached(WAYS[name]) == {name}


def nothing(run: Watched) -> None:
    run.do("khugepaged", Collapse(0), "EINVAL")  # had not begun
    run.before("load", Step("folio_try_get", run.at(0)))
    run.before("load", Step("xas_store", 1, run.at(1)))  # no collapse, and not back
    run.before("load", Step("schedule", target=("userfaultfd", 0)))
    run.call("khugepaged", Collapse(0))
    run.before("khugepaged", Step("folio_ref_freeze", run.folio(0, order=1), 1))  # its own, in 4.8
    run.before("khugepaged", Step("xas_store", 1, None))  # its own rollback


def test_what_does_not_lead_there() -> None:
    assert reached(nothing) == set()
