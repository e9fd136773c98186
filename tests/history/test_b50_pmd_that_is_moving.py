"""B50, exhausted: who splits a PMD, and what is there instead of a huge page."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b50_pmd_that_is_moving import BUG
from pagecache.operations import Migrate, Munmap, Operation, PunchHole, Truncate, UffdWriteProtect
from pagecache.world import VmaSpec, WorldSpec

MAPPED, PROTECTED, _ = BUG.focus.worlds
BY_ENTRIES = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),), large=((0, 1),))
(NOT_PRESENT,) = BUG.breaks

SPLITS = pytest.mark.parametrize(
    ("world", "operation"),
    [(MAPPED, PunchHole(1)), (MAPPED, Truncate(1)), (PROTECTED, UffdWriteProtect(0))],
    ids=["punch", "truncate", "write-protect"],
)


@SPLITS
def test_whoever_needs_a_part_of_it_splits_what_is_no_huge_page(world: WorldSpec, operation: Operation) -> None:
    found = reach(BUG.kernel, world, [Migrate(0)], [operation], promise=NOT_PRESENT, deviations=1)

    assert "pmdp_huge_clear_flush(): VM_BUG_ON(!pmd_present) of vma0" in found.verdict.sentence


@SPLITS
def test_a_migration_entry_just_goes(world: WorldSpec, operation: Operation) -> None:
    assert never(BUG.fixed, world, [Migrate(0)], [operation], promise=NOT_PRESENT)


def test_who_takes_all_of_it_splits_nothing() -> None:
    assert never(BUG.kernel, MAPPED, [Migrate(0)], [PunchHole(0, 2)], promise=NOT_PRESENT)
    assert never(BUG.kernel, MAPPED, [Migrate(0)], [Munmap()], promise=NOT_PRESENT)


def test_page_table_entries_need_not_be_split() -> None:
    assert never(BUG.kernel, BY_ENTRIES, [Migrate(0)], [PunchHole(1)], promise=NOT_PRESENT)
