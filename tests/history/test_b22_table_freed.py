"""B22, exhausted: who comes from the file has seen a page table, and it goes."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b22_table_freed_under_a_walk import BUG
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Migrate, Munmap, PageOut, PunchHole, Truncate

FIRST, SECOND = BUG.focus.worlds
FREED = "no_freed_memory_is_used"


def test_a_truncate_takes_the_lock_of_a_page_table_that_is_gone() -> None:
    reach(BUG.kernel, FIRST, [Truncate(0)], [Collapse(0)], promise=FREED, deviations=1)
    reach(BUG.kernel, SECOND, [Truncate(1)], [Collapse(0)], promise=FREED, deviations=1)


def test_a_hole_punch_too() -> None:
    reach(BUG.kernel, SECOND, [PunchHole(1)], [Collapse(0)], promise=FREED, deviations=1)


def test_who_has_the_mmap_lock_or_the_lock_of_the_folio_cannot_meet_it() -> None:
    for other in (Munmap(), PageOut(1), Migrate(1)):
        assert never(BUG.kernel, SECOND, [other], [Collapse(0)], promise=FREED)


@pytest.mark.parametrize(
    "kernel", [BUG.fixed, pytest.param(LINUX_2026_MENDED, marks=pytest.mark.slow)], ids=lambda kernel: kernel.name
)
def test_the_i_mmap_rwsem_keeps_them_apart(kernel: Kernel) -> None:
    assert never(kernel, FIRST, [Truncate(0)], [Collapse(0)], promise=FREED)
    assert never(kernel, SECOND, [PunchHole(1)], [Collapse(0)], promise=FREED)
