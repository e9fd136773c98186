"""B61 to B64, exhausted: page tables that are moved to another address, and who comes from the file meanwhile."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history import (
    b51_split_while_mapped,
    b61_moved_before_the_flush,
    b62_reached_by_the_old_address,
    b63_moved_under_a_walker,
    b64_page_zero_for_a_page_table,
)
from pagecache.operations import (
    Collapse,
    Load,
    MemoryFailure,
    Migrate,
    Mremap,
    Operation,
    PageOut,
    PunchHole,
    Read,
    Split,
    Store,
    Truncate,
    Writeback,
)
from pagecache.world import VmaSpec, WorldSpec

LATE = b61_moved_before_the_flush.BUG
CLEAN = b62_reached_by_the_old_address.BUG
WALKED = b63_moved_under_a_walker.BUG
GONE = b64_page_zero_for_a_page_table.BUG
EXPLAINED = "every_call_is_explained_by_a_sparse_file"
FREED = "no_freed_memory_is_used"
ASSERTION = "no_kernel_assertion_fails"
REFERENCES = "every_reference_is_accounted_for"
WRITABLE = LATE.focus.worlds[0]
PART = CLEAN.focus.worlds[0]
MAPPED_IN_PART = WorldSpec(vmas=(VmaSpec(end=1, mapped=(0,)), VmaSpec(end=1)))
WHOLE = WALKED.focus.worlds[0]
REGISTERED = WorldSpec(vmas=(VmaSpec(mapped=(0,), missing=True), VmaSpec()))
HUGE_PAGE = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)), VmaSpec(huge=True)), large=((0, 1),))
LARGE = WorldSpec(vmas=(VmaSpec(mapped=(0,), missing=True), VmaSpec()), large=((0, 1),))
WORLDS = ["whole", "registered", "part", "huge", "large"]
KEPT = pytest.mark.parametrize("move", [Mremap(0, 1), Mremap(0, 1, True)], ids=repr)
REMOVES = pytest.mark.parametrize("remove", [Truncate(0), PunchHole(0)], ids=repr)


@KEPT
def test_b61_a_store_is_lost(move: Operation) -> None:
    program = [Store(0), move], [Writeback(0), Store(0)]

    found = reach(LATE.kernel, WRITABLE, *program, promise=EXPLAINED, deviations=1)
    assert "though clean" in found.verdict.sentence
    assert never(LATE.fixed, WRITABLE, *program, promise=EXPLAINED) > 1_000


def test_b61_as_user_space_sees_it() -> None:
    program = [Store(0), Mremap(0, 1), PageOut(0), Read(0)], [Writeback(0), Store(0)]

    found = reach(LATE.kernel, WRITABLE, *program, promise=EXPLAINED, deviations=1)
    assert "Read(index=0) returned store.0" in found.verdict.sentence


def test_b61_was_half_of_it() -> None:
    """Entries that are dirty were flushed in time since 4.9, and the others not."""
    assert never(CLEAN.kernel, WRITABLE, [Store(0), Mremap(0, 1)], [Writeback(0), Store(0)], promise=EXPLAINED) > 1_000


@REMOVES
@KEPT
def test_b62_a_page_is_read_that_has_been_freed(move: Operation, remove: Operation) -> None:
    program = [Load(0), move], [remove, Load(0)]

    found = reach(CLEAN.kernel, PART, *program, promise=FREED, deviations=1)
    assert "was read after it had been freed" in found.verdict.sentence
    assert never(CLEAN.fixed, PART, *program, promise=FREED) > 1_000


def test_b62_reclaim_flushes_by_itself() -> None:
    assert never(CLEAN.kernel, PART, [Load(0), Mremap(0, 1)], [PageOut(0), Load(0)], promise=FREED) > 1_000


@pytest.mark.slow
def test_b63_a_page_is_read_that_has_moved() -> None:
    program = [Mremap(0, 1)], [Load(0, 1), Load(0, 1)], [Migrate(0)]

    reach(WALKED.kernel, WHOLE, *program, promise=FREED, deviations=3)
    assert never(WALKED.fixed, WHOLE, *program, promise=FREED) > 5_000


def test_b63_takes_somebody_at_the_new_address() -> None:
    """Who moves the page table holds the mmap_lock, so it takes a CPU that needs no fault."""
    assert never(WALKED.kernel, WHOLE, [Mremap(0, 1), Load(0, 1)], [Migrate(0), Load(0, 1)], promise=FREED) > 300


@KEPT
def test_b64_a_page_table_is_moved_that_has_gone(move: Operation) -> None:
    found = reach(GONE.kernel, WHOLE, [Collapse(0)], [move], promise=ASSERTION, deviations=2)
    assert "the page at physical address 0 becomes a page table of vma1" in found.verdict.sentence
    assert never(GONE.fixed, WHOLE, [Collapse(0)], [move], promise=ASSERTION) > 300


def test_b64_up_to_6_5_a_collapse_left_such_a_process_alone() -> None:
    assert never("linux-6.4-mended", WHOLE, [Mremap(0, 1)], [Collapse(0)], promise=ASSERTION) > 100


@KEPT
def test_today_it_warns_where_there_is_a_registration(move: Operation) -> None:
    """0cef0bb836e3, see :mod:`pagecache.mended.mremap`."""
    found = reach("linux-2026", REGISTERED, [Collapse(0)], [move], promise=ASSERTION, deviations=2)
    assert "WARN_ON_ONCE: move_normal_pmd(): pmd_none(*new_pmd) is not so" in found.verdict.sentence
    assert never("linux-2026-mended", REGISTERED, [Collapse(0)], [move], promise=ASSERTION) > 300


@pytest.mark.parametrize("other", [Migrate(0), PageOut(0), MemoryFailure(0), Split(0), Truncate(0)], ids=repr)
@pytest.mark.parametrize("world", [WHOLE, REGISTERED, MAPPED_IN_PART, HUGE_PAGE, LARGE], ids=WORLDS)
def test_rmap_finds_the_old_entry_or_the_new_one(world: WorldSpec, other: Operation) -> None:
    """As the comment in move_ptes() says, as far as it matters: no reference is lost, and no migration entry left."""
    assert never("linux-2026-mended", world, [Mremap(0, 1)], [other], promise=REFERENCES) > 20


@pytest.mark.parametrize("split", [Split(0), MemoryFailure(0)], ids=repr)
def test_who_splits_takes_the_locks(split: Operation) -> None:
    """TTU_SYNC, 732ed55823fc; else the entry is in neither page table when one looks (VM_BUG_ON_PAGE())."""
    assert never("linux-2026-mended", LARGE, [Mremap(0, 1)], [split], promise=ASSERTION) > 200
    found = reach(b51_split_while_mapped.BUG.kernel, LARGE, [Mremap(0, 1)], [split], promise=ASSERTION, deviations=1)
    assert "still mapped when it is to be split" in found.verdict.sentence
