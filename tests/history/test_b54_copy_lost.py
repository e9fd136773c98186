"""B53 and B54, exhausted: who takes away a page table into which UFFDIO_COPY is about to put a page."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history import b53_first_copy_lost, b54_copy_lost
from pagecache.history.bug import Bug
from pagecache.operations import Collapse, Khugepaged, Operation, Store, UffdCopy, UffdZeropage
from pagecache.world import VmaSpec, WorldSpec

FIRST, SECOND = b53_first_copy_lost.BUG, b54_copy_lost.BUG
EXPLAINED = "every_call_is_explained_by_a_sparse_file"
SMALL = WorldSpec(vmas=(VmaSpec(private=True, missing=True, mapped=(0,)),))
BY_ENTRIES = SECOND.focus.worlds[0]
"""A huge page, of which one page is mapped by an entry."""

BUGS = pytest.mark.parametrize(("bug", "world"), [(FIRST, SMALL), (SECOND, BY_ENTRIES)], ids=["b53", "b54"])
FILLS = pytest.mark.parametrize("fill", [UffdCopy(0), UffdCopy(1), UffdZeropage(1)], ids=repr)


@BUGS
@FILLS
def test_what_a_userfaultfd_has_filled_is_lost(bug: Bug, world: WorldSpec, fill: Operation) -> None:
    found = reach(bug.kernel, world, [Collapse(0)], [fill], promise=EXPLAINED, deviations=1)

    assert "has of its own" in found.verdict.sentence


@BUGS
@FILLS
def test_it_is_not_where_the_locks_are_taken_first(bug: Bug, world: WorldSpec, fill: Operation) -> None:
    assert never(bug.fixed, world, [Collapse(0)], [fill], promise=EXPLAINED) > 100


@BUGS
def test_a_store_is_kept_off_by_the_folio_lock(bug: Bug, world: WorldSpec) -> None:
    """As the comments said; it is only the userfaultfd that does not ask for the page."""
    assert never(bug.kernel, world, [Collapse(0)], [Store(0)], promise=EXPLAINED) > 100


@BUGS
def test_once_there_is_a_copy_the_page_table_is_left_alone(bug: Bug, world: WorldSpec) -> None:
    assert never(bug.kernel, world, [Store(0), Collapse(0)], [UffdCopy(1)], promise=EXPLAINED) > 100


def test_khugepaged_does_the_same() -> None:
    reach(SECOND.kernel, BY_ENTRIES, [Khugepaged(0)], [UffdCopy(1)], promise=EXPLAINED, deviations=1)
    assert never(SECOND.fixed, BY_ENTRIES, [Khugepaged(0)], [UffdCopy(1)], promise=EXPLAINED) > 50
