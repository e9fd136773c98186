from __future__ import annotations

import pytest
from watched import Watched

from pagecache.folio import Folio
from pagecache.operations import Collapse, Load, Split
from pagecache.promises.availability import UndisturbedCollapseWatcher, UndisturbedSplitWatcher
from pagecache.pte import MARKER_UFFD_WP, Pte
from pagecache.world import VmaSpec, WorldSpec


def test_an_easy_collapse_succeeds() -> None:
    assert Watched(UndisturbedCollapseWatcher).do("khugepaged", Collapse(0), 0) is None


def test_an_easy_collapse_fails() -> None:
    assert Watched(UndisturbedCollapseWatcher).do("khugepaged", Collapse(0), "EAGAIN") == (
        "khugepaged Collapse(start=0) returned EAGAIN, though its range was full of data and nothing else ran"
    )


@pytest.mark.parametrize(
    "spec",
    [
        WorldSpec(("data", "hole")),
        WorldSpec(("data", "unwritten")),
        WorldSpec(vmas=(VmaSpec(start=1),)),
        WorldSpec(("data", "hole"), size=1),
    ],
    ids=["a hole", "a reserved page", "not mapped as a whole", "behind the end"],
)
def test_a_collapse_that_has_a_reason_to_fail(spec: WorldSpec) -> None:
    assert Watched(UndisturbedCollapseWatcher, spec).do("khugepaged", Collapse(0), "EAGAIN") is None


def test_a_failure_that_was_injected() -> None:
    run = Watched(UndisturbedCollapseWatcher, may_fail=True)
    assert run.do("khugepaged", Collapse(0), "ENOMEM") is None


def test_somebody_was_there_before() -> None:
    run = Watched(UndisturbedCollapseWatcher)
    run.call("load", Load(0))
    assert run.do("khugepaged", Collapse(0), "EAGAIN") is None


def test_somebody_came_meanwhile() -> None:
    run = Watched(UndisturbedCollapseWatcher)
    run.call("khugepaged", Collapse(0))
    run.do("load", Load(0), "d0")
    assert run.answer("khugepaged", "EAGAIN") is None


def test_somebody_has_gone() -> None:
    run = Watched(UndisturbedCollapseWatcher)
    run.do("load", Load(0), "d0")
    assert run.do("khugepaged", Collapse(0), "EAGAIN") is not None


@pytest.mark.parametrize(("result", "excused"), [("EINVAL", True), ("EAGAIN", False)])
def test_large_folios_may_be_refused_but_not_left_for_another_time(result: str, excused: bool) -> None:
    spec = WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),))

    assert (Watched(UndisturbedCollapseWatcher, spec).do("khugepaged", Collapse(0), result) is None) is excused


def test_a_huge_page_that_is_there_already_is_not_refused() -> None:
    spec = WorldSpec(large=((0, 1),))

    assert Watched(UndisturbedCollapseWatcher, spec).do("khugepaged", Collapse(0), "EINVAL") is not None


@pytest.mark.parametrize("huge", [False, True])
def test_markers_of_an_earlier_registration_keep_the_page_table(huge: bool) -> None:
    run = Watched(UndisturbedCollapseWatcher, WorldSpec(vmas=(VmaSpec(huge=huge),)))
    run.world.vmas[0].ptes[1] = Pte(None, kind=MARKER_UFFD_WP)

    assert (run.do("khugepaged", Collapse(0), "EINVAL") is None) is huge


LARGE = WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 2),))


def test_an_easy_split_fails() -> None:
    assert Watched(UndisturbedSplitWatcher, LARGE).do("split", Split(3), 0) == (
        "split Split(index=3) has left the folio as it was, though nothing else ran"
    )


def test_an_easy_split_succeeds() -> None:
    run = Watched(UndisturbedSplitWatcher, LARGE)
    run.call("split", Split(3, 1))
    folio = run.world.mapping.i_pages.slots[0]
    assert isinstance(folio, Folio)
    folio.order = 1
    assert run.answer("split", 0) is None


@pytest.mark.parametrize("spec", [WorldSpec(), WorldSpec(("swapped", "swapped"), large=((0, 1),))])
def test_there_is_nothing_to_split(spec: WorldSpec) -> None:
    assert Watched(UndisturbedSplitWatcher, spec).do("split", Split(0), 0) is None


def test_a_split_that_was_disturbed() -> None:
    run = Watched(UndisturbedSplitWatcher, LARGE)
    run.call("split", Split(0))
    run.do("load", Load(0), "d0")
    assert run.answer("split", 0) is None


def test_a_split_without_memory() -> None:
    assert Watched(UndisturbedSplitWatcher, LARGE, may_fail=True).do("split", Split(0), 0) is None
