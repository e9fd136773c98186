"""A page that was there is not mapped without a MINOR event."""

from __future__ import annotations

import pytest
from mutants import MAPS_WHAT_IT_FINDS
from questions import never, reach

from pagecache.operations import Load, Operation, PageOut, PinWrite, PunchHole, Store, UffdContinue, UffdRegister, Write
from pagecache.world import VmaSpec, WorldSpec

PROMISE = "a_page_that_was_there_is_not_mapped_without_a_minor_event"
WATCHED = WorldSpec(("data", "hole"), vmas=(VmaSpec(minor=True),))
FREE = WorldSpec(("data", "hole"))


@pytest.mark.parametrize("fault", [Load(0), Store(0), PinWrite(0)], ids=repr)
@pytest.mark.parametrize("beside", [UffdContinue(0), PunchHole(0), PageOut(0)], ids=repr)
def test_who_finds_a_page_waits(fault: Operation, beside: Operation) -> None:
    assert never("linux-2026", WATCHED, (fault,), (beside,), promise=PROMISE) > 10


def test_who_fills_a_hole_maps_what_it_has_put_there() -> None:
    never("linux-2026", WATCHED, (Load(1),), (Write(1),), promise=PROMISE)


def test_a_fault_before_the_registration_is_none_of_its_business() -> None:
    never("linux-2026", FREE, (Load(0),), (UffdRegister(mode="minor"),), promise=PROMISE)


def test_pages_around_the_fault_are_not_mapped_either() -> None:
    world = WorldSpec(("hole", "data"), vmas=(VmaSpec(minor=True, around=True),))
    never("linux-2026", world, (Load(0),), (UffdContinue(1),), promise=PROMISE)


def test_what_somebody_else_has_put_there_was_there() -> None:
    kernel = MAPS_WHAT_IT_FINDS.kernel()
    never(kernel, WATCHED, (Load(1),), promise=PROMISE)
    reach(kernel, WATCHED, (Load(1),), (Write(1),), promise=PROMISE, deviations=1)
