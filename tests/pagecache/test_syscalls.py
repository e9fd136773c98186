from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, world

from pagecache.fault import access
from pagecache.filemap import SEEK_DATA, SEEK_HOLE
from pagecache.folio import folio_lock, folio_unlock
from pagecache.locks import down_write
from pagecache.rmap import try_to_unmap, try_to_unmap_flush
from pagecache.step import Task, UseAfterFree
from pagecache.syscalls import (
    do_munmap,
    mincore,
    shmem_fallocate,
    shmem_file_llseek,
    shmem_file_read,
    shmem_file_write,
    shmem_punch_hole,
    shmem_setattr,
)
from pagecache.world import VmaSpec, WorldSpec

B = Task("B", 1)
MIXED = WorldSpec(("data", "hole", "unwritten", "hole"), size=3, vmas=(VmaSpec(end=4, mapped=(0,)),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


@pytest.mark.parametrize(("index", "answer"), [(0, "d0"), (1, "0"), (2, "0"), (3, 0)])
def test_reading_tells_the_content_zeroes_or_the_end_and_changes_nothing(index: int, answer: int | str) -> None:
    here = world(MIXED)
    before = snapshot(here)

    assert run(shmem_file_read(here.inode, index)) == answer
    assert snapshot(here) == before


def test_reading_takes_no_i_rwsem_and_copies_without_the_folio_lock() -> None:
    here = world()
    run(down_write(here.inode.i_rwsem), B)
    read = Hand(shmem_file_read(here.inode, 0))
    read.until("copy_page_to_iter")

    assert folio_at(here, 0).locked_by is None
    assert folio_at(here, 0).refcount == 2
    assert read.finish() == "d0"


def test_a_read_that_was_overtaken_by_a_truncate_returns_nothing() -> None:
    here = world()
    read = Hand(shmem_file_read(here.inode, 0))
    read.until("i_size_read", 3)
    run(shmem_setattr(here.inode, 0), B)

    assert read.finish() == 0
    assert here.memory.nr_live == 0


def test_writing_fills_a_page_and_then_moves_the_end_of_the_file() -> None:
    here = world(MIXED)
    write = Hand(shmem_file_write(here.inode, 3, "new"))
    write.until("i_size_write")
    assert here.inode.i_size == 3

    assert write.finish() == 1
    assert here.inode.i_size == 4
    assert contents(here) == ["d0", None, "unwritten", "new"]
    assert folio_at(here, 3).dirty


def test_a_page_becomes_uptodate_after_it_was_written() -> None:
    here = world(MIXED)
    write = Hand(shmem_file_write(here.inode, 1, "new"))
    write.until("folio_mark_uptodate")

    assert folio_at(here, 1).page_at(1) == "new"
    assert contents(here)[1] == "unwritten"


def test_writing_without_memory_is_enomem_and_leaves_no_lock() -> None:
    here = world()

    assert run(shmem_file_write(here.inode, 1, "new"), failing=[("folio_alloc", 1)]) == "ENOMEM"
    assert here.inode.i_rwsem.writer is None


@pytest.mark.parametrize(
    ("whence", "index", "answer"),
    [(SEEK_DATA, 0, 0), (SEEK_DATA, 1, "ENXIO"), (SEEK_HOLE, 0, 1), (SEEK_HOLE, 3, "ENXIO")],
)
def test_seeking_holds_i_rwsem(whence: int, index: int, answer: int | str) -> None:
    here = world(MIXED)
    seek = Hand(shmem_file_llseek(here.inode, index, whence))
    seek.step()

    assert here.inode.i_rwsem.writer is K
    assert seek.finish() == answer
    assert here.inode.i_rwsem.writer is None


@pytest.mark.parametrize(("index", "answer"), [(0, 1), (1, 0), (2, 0), (3, 0)])
def test_mincore_says_whether_a_page_is_mapped_or_cached_and_uptodate(index: int, answer: int) -> None:
    here = world(MIXED)
    before = snapshot(here)

    assert run(mincore(here.vmas[0], index)) == answer
    assert snapshot(here) == before


def test_mincore_looks_the_page_up_under_the_page_table_lock() -> None:
    here = world(MIXED)
    look = Hand(mincore(here.vmas[0], 1))
    look.until("xas_load")

    assert here.vmas[0].table(1).ptl.owner is K
    assert K.atomic == 2  # and the RCU section


def test_mincore_without_a_page_table_takes_no_lock() -> None:
    here = world(MIXED)
    look = Hand(mincore(here.vmas[0], 2))
    look.until("xas_load")

    assert K.atomic == 1  # the RCU section


def test_mincore_of_what_is_not_mapped_is_enomem() -> None:
    here = world(MIXED)
    run(do_munmap(here.vmas[0]))

    assert run(mincore(here.vmas[0], 0)) == "ENOMEM"


def test_truncating_removes_pages_and_mappings_behind_the_new_end() -> None:
    here = world(MIXED)

    assert run(shmem_setattr(here.inode, 0)) == 0

    assert contents(here) == [None] * 4
    assert here.vmas[0].ptes == {}
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks, here.memory.nr_live) == (0, 0, 0, 0)


def test_truncating_moves_the_end_before_it_removes_a_page() -> None:
    here = world(MIXED)
    truncate = Hand(shmem_setattr(here.inode, 0))
    truncate.until("xas_store")

    assert here.inode.i_size == 0


def test_growing_a_file_removes_nothing() -> None:
    here = world(MIXED)
    grow = Hand(shmem_setattr(here.inode, 4))

    assert grow.finish() == 0
    assert grow.steps == ["down_write(i_rwsem)", "i_size_write(4)", "up_write(i_rwsem)"]


def test_a_punched_range_is_empty_and_the_size_stays() -> None:
    here = world(MIXED)

    assert run(shmem_punch_hole(here.inode, 0, 3)) == 0

    assert contents(here) == [None] * 4
    assert here.inode.i_size == 3
    assert here.vmas[0].ptes == {}


def test_a_punch_is_published_for_as_long_as_it_takes() -> None:
    here = world(MIXED)
    punch = Hand(shmem_punch_hole(here.inode, 0, 2))
    punch.until("down_read")
    published = here.inode.i_private

    assert published is not None
    assert (published.start, published.next) == (0, 2)
    assert published.waitq is not None

    punch.finish()

    assert here.inode.i_private is None
    assert not published.waitq.alive


def test_who_queues_at_a_punch_that_has_returned_uses_its_dead_stack() -> None:
    here = world()
    punch = Hand(shmem_punch_hole(here.inode, 0, 2), B)
    punch.until("down_read")
    published = here.inode.i_private
    punch.finish()
    here.inode.i_private = published  # what i_lock prevents

    with pytest.raises(UseAfterFree, match="wait queue whose puncher has returned"):
        run(access(here.vmas[0], 1, None, waits=True))


@pytest.mark.parametrize(("keep_size", "size"), [(False, 4), (True, 3)])
def test_reserving_leaves_new_pages_unwritten_and_makes_old_ones_zeroes(keep_size: bool, size: int) -> None:
    here = world(MIXED)

    assert run(shmem_fallocate(here.inode, 0, 4, keep_size=keep_size)) == 0

    assert contents(here) == ["d0", "unwritten", "0", "unwritten"]
    assert here.inode.i_size == size
    assert here.inode.info.fallocend == 4
    assert here.inode.i_private is None


@pytest.mark.parametrize(("call", "error"), [("signal_pending", "EINTR"), ("folio_alloc", "ENOMEM")])
def test_a_reservation_that_fails_takes_back_what_it_has_added(call: str, error: str) -> None:
    here = world(WorldSpec(("data", "hole", "hole", "hole"), size=4, vmas=(VmaSpec(end=4),)))
    before = snapshot(here)
    visit = 4 if call == "signal_pending" else 3  # at index 3

    assert run(shmem_fallocate(here.inode, 0, 4, keep_size=False), failing=[(call, visit)]) == error
    assert snapshot(here) == before


def test_a_reservation_that_fails_keeps_what_was_reserved_before() -> None:
    here = world(MIXED)

    assert run(shmem_fallocate(here.inode, 1, 3, keep_size=True), failing=[("signal_pending", 3)]) == "EINTR"
    assert contents(here) == ["d0", None, "0", None]
    assert here.inode.info.fallocend == 0


def test_faults_do_not_wait_for_a_reservation() -> None:
    here = world()
    reserve = Hand(shmem_fallocate(here.inode, 1, 1, keep_size=True), B)
    reserve.until("signal_pending")

    assert run(access(here.vmas[0], 1, None, waits=True)) == "0"


def test_unmapping_drops_the_references_of_the_page_table() -> None:
    here = world(MIXED)

    assert run(do_munmap(here.vmas[0])) == 0

    assert not here.vmas[0].alive
    assert here.mapping.i_mmap == []
    assert here.vmas[0].mm.vmas == []
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (1, 0)
    assert run(do_munmap(here.vmas[0])) == 0


def test_after_munmap_no_cpu_reaches_a_page_that_a_collapse_has_unmapped_but_not_flushed() -> None:
    """flush_tlb_batched_pending(): otherwise the next access used memory that the collapse has freed."""
    here = world(MIXED)
    folio = folio_at(here, 0)
    run(access(here.vmas[0], 0, None, waits=True))
    run(folio_lock(folio), B)
    run(try_to_unmap(here.mapping, folio, batch_flush=True), B)

    run(do_munmap(here.vmas[0]))
    run(try_to_unmap_flush(here.mapping), B)
    run(folio_unlock(folio), B)

    assert here.vmas[0].tlb == {}
    assert run(access(here.vmas[0], 0, None, waits=True)) == "SIGSEGV"
