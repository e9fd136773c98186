"""B52, exhausted: who splits a huge page that fallocate() has reserved, and what becomes of its second half."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b52_reserved_behind_the_end import BUG
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Fallocate, Operation, PageOut, PunchHole, Read, Shrink, Split
from pagecache.world import WorldSpec

SHORT, EMPTY, _ = BUG.focus.worlds
WITH_ANOTHER = WorldSpec(("hole", "hole"), size=1, huge="always", others=("idle",))
(RESERVED,) = BUG.breaks

BEHIND_THE_END = Fallocate(0, 2, keep_size=True)

SPLITS = pytest.mark.parametrize("operation", [Split(0), PunchHole(0)], ids=["split", "punch"])


@SPLITS
def test_what_was_reserved_behind_the_end_goes(operation: Operation) -> None:
    found = reach(BUG.kernel, SHORT, [BEHIND_THE_END, operation], promise=RESERVED, deviations=0)

    assert found.verdict.sentence == "fallocate takes out of the file what fallocate() has reserved, at index 1"


@SPLITS
@pytest.mark.parametrize("kernel", [BUG.fixed, LINUX_2026_MENDED], ids=lambda kernel: kernel.name)
def test_shmem_knows_how_far_it_was_asked_to_reserve(kernel: Kernel, operation: Operation) -> None:
    assert never(kernel, SHORT, [BEHIND_THE_END, Read(0)], [operation], promise=RESERVED)
    assert never(kernel, EMPTY, [BEHIND_THE_END, operation], [PageOut(0)], promise=RESERVED)


def test_so_does_the_shrinker() -> None:
    assert never(BUG.fixed, WITH_ANOTHER, [BEHIND_THE_END], [Shrink()], promise=RESERVED)


def test_reclaim_takes_it_as_a_whole() -> None:
    assert never(BUG.kernel, SHORT, [BEHIND_THE_END], [PageOut(0)], promise=RESERVED)


def test_in_front_of_the_end_it_is_in_danger_while_the_end_moves() -> None:
    """The split has read i_size, then fallocate() raises it and returns."""
    reach(BUG.kernel, SHORT, [Fallocate(0, 2)], [Split(0)], promise=RESERVED, deviations=2)
    assert never(BUG.fixed, SHORT, [Fallocate(0, 2)], [Split(0)], promise=RESERVED)
