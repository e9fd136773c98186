from __future__ import annotations

import pytest
from watched import Watched

from pagecache.operations import (
    EVENT,
    Collapse,
    Load,
    Mincore,
    Mremap,
    Munmap,
    Operation,
    PunchHole,
    Result,
    SeekData,
    SeekHole,
    Touch,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    Write,
)
from pagecache.promises.promise import Watcher
from pagecache.promises.userfaultfd import ObservedMissingWatcher, RegisteredWatcher
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY

HOLE_AT_1 = WorldSpec(("data", "hole"))
ARMED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))


def watched(spec: WorldSpec = ARMED, watcher: type[Watcher] = ObservedMissingWatcher) -> Watched:
    return Watched(watcher, spec)


def collapse(run: Watched, name: str = "khugepaged") -> str | None:
    """A collapse of linux-6.4 as far as slots are concerned."""
    if name not in run.under_way:
        run.call(name, Collapse(0))
    huge = run.folio(0, order=1)
    run.store(name, 1, XA_RETRY_ENTRY)
    run.store(name, 0, huge)
    run.store(name, 1, huge)
    return run.objection


def place(run: Watched, name: str = "khugepaged") -> Step:
    """A collapse of linux-6.2 until its placeholder is in every slot; the step that fills it."""
    run.call(name, Collapse(0))
    huge = run.folio(0, order=1, uptodate=False)
    run.store(name, 0, huge)
    run.store(name, 1, huge)
    huge.uptodate = True
    return Step("folio_mark_uptodate", huge)


OBSERVATIONS: list[tuple[Operation, Result]] = [
    (SeekHole(0), 1),
    (SeekHole(1), 1),
    (SeekData(1), "ENXIO"),
    (Mincore(1), 0),
    (PunchHole(0, 2), 0),
    (Touch(1), EVENT),
]

NOTHING_SEEN: list[tuple[Operation, Result]] = [
    (SeekHole(0), 2),
    (SeekHole(0), "ENXIO"),
    (SeekData(0), 0),
    (Mincore(0), 1),
    (Mincore(1), 1),
    (PunchHole(0), 0),
    (Touch(0), "d0"),
    (Load(0), "d0"),
]


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=str)
def test_a_page_that_was_observed_missing_is_filled(observation: tuple[Operation, Result]) -> None:
    run = watched()
    run.do("user", *observation)
    assert collapse(run) == (
        "khugepaged filled index 1 at xas_store(1, H1), which user space has observed missing "
        "while vma0 was registered for MISSING events"
    )


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=str)
def test_a_placeholder_becomes_uptodate_over_an_observed_hole(observation: tuple[Operation, Result]) -> None:
    run = watched()
    step = place(run)
    run.do("user", *observation)
    assert run.objection is None
    assert run.after("khugepaged", step) is not None


@pytest.mark.parametrize("observation", NOTHING_SEEN, ids=str)
def test_what_nobody_observed_missing_may_be_filled(observation: tuple[Operation, Result]) -> None:
    run = watched()
    run.do("user", *observation)
    assert collapse(run) is None


@pytest.mark.parametrize("observation", OBSERVATIONS, ids=str)
def test_without_a_registration_nobody_expects_an_event(observation: tuple[Operation, Result]) -> None:
    run = watched(HOLE_AT_1)
    run.do("user", *observation)
    assert collapse(run) is None


def test_a_call_made_before_the_registration_returned_is_no_observation() -> None:
    run = watched(HOLE_AT_1)
    run.call("lseek", SeekHole(0))
    run.do("uffd", UffdRegister(), 0)
    run.answer("lseek", 1)
    assert collapse(run) is None


def test_a_call_made_after_it_is() -> None:
    run = watched(HOLE_AT_1)
    run.do("uffd", UffdRegister(), 0)
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is not None


def test_a_registration_that_failed_is_none() -> None:
    run = watched(HOLE_AT_1)
    run.do("uffd", UffdRegister(), "EINVAL")
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is None


@pytest.mark.parametrize("end", [UffdUnregister(), Munmap()], ids=str)
def test_the_end_of_a_registration_ends_what_was_expected(end: Operation) -> None:
    run = watched()
    run.do("lseek", SeekHole(0), 1)
    run.call("end", end)
    assert collapse(run) is None


@pytest.mark.parametrize(
    "end", [UffdUnregister(), Munmap(), Mremap(0, 1), Mremap(1, 0), UffdRegister(0, "wp")], ids=str
)
@pytest.mark.parametrize("first", ["uffd", "end"])
def test_a_registration_that_overlaps_with_its_end_does_not_count(end: Operation, first: str) -> None:
    run = watched(WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec())))
    calls = {"uffd": UffdRegister(), "end": end}
    run.call(first, calls.pop(first))
    run.call(*calls.popitem())
    run.answer("end", 0)
    run.answer("uffd", 0)
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is None


def test_the_registration_of_another_mapping_does() -> None:
    run = watched(WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec())))
    run.call("end", UffdUnregister(1))
    run.do("uffd", UffdRegister(), 0)
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is not None


def test_what_is_moved_takes_no_registration_with_it_unless_it_stays() -> None:
    spec = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True), VmaSpec()))
    run = watched(spec)
    run.do("mremap", Mremap(0, 1), 0)
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is None


def test_an_observation_during_which_the_registration_ended_counts_for_nothing() -> None:
    run = watched()
    run.call("lseek", SeekHole(0))
    run.do("end", UffdUnregister(), 0)
    run.do("again", UffdRegister(), 0)
    run.answer("lseek", 1)
    assert collapse(run) is None


def test_only_the_mapping_that_covers_the_page_counts() -> None:
    run = watched(WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec(start=0, end=1, missing=True))))
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is None


def test_any_mapping_that_covers_it_does() -> None:
    run = watched(WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec(start=1, missing=True))))
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is not None


@pytest.mark.parametrize("filler", [Write(1), UffdCopy(1), Load(1)], ids=str)
def test_what_user_space_has_filled_itself_is_known_to_it(filler: Operation) -> None:
    run = watched()
    run.do("lseek", SeekHole(0), 1)
    run.call("filler", filler)
    run.store("filler", 1, run.folio(1))
    run.answer("filler", 0)
    assert run.objection is None
    run.store("punch", 1, None)  # and takes away again, without having been told so yet
    assert collapse(run) is None


def test_a_reserved_page_is_not_missing() -> None:
    run = watched(WorldSpec(("data", "unwritten"), vmas=(VmaSpec(missing=True),)))
    run.do("lseek", SeekHole(0), 1)
    assert collapse(run) is None


def test_lseek_loads_null_the_collapse_stores_lseek_returns_the_hole() -> None:
    run = watched(HOLE_AT_1)
    run.call("khugepaged", Collapse(0))
    run.do("uffd", UffdRegister(), 0)
    run.call("lseek", SeekHole(0))
    assert collapse(run) is None
    assert run.answer("lseek", 1) == (
        "lseek SeekHole(index=0) returned 1, so index 1 is missing, but a collapse has filled it meanwhile, "
        "and vma0 was registered for MISSING events before the call"
    )


def test_a_punch_during_lseek_makes_the_hole_true_again() -> None:
    run = watched()
    run.call("lseek", SeekHole(0))
    collapse(run)
    run.store("punch", 1, None)
    assert run.answer("lseek", 1) is None


def test_a_collapse_that_gives_up_has_filled_nothing() -> None:
    run = watched()
    run.call("khugepaged", Collapse(0))
    run.do("lseek", SeekHole(0), 1)
    run.store("khugepaged", 1, XA_RETRY_ENTRY)
    run.store("khugepaged", 1, None)
    assert run.answer("khugepaged", "EBUSY") is None


def test_the_stronger_reading_forbids_what_nobody_observed() -> None:
    run = watched(HOLE_AT_1, RegisteredWatcher)
    run.call("khugepaged", Collapse(0))
    run.do("uffd", UffdRegister(), 0)
    assert collapse(run) == (
        "khugepaged filled index 1 at xas_store(1, H1), while vma0 is registered for MISSING events"
    )


def test_the_stronger_reading_counts_from_the_return() -> None:
    run = watched(HOLE_AT_1, RegisteredWatcher)
    run.call("uffd", UffdRegister())
    assert collapse(run) is None


def test_the_stronger_reading_ends_with_the_registration_too() -> None:
    run = watched(ARMED, RegisteredWatcher)
    run.call("uffd", UffdUnregister())
    assert collapse(run) is None


def test_the_key_is_what_later_answers_depend_on() -> None:
    one, other = watched(), watched()
    assert one.watcher.key() == other.watcher.key()
    one.do("lseek", SeekHole(0), 1)
    assert one.watcher.key() != other.watcher.key()
    other.call("lseek", SeekHole(0))
    before = other.watcher.key()
    other.answer("lseek", 1)
    assert one.watcher.key() == other.watcher.key() != before
