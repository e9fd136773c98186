"""Migration, exhausted: B27, the hole that today's lseek() sees, and what cannot happen."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b27_an_entry_for_each_page import BUG
from pagecache.operations import Load, Migrate, Mincore, Operation, PinWrite, PunchHole, SeekData, SeekHole, Store
from pagecache.world import VmaSpec, WorldSpec

FILE = "every_call_is_explained_by_a_sparse_file"
AGREES = BUG.breaks[0]
DATA = WorldSpec()
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0,)),))
LARGE = WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),))


def test_a_large_folio_ends_in_slots_of_its_own() -> None:
    found = reach(BUG.kernel, LARGE, [Migrate(0)], promise=AGREES, deviations=BUG.minimum.deviations)
    assert found.verdict.sentence == "slot 0 belongs to an entry of order 0 in the end, but H3 has order 1"


def test_the_fixed_function_never_does() -> None:
    assert never(BUG.fixed, LARGE, [Migrate(0)], [Load(1)], promise=AGREES)


@pytest.mark.parametrize("operation", [SeekHole(0), SeekData(0), Mincore(0)], ids=repr)
def test_a_folio_that_is_moving_looks_like_a_hole(operation: Operation) -> None:
    reach("linux-2026", DATA, [Migrate(0)], [operation], promise=FILE, deviations=1)


@pytest.mark.parametrize("operation", [SeekHole(0), SeekData(0), Mincore(0)], ids=repr)
def test_one_that_is_uptodate_from_the_beginning_never_does(operation: Operation) -> None:
    assert never("linux-2026-mended", DATA, [Migrate(0)], [operation], promise=FILE)


@pytest.mark.parametrize("kernel", ["linux-6.4-mended", "linux-2026-mended"])
@pytest.mark.parametrize("operation", [Store(0), PinWrite(0), PunchHole(0)], ids=repr)
def test_nothing_that_is_written_is_lost(kernel: str, operation: Operation) -> None:
    assert never(kernel, MAPPED, [Migrate(0)], [operation], promise=FILE)
