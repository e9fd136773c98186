"""Migration by hand: who waits for it, what it moves, and that a failure leaves everything as it was."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, steps, untidy, world

from pagecache.fault import access
from pagecache.filemap import SEEK_DATA, SEEK_HOLE
from pagecache.folio import folio_get, folio_lock, folio_put
from pagecache.gup import gup_fast, pin_user_pages_fast
from pagecache.kernel import Kernel
from pagecache.kernels import KERNELS_BY_NAME, LINUX_2026, LINUX_2026_MENDED
from pagecache.migrate import migrate_pages
from pagecache.rmap import remove_migration_ptes, try_to_migrate
from pagecache.step import Task
from pagecache.syscalls import mincore, shmem_file_llseek
from pagecache.vmscan import reclaim_folio
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import ValueEntry
from pagecache.zap import zap_page_range

F = Task("F", 1)
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0,)),))
LARGE = WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4, mapped=(0, 1, 3)),), ((0, 1), (2, 1)))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, F):
        task.atomic = 0
        task.held.clear()


def migrating(where: World, index: int = 0) -> Hand:
    return Hand(migrate_pages(where.mapping, index))


def test_another_folio_takes_the_place_of_the_old_one() -> None:
    here = world(MAPPED, "linux-2026")
    old = folio_at(here, 0)

    assert run(migrate_pages(here.mapping, 0)) == ""
    new = folio_at(here, 0)
    assert new is not old
    assert old.freed
    assert (new.refcount, new.mapcount, new.dirty, new.uptodate, new.lru) == (2, 1, True, True, True)
    assert here.vmas[0].mapped(0) is new
    assert contents(here) == ["d0", "d1"]
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", ["linux-6.4", "linux-2026", "linux-2026-mended"])
def test_a_large_folio_stays_one_entry(kernel: str) -> None:
    here = world(LARGE, kernel)

    assert run(migrate_pages(here.mapping, 3)) == ""
    new = folio_at(here, 2)
    assert folio_at(here, 3) is new
    assert [here.mapping.i_pages.order_at(index) for index in range(4)] == [1, 1, 1, 1]
    assert (new.refcount, new.mapcount, here.vmas[0].mapped(3)) == (3, 1, new)
    assert contents(here) == ["d0", "d1", "d2", "d3"]
    assert untidy(here) == []


def test_the_content_is_copied_before_the_mapping_moves_since_6_11() -> None:
    def order(kernel: str) -> list[str]:
        wanted = ("folio_ref_count", "copy_highpage", "copy_mc_highpage", "xas_store", "folio_mark_uptodate")
        return [
            step.split("(")[0]
            for step in steps(migrate_pages(world(kernel=kernel).mapping, 0))
            if step.startswith(wanted)
        ]

    assert order("linux-6.4") == ["xas_store", "copy_highpage", "folio_mark_uptodate"]
    assert order("linux-2026") == ["folio_ref_count", "copy_mc_highpage", "xas_store", "folio_mark_uptodate"]


def test_a_page_of_the_swap_cache_moves_within_it() -> None:
    here = world(WorldSpec(), "linux-2026")
    out = Hand(reclaim_folio(here.mapping, 0))
    out.until("folio_trylock", 2)  # written, and unlocked; reclaim has it isolated as yet
    old = here.mapping.swap.slots[0].cache
    assert old is not None
    run(folio_get(old), F)  # somebody has found it there, so reclaim puts it back
    out.finish()
    run(folio_put(old), F)

    assert run(migrate_pages(here.mapping, 0)) == ""
    new = here.mapping.swap.slots[0].cache
    assert new is not None
    assert new is not old
    assert (new.swap, new.refcount, new.mapping, new.page_at(0)) == (0, 1, None, "d0")
    assert old.freed
    assert here.mapping.i_pages.slots[0] == ValueEntry(0)
    assert untidy(here) == []


@pytest.mark.parametrize("spec", [MAPPED, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("failing", ["folio_alloc", "copy_mc_highpage"])
def test_a_failure_leaves_everything_as_it_was(spec: WorldSpec, failing: str) -> None:
    here = world(spec, "linux-2026")
    before = snapshot(here)

    assert run(migrate_pages(here.mapping, 0), failing=[(failing, 1)]) in ("ENOMEM", "EHWPOISON")
    assert snapshot(here) == before
    assert untidy(here) == []


def test_a_pinned_folio_is_not_moved() -> None:
    here = world(MAPPED, "linux-2026")
    folio = run(pin_user_pages_fast(here.vmas[0], 0))
    before = snapshot(here)

    assert run(migrate_pages(here.mapping, 0)) == "EAGAIN"
    assert snapshot(here) == before
    assert folio is folio_at(here, 0)


@pytest.mark.parametrize("spec", [WorldSpec(("hole", "data")), WorldSpec(("swapped", "data"))], ids=["hole", "swapped"])
def test_where_no_folio_is_there_is_nothing_to_move(spec: WorldSpec) -> None:
    assert run(migrate_pages(world(spec, "linux-2026").mapping, 0)) == "ENOENT"


def test_a_folio_that_somebody_else_has_isolated_stays() -> None:
    here = world(kernel="linux-2026")
    first = migrating(here)
    first.until("folio_alloc")

    assert run(migrate_pages(here.mapping, 0), F) == "EBUSY"


def test_what_has_left_the_file_meanwhile_is_not_moved() -> None:
    here = world(kernel="linux-2026")
    hand = migrating(here)
    hand.until("folio_lock")
    here.inode.i_size = 1
    run(here.mapping.kernel.shmem_undo_range(here.inode, 0, 1, unfalloc=False), F)

    assert hand.finish() == "EAGAIN"
    assert contents(here) == [None, None]
    assert untidy(here) == []


def test_a_fault_on_a_migration_entry_waits_for_the_end() -> None:
    here = world(MAPPED, "linux-2026")
    hand = migrating(here)
    hand.until("xas_lock_irq")
    fault = Hand(access(here.vmas[0], 0, None, waits=True), F)
    fault.until("migration_entry_wait_on_locked")
    assert fault.blocked
    assert fault.pending is not None
    assert fault.pending.waits_for is not None
    assert fault.pending.waits_for().holders == (K,)

    hand.finish()
    assert fault.finish() == "d0"
    assert "folio_lock(F0)" not in fault.steps


def test_nobody_pins_a_page_behind_a_migration_entry() -> None:
    here = world(MAPPED, "linux-2026")
    hand = migrating(here)
    hand.until("xas_lock_irq")

    assert run(gup_fast(here.vmas[0], 0), F) is None


def test_a_fault_that_looked_before_does_not_overwrite_a_migration_entry() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(), VmaSpec("B", mapped=(0,)))), "linux-2026")
    vma = here.vmas[1]
    hand = migrating(here)
    hand.until("xas_lock_irq")

    assert not vma.pte_none_mostly(0)
    assert run(mincore(vma, 0), F) == 1


def test_a_migration_entry_that_is_zapped_is_not_restored() -> None:
    here = world(MAPPED, "linux-2026")
    hand = migrating(here)
    hand.until("xas_lock_irq")

    assert run(zap_page_range(here.vmas[0], 0, 2), F) == []
    hand.finish()
    assert here.vmas[0].pte_none_mostly(0)
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (1, 0)
    assert untidy(here) == []


def test_migration_entries_keep_neither_reference_nor_mapcount() -> None:
    here = world(MAPPED, "linux-2026")
    folio = folio_at(here, 0)
    run(folio_lock(folio))

    assert steps(try_to_migrate(here.mapping, folio)) == [
        "down_read(i_mmap_rwsem)",
        "spin_lock(ptl of vma0:0)",
        "ptep_get_and_clear(vma0, 0)",
        "flush_tlb_page(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "up_read(i_mmap_rwsem)",
    ]
    assert (folio.refcount, folio.mapcount, here.vmas[0].migrating(0)) == (1, 0, folio)
    assert untidy(here)[0] == "in the end vma0 has a migration entry for F0 at index 0, and nobody migrates it"

    run(remove_migration_ptes(here.mapping, folio, folio))
    assert (folio.refcount, folio.mapcount, here.vmas[0].mapped(0)) == (2, 1, folio)


@pytest.mark.parametrize(
    ("kernel", "hole", "data"), [(LINUX_2026, 0, 1), (LINUX_2026_MENDED, 2, 0)], ids=["linux-2026", "mended"]
)
def test_whoever_takes_no_lock_sees_a_hole_in_todays_kernel(kernel: Kernel, hole: int, data: int) -> None:
    here = world(WorldSpec(), kernel)
    hand = migrating(here)
    hand.until("folio_ref_unfreeze")
    hand.step()
    hand.step()

    assert run(shmem_file_llseek(here.inode, 0, SEEK_HOLE), F) == hole
    assert run(shmem_file_llseek(here.inode, 0, SEEK_DATA), F) == data


def test_every_kernel_migrates() -> None:
    for name in KERNELS_BY_NAME:
        here = world(MAPPED, name)
        assert run(migrate_pages(here.mapping, 0)) == ""
        assert untidy(here) == []
