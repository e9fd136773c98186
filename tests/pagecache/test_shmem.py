from __future__ import annotations

import pytest
from stepping import DATA_HOLE, Hand, K, contents, folio_at, run, snapshot, world

from pagecache.folio import Memory, folio_lock, folio_unlock
from pagecache.inode import i_size_write
from pagecache.locks import down_read
from pagecache.shmem import (
    SGP_CACHE,
    SGP_FALLOC,
    SGP_NOALLOC,
    SGP_READ,
    SGP_WRITE,
    Vmf,
    alloc_folio,
    shmem_add_to_page_cache,
    shmem_get_folio,
)
from pagecache.step import Task
from pagecache.userfaultfd import EVENT
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY

B = Task("B", 1)
UNWRITTEN = WorldSpec(("data", "unwritten"))
BEYOND_THE_END = WorldSpec(("data", "unwritten"), size=1)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


@pytest.mark.parametrize("sgp", [SGP_READ, SGP_NOALLOC, SGP_CACHE, SGP_WRITE, SGP_FALLOC])
def test_a_page_that_is_there_is_returned_locked_and_referenced_in_every_mode(sgp: int) -> None:
    here = world()

    assert run(shmem_get_folio(here.inode, 0, sgp)) == ("", folio_at(here, 0))
    assert folio_at(here, 0).locked_by is K
    assert folio_at(here, 0).refcount == 2


@pytest.mark.parametrize(
    ("sgp", "error", "held"),
    [
        (SGP_READ, "", None),
        (SGP_NOALLOC, "ENOENT", None),
        (SGP_CACHE, "", "0"),
        (SGP_WRITE, "", "unwritten"),  # the writer will fill it
        (SGP_FALLOC, "", "unwritten"),  # reserved
    ],
)
def test_what_happens_at_a_hole_depends_on_the_mode(sgp: int, error: str, held: str | None) -> None:
    here = world()

    assert run(shmem_get_folio(here.inode, 1, sgp))[0] == error
    assert contents(here) == ["d0", held]
    assert here.mapping.nrpages == here.inode.info.alloced == (1 if held is None else 2)


@pytest.mark.parametrize(
    ("sgp", "found", "held"),
    [
        (SGP_READ, False, "unwritten"),
        (SGP_NOALLOC, True, "0"),
        (SGP_CACHE, True, "0"),
        (SGP_WRITE, True, "unwritten"),
        (SGP_FALLOC, True, "0"),  # lest undo on failure cancel the earlier guarantee
    ],
)
def test_what_happens_at_a_reserved_page_depends_on_the_mode(sgp: int, found: bool, held: str) -> None:
    here = world(UNWRITTEN)

    error, folio = run(shmem_get_folio(here.inode, 1, sgp))

    assert error == ""
    assert (folio is not None) is found
    assert contents(here)[1] == held


@pytest.mark.parametrize("sgp", [SGP_READ, SGP_NOALLOC, SGP_CACHE])
def test_behind_the_end_of_the_file_there_is_nothing_to_be_had(sgp: int) -> None:
    here = world(BEYOND_THE_END)
    before = snapshot(here)

    assert run(shmem_get_folio(here.inode, 1, sgp)) == ("EINVAL", None)
    assert snapshot(here) == before


@pytest.mark.parametrize("sgp", [SGP_WRITE, SGP_FALLOC])
def test_writing_and_reserving_may_go_behind_the_end_of_the_file(sgp: int) -> None:
    error, folio = run(shmem_get_folio(world(BEYOND_THE_END).inode, 1, sgp))

    assert error == ""
    assert folio is not None


def test_a_page_allocated_while_the_file_was_truncated_is_removed_again() -> None:
    here = world()
    fault = Hand(shmem_get_folio(here.inode, 1, SGP_CACHE))
    fault.until("i_size_read", 2)
    run(i_size_write(here.inode, 1), B)

    assert fault.finish() == ("EINVAL", None)
    assert contents(here) == ["d0", None]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (1, 1, 8)
    assert here.memory.nr_live == 1


def test_a_page_that_was_removed_while_we_waited_for_its_lock_is_looked_up_again() -> None:
    here = world()
    folio = folio_at(here, 0)
    run(folio_lock(folio), B)
    lookup = Hand(shmem_get_folio(here.inode, 0, SGP_READ))
    lookup.until("folio_lock")
    assert lookup.blocked

    here.mapping.i_pages.slots[0] = None
    folio.mapping = None
    run(folio_unlock(folio), B)

    assert lookup.finish() == ("", None)
    assert (folio.locked_by, folio.refcount) == (None, 1)


def test_who_loses_the_race_for_a_hole_takes_the_page_of_the_winner() -> None:
    here = world()
    slow = Hand(shmem_get_folio(here.inode, 1, SGP_WRITE))
    slow.until("xas_lock_irq")
    _, winner = run(shmem_get_folio(here.inode, 1, SGP_WRITE), B)
    run(folio_unlock(winner), B)

    assert slow.finish() == ("", winner)
    assert here.mapping.nrpages == 2
    assert here.memory.nr_live == 2


def test_who_finds_a_retry_entry_at_the_insertion_spins_in_the_next_lookup() -> None:
    here = world()
    fault = Hand(shmem_get_folio(here.inode, 1, SGP_CACHE))
    fault.until("xas_lock_irq")
    here.mapping.i_pages.slots[1] = XA_RETRY_ENTRY
    fault.until("xas_retry")

    assert fault.blocked
    assert K.atomic == 1  # the RCU section of the lookup


def test_inserting_sets_mapping_and_index_before_anybody_can_see_the_page() -> None:
    here = world()
    folio = here.memory.new_folio(0)
    insertion = Hand(shmem_add_to_page_cache(folio, here.mapping, 1))
    insertion.until("xas_store")

    assert (folio.mapping, folio.index, folio.refcount) == (here.mapping, 1, 2)

    assert insertion.finish() == ""
    assert here.mapping.i_pages.slots[1] is folio
    assert here.mapping.nrpages == 2


def test_inserting_where_anything_stands_fails_and_leaves_no_trace() -> None:
    here = world()
    folio = here.memory.new_folio(0)
    before = snapshot(here)
    here.mapping.i_pages.slots[1] = XA_RETRY_ENTRY

    assert run(shmem_add_to_page_cache(folio, here.mapping, 1)) == "EEXIST"

    here.mapping.i_pages.slots[1] = None
    folio.index = 0  # of a folio outside of the cache, nobody cares
    assert snapshot(here) == before


def test_allocation_fails_for_want_of_memory() -> None:
    memory = Memory()

    assert run(alloc_folio(memory, 0), failing=[("folio_alloc", 1)]) is None
    assert memory.nr_live == 0
    assert run(shmem_get_folio(world().inode, 1, SGP_CACHE), failing=[("folio_alloc", 1)]) == ("ENOMEM", None)


def test_a_hole_of_a_registered_mapping_is_reported_to_a_fault_and_to_nobody_else() -> None:
    here = world(WorldSpec(DATA_HOLE.pages, vmas=(VmaSpec(missing=True),)))
    run(down_read(here.vmas[0].mm.mmap_lock))
    fault = Vmf(here.vmas[0], 1, waits=False, write=True)

    assert run(shmem_get_folio(here.inode, 1, SGP_CACHE, fault)) == ("", None)
    assert fault.fault_type == EVENT
    assert contents(here) == ["d0", None]

    assert run(shmem_get_folio(here.inode, 1, SGP_CACHE))[0] == ""
    assert contents(here) == ["d0", "0"]
