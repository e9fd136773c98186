"""A page that is write-protected is not written without an event."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b24_marker_lost import BUG as B24
from pagecache.operations import Collapse, Operation, PageOut, Poke, PunchHole, UffdRegister, UffdWriteProtect
from pagecache.world import VmaSpec, WorldSpec

PROMISE = "a_write_protected_page_is_not_written_without_an_event"
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0,)),))
PROTECTED = (UffdRegister(mode="wp"), UffdWriteProtect(0), Poke(0))


@pytest.mark.parametrize("kernel", ["linux-6.4", "linux-2026"])
@pytest.mark.parametrize("beside", [Collapse(0), PageOut(0)], ids=repr)
def test_memory_management_keeps_the_protection(kernel: str, beside: Operation) -> None:
    assert never(kernel, MAPPED, (beside,), PROTECTED, promise=PROMISE) > 100


def test_a_marker_is_lost_with_its_page_table() -> None:
    reach(B24.kernel, MAPPED, (Collapse(0),), PROTECTED, promise=PROMISE, deviations=1)


def test_taking_the_page_out_of_the_file_ends_it() -> None:
    never("linux-2026", MAPPED, (PunchHole(0),), PROTECTED, promise=PROMISE)
