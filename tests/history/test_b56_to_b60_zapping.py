"""B56 to B60, exhausted: page-table entries, the TLB and the page table, in the order in which they go."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history import (
    b56_flush_of_somebody_else,
    b57_written_to_after_the_write_back,
    b58_unmapped_before_the_flush,
    b59_page_table_that_is_not_empty,
    b60_page_table_gone_under_a_retract,
)
from pagecache.history.bug import Bug
from pagecache.operations import (
    Collapse,
    DontNeed,
    Khugepaged,
    Load,
    Munmap,
    Operation,
    PageOut,
    PunchHole,
    Read,
    Store,
    Truncate,
    Writeback,
)
from pagecache.world import VmaSpec, WorldSpec

FLUSH = b56_flush_of_somebody_else.BUG
DIRTY = b57_written_to_after_the_write_back.BUG
EARLY = b58_unmapped_before_the_flush.BUG
FULL = b59_page_table_that_is_not_empty.BUG
GONE = b60_page_table_gone_under_a_retract.BUG
EXPLAINED = "every_call_is_explained_by_a_sparse_file"
REFERENCES = "every_reference_is_accounted_for"
ASSERTION = "no_kernel_assertion_fails"
PRIVATE = WorldSpec(vmas=(VmaSpec(private=True),))
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),))
WRITABLE = DIRTY.focus.worlds[0]
UNMAPPED = pytest.mark.parametrize("unmap", [DontNeed(0), DontNeed(0, 2), Munmap()], ids=repr)


def test_b56_what_was_given_back_is_still_there() -> None:
    program = [Store(0), DontNeed(0)], [DontNeed(0), Load(0)]

    reach(FLUSH.kernel, PRIVATE, *program, promise=EXPLAINED, deviations=1)
    assert never(FLUSH.fixed, PRIVATE, *program, promise=EXPLAINED) > 50


def test_b56_a_shared_mapping_has_nothing_to_lose() -> None:
    """Mel Gorman: with these, it does not matter in which way one comes to the page."""
    assert never(FLUSH.kernel, MAPPED, [Store(0), DontNeed(0)], [DontNeed(0), Load(0)], promise=EXPLAINED) > 50


def test_b56_who_truncates_flushes_what_is_about_to_be_flushed() -> None:
    program = [Store(0), DontNeed(0)], [Truncate(0), Load(0)]

    assert never(FLUSH.fixed, MAPPED, *program, promise=EXPLAINED) > 50


@pytest.mark.parametrize("bug", [DIRTY, EARLY], ids=["b57", "b58"])
@UNMAPPED
def test_b57_and_b58_a_store_is_lost(bug: Bug, unmap: Operation) -> None:
    program = [Store(0), unmap], [Writeback(0), Store(0)]

    found = reach(bug.kernel, WRITABLE, *program, promise=EXPLAINED, deviations=1)
    assert "though clean" in found.verdict.sentence


@UNMAPPED
def test_b57_and_b58_it_is_not_any_more(unmap: Operation) -> None:
    program = [Store(0), unmap], [Writeback(0), Store(0)]

    assert never("linux-2026-mended", WRITABLE, *program, promise=EXPLAINED) > 1_000


@pytest.mark.parametrize("bug", [DIRTY, EARLY], ids=["b57", "b58"])
def test_b57_and_b58_as_user_space_sees_them(bug: Bug) -> None:
    program = [Store(0), DontNeed(0), PageOut(0), Read(0)], [Writeback(0), Store(0)]

    found = reach(bug.kernel, WRITABLE, *program, promise=EXPLAINED, deviations=1)
    assert "Read(index=0) returned store.0" in found.verdict.sentence


def test_so_it_is_lost_today_where_the_page_table_goes_before_the_flush() -> None:
    """6375e95f381e, see :mod:`pagecache.mended.zap`."""
    program = [Store(0), DontNeed(0, 2)], [Writeback(0), Store(0)]

    found = reach("linux-2026", WRITABLE, *program, promise=EXPLAINED, deviations=1)
    assert "though clean" in found.verdict.sentence


@pytest.mark.parametrize("unmap", [DontNeed(0), Munmap()], ids=repr)
def test_and_it_is_not_where_it_stays(unmap: Operation) -> None:
    assert never("linux-2026", WRITABLE, [Store(0), unmap], [Writeback(0), Store(0)], promise=EXPLAINED) > 1_000


@pytest.mark.parametrize("truncate", [Truncate(0), PunchHole(0)], ids=repr)
def test_and_a_truncate_deletes_a_page_that_is_mapped(truncate: Operation) -> None:
    program = [Store(0), DontNeed(0, 2)], [truncate]

    found = reach("linux-2026", MAPPED, *program, promise=ASSERTION, deviations=1)
    assert "still mapped when removed from the page cache" in found.verdict.sentence
    assert never("linux-2026-mended", MAPPED, *program, promise=ASSERTION) > 300


def test_b59_takes_a_failure() -> None:
    assert never(FULL.kernel, MAPPED, [DontNeed(0, 2)], [Load(0)], promise=REFERENCES) > 20


@pytest.mark.parametrize("collapse", [Collapse(0), Khugepaged(0)], ids=repr)
def test_b60_a_page_table_is_freed_twice(collapse: Operation) -> None:
    program = [collapse], [DontNeed(0, 2)]

    reach(GONE.kernel, MAPPED, *program, promise=ASSERTION, deviations=1)
    assert never(GONE.fixed, MAPPED, *program, promise=ASSERTION) > 50


def test_b60_takes_one_who_takes_page_tables_away() -> None:
    assert never(GONE.kernel, MAPPED, [Collapse(0)], [DontNeed(0)], promise=ASSERTION) > 50
    assert never(GONE.kernel, MAPPED, [Collapse(0)], [Munmap()], promise=ASSERTION) > 50
