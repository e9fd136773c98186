from __future__ import annotations

import pytest
from stepping import DATA_DATA, Hand, K, folio_at, run, snapshot, world

from pagecache.filemap import (
    SEEK_DATA,
    SEEK_HOLE,
    filemap_get_entry,
    filemap_remove_folio,
    find_get_entries,
    find_lock_entries,
    mapping_seek_hole_data,
)
from pagecache.folio import folio_lock, folio_ref_freeze, folio_ref_unfreeze
from pagecache.step import KernelBug, Task
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import XA_RETRY_ENTRY

B = Task("B", 1)
MIXED = WorldSpec(("data", "hole", "unwritten", "data"), size=4, vmas=(VmaSpec(end=4),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def test_a_lookup_takes_a_reference_and_looks_again() -> None:
    here = world()
    lookup = Hand(filemap_get_entry(here.mapping, 0))

    assert lookup.finish() is folio_at(here, 0)
    assert lookup.steps == [
        "rcu_read_lock()",
        "xas_start(0)",  # the root is the entry
        "folio_try_get(F0)",
        "xas_reload(0)",
        "rcu_read_unlock()",
    ]
    assert folio_at(here, 0).refcount == 2


def test_a_lookup_of_a_hole_is_one_load() -> None:
    lookup = Hand(filemap_get_entry(world().mapping, 1))

    assert lookup.finish() is None
    assert lookup.steps == ["rcu_read_lock()", "xas_start(1)", "rcu_read_unlock()"]


def test_a_lookup_that_was_overtaken_drops_its_reference_and_starts_again() -> None:
    here = world()
    folio = folio_at(here, 0)
    lookup = Hand(filemap_get_entry(here.mapping, 0))
    lookup.until("xas_reload")

    here.mapping.i_pages.slots[0] = None

    assert lookup.finish() is None
    assert lookup.steps[-3:] == ["folio_put(F0)", "xas_start(0)", "rcu_read_unlock()"]
    assert folio.refcount == 1


def test_a_lookup_spins_on_a_frozen_folio_until_it_is_unfrozen() -> None:
    here = world()
    folio = folio_at(here, 0)
    run(folio_ref_freeze(folio, 1), B)
    lookup = Hand(filemap_get_entry(here.mapping, 0))
    lookup.until("cpu_relax")

    assert lookup.blocked
    assert lookup.pending is not None
    assert lookup.pending.spins
    assert lookup.pending.waits_for is not None
    assert lookup.pending.waits_for().holders == (B,)

    run(folio_ref_unfreeze(folio, 1), B)

    assert lookup.finish() is folio


def test_a_lookup_stops_spinning_when_the_slot_changes() -> None:
    here = world()
    run(folio_ref_freeze(folio_at(here, 0), 1), B)
    lookup = Hand(filemap_get_entry(here.mapping, 0))
    lookup.until("cpu_relax")

    here.mapping.i_pages.slots[0] = None

    assert lookup.finish() is None


def test_a_lookup_spins_on_a_retry_entry() -> None:
    here = world()
    here.mapping.i_pages.slots[1] = XA_RETRY_ENTRY
    lookup = Hand(filemap_get_entry(here.mapping, 1))
    lookup.until("xas_retry")

    assert lookup.blocked

    here.mapping.i_pages.slots[1] = None

    assert lookup.finish() is None


def test_entries_come_with_a_reference_each_and_not_locked() -> None:
    here = world(MIXED)

    found, behind = run(find_get_entries(here.mapping, 1, 3))

    assert behind == 4
    assert [index for index, _ in found] == [2, 3]
    assert folio_at(here, 3).refcount == 2
    assert folio_at(here, 3).locked_by is None


def test_locked_entries_are_those_whose_lock_is_free_at_once() -> None:
    here = world(MIXED)
    run(folio_lock(folio_at(here, 2)), B)

    found = run(find_lock_entries(here.mapping, 0, 3))

    assert [index for index, _ in found] == [0, 3]
    assert folio_at(here, 0).locked_by is K
    assert folio_at(here, 2).refcount == 1


def test_a_folio_that_reaches_out_of_the_range_is_not_among_the_locked_entries() -> None:
    here = collapsed()

    assert run(find_lock_entries(here.mapping, 0, 0)) == []
    assert run(find_lock_entries(here.mapping, 1, 1)) == []
    assert len(run(find_lock_entries(here.mapping, 0, 1))) == 1


def test_a_folio_that_was_removed_meanwhile_is_not_among_the_locked_entries() -> None:
    here = world()
    folio = folio_at(here, 0)
    search = Hand(find_lock_entries(here.mapping, 0, 1))
    search.until("folio_trylock")

    folio.mapping = None

    assert search.finish() == []
    assert (folio.locked_by, folio.refcount) == (None, 1)


def test_finding_entries_is_done_in_atomic_context() -> None:
    search = Hand(find_get_entries(world().mapping, 0, 1))
    search.until("xas_start")

    assert K.atomic == 1

    search.finish()

    assert K.atomic == 0


def test_removing_a_folio_empties_its_slots_and_drops_the_references_of_the_cache() -> None:
    here = collapsed()
    huge = folio_at(here, 0)
    run(folio_lock(huge))
    huge.refcount += 1
    removal = Hand(filemap_remove_folio(here.mapping, huge))

    removal.finish()

    assert removal.steps == [
        "xas_lock_irq()",
        "xas_store(0, None)",
        "xas_store(1, None)",
        "xas_unlock_irq()",
        f"folio_put_refs({huge}, 2)",
    ]
    assert huge.mapping is None
    assert here.mapping.nrpages == 0
    assert huge.refcount == 1


def test_removing_a_folio_that_is_not_locked_is_a_kernel_bug() -> None:
    here = world()

    with pytest.raises(KernelBug, match="without its lock"):
        run(filemap_remove_folio(here.mapping, folio_at(here, 0)))


def test_removing_a_folio_that_is_mapped_is_a_kernel_bug() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0,)),)))
    run(folio_lock(folio_at(here, 0)))

    with pytest.raises(KernelBug, match="still mapped"):
        run(filemap_remove_folio(here.mapping, folio_at(here, 0)))


@pytest.mark.parametrize(
    ("start", "end", "whence", "answer"),
    [
        (0, 4, SEEK_DATA, 0),
        (0, 4, SEEK_HOLE, 1),
        (1, 4, SEEK_DATA, 3),  # a reserved page is no data
        (1, 4, SEEK_HOLE, 1),
        (2, 4, SEEK_HOLE, 2),
        (3, 4, SEEK_HOLE, 4),  # the end of the file is a hole
        (1, 3, SEEK_DATA, "ENXIO"),
        (4, 4, SEEK_DATA, "ENXIO"),
        (4, 4, SEEK_HOLE, "ENXIO"),
        (0, 0, SEEK_HOLE, "ENXIO"),
    ],
)
def test_seeking_finds_data_holes_and_the_end(start: int, end: int, whence: int, answer: int | str) -> None:
    here = world(MIXED)
    before = snapshot(here)

    assert run(mapping_seek_hole_data(here.mapping, start, end, whence)) == answer
    assert snapshot(here) == before


def test_seeking_steps_over_a_huge_folio_at_once() -> None:
    search = Hand(mapping_seek_hole_data(collapsed().mapping, 0, 2, SEEK_HOLE))

    assert search.finish() == 2
    assert [step for step in search.steps if step.startswith("xas_load")] == ["xas_load(0)"]


def test_seeking_never_waits_for_a_folio_lock() -> None:
    here = world()
    run(folio_lock(folio_at(here, 0)), B)

    assert run(mapping_seek_hole_data(here.mapping, 0, 2, SEEK_DATA)) == 0


def collapsed() -> World:
    here = world(DATA_DATA)
    assert run(here.kernel.collapse_file(here.vmas[0].mm, here.mapping, 0, None)) == "SCAN_SUCCEED"
    return here
