"""Private mappings, by hand: what is copied, when, and who takes the copy."""

from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, steps, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.operations import (
    Collapse,
    Load,
    Migrate,
    Mincore,
    Munmap,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    Store,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
    Write,
)
from pagecache.pte import MARKER_UFFD_WP, ZERO_PAGE
from pagecache.step import Task
from pagecache.userfaultfd import EVENT
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
KERNEL = "linux-2026-mended"


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def private(*pages: str, kernel: str = KERNEL, missing: bool = False, wp: bool = False, huge: bool = False) -> World:
    """A file that process A maps privately; B shares it."""
    mine = VmaSpec(private=True, missing=missing, wp=wp, huge=huge)
    return world(WorldSpec(pages, vmas=(mine, VmaSpec("B"))), kernel)


def own(here: World, index: int) -> str | None:
    """What process A has of its own."""
    folio = here.vmas[0].mapped(index)
    return folio.page_at(index) if folio is not None and folio.anon else None


def test_a_load_maps_the_page_of_the_file_read_only() -> None:
    here = private("data", "data")

    assert run(Load(0).run(here, "l")) == "d0"
    entry = here.vmas[0].ptes[0]
    assert (entry.folio, entry.write, here.vmas[0].anon_vma) == (folio_at(here, 0), False, False)
    assert untidy(here) == []


def test_a_store_where_nothing_is_mapped_copies_under_the_folio_lock() -> None:
    here = private("data", "data")

    taken = steps(Store(0).run(here, "s"))
    assert taken[taken.index("copy_mc_highpage(F2, 0, F0)") :] == [
        "copy_mc_highpage(F2, 0, F0)",
        "pte_alloc(vma0, 0)",
        "spin_lock(ptl of vma0:0)",
        "folio_add_lru(F2)",
        "set_pte_at(vma0, 0, F2)",
        "spin_unlock(ptl of vma0:0)",
        "folio_unlock(F0)",
        "folio_put(F0)",
        "up_read(mmap_lock of A)",
        "store(vma0, 0)",
    ]
    assert (own(here, 0), contents(here), here.vmas[0].anon_vma) == ("s", ["d0", "d1"], True)
    assert folio_at(here, 0).mapcount == 0
    assert untidy(here) == []


def test_a_store_to_what_is_mapped_replaces_the_entry_once_the_tlb_has_been_flushed() -> None:
    here = private("data", "data")
    run(Load(0).run(here, "l"))

    taken = steps(Store(0).run(here, "s"))
    assert taken[taken.index("anon_vma_prepare(vma0)") :] == [
        "anon_vma_prepare(vma0)",
        "folio_alloc(0)",
        "copy_mc_highpage(F2, 0, F0)",
        "spin_lock(ptl of vma0:0)",
        "ptep_get_and_clear(vma0, 0)",
        "flush_tlb_page(vma0, 0)",
        "folio_add_lru(F2)",
        "set_pte_at(vma0, 0, F2)",
        "spin_unlock(ptl of vma0:0)",
        "folio_put(F0)",
        "folio_put(F0)",
        "up_read(mmap_lock of A)",
        "store(vma0, 0)",
    ]
    assert (own(here, 0), contents(here), folio_at(here, 0).mapcount) == ("s", ["d0", "d1"], 0)
    assert "folio_alloc(0)" not in steps(Store(0).run(here, "t"))
    assert (own(here, 0), contents(here)) == ("t", ["d0", "d1"])
    assert untidy(here) == []


def test_nobody_else_sees_the_copy_and_it_sees_nobody_else() -> None:
    here = private("data", "hole")
    run(Store(0).run(here, "mine"))
    run(Store(0, vma=1).run(here, "shared"))
    run(Write(1).run(here, "written"))

    assert [run(one.run(here, "l")) for one in (Load(0), Load(0, vma=1), Read(0), Load(1))] == [
        "mine",
        "shared",
        "shared",
        "written",
    ]


def test_a_store_fills_a_hole_on_the_way() -> None:
    here = private("data", "hole")

    assert run(Store(1).run(here, "s")) == 0
    assert (own(here, 1), contents(here)) == ("s", ["d0", "0"])
    assert untidy(here) == []


def test_a_truncate_takes_the_copy_and_a_hole_punch_leaves_it() -> None:
    here = private("data", "data")
    run(Store(1).run(here, "s"))

    run(PunchHole(1).run(here, "p"))
    assert (own(here, 1), contents(here), run(Mincore(1).run(here, "m"))) == ("s", ["d0", None], 1)
    run(Truncate(1).run(here, "t"))
    assert (own(here, 1), run(Load(1).run(here, "l"))) == (None, "SIGBUS")
    assert untidy(here) == []


def test_munmap_frees_the_copy() -> None:
    here = private("data", "data")
    run(Store(1).run(here, "s"))

    run(Munmap().run(here, "m"))
    assert [folio for folio in here.memory.live() if folio.anon] == []
    assert untidy(here) == []


@pytest.mark.parametrize("operation", [Collapse(0, vma=1), PageOut(0), Migrate(0)], ids=repr)
def test_what_happens_to_the_page_of_the_file_does_not_happen_to_the_copy(operation: Collapse) -> None:
    here = private("data", "data")
    run(Store(0).run(here, "s"))

    run(operation.run(here, "o"))
    assert (own(here, 0), contents(here)) == ("s", ["d0", "d1"])
    assert untidy(here) == []


def test_what_a_device_writes_goes_to_the_copy() -> None:
    here = private("data", "data")

    assert run(PinWrite(0).run(here, "p")) == 0
    assert (own(here, 0), contents(here)) == ("p", ["d0", "d1"])
    assert untidy(here) == []


def test_a_racing_truncate_finds_the_copy_when_it_unmaps_again() -> None:
    here = private("data", "data")
    store = Hand(Store(1).run(here, "s"), B)
    store.until("copy_mc_highpage")
    truncate = Hand(Truncate(1).run(here, "t"))
    while not truncate.blocked:
        truncate.step()

    assert str(truncate.pending) == "folio_lock(F1)"
    store.until("store", 2)
    assert own(here, 1) == "d1"
    truncate.finish()
    assert (store.finish(), own(here, 1)) == ("SIGBUS", None)
    assert untidy(here) == []


def test_an_entry_that_changes_while_it_is_copied_is_left_alone() -> None:
    here = private("data", "data")
    run(Load(1).run(here, "l"))
    store = Hand(Store(1).run(here, "s"), B)
    store.until("spin_lock", 2)

    assert store.visits("copy_mc_highpage") == 1
    run(Truncate(1).run(here, "t"))
    assert (store.finish(), own(here, 1)) == ("SIGBUS", None)
    assert untidy(here) == []


@pytest.mark.parametrize("call", ["anon_vma_prepare", "folio_alloc", "copy_mc_highpage", "pte_alloc"])
def test_a_copy_that_cannot_be_made_is_sigbus_and_leaves_nothing_behind(call: str) -> None:
    here = private("data", "data")

    assert run(Store(0).run(here, "s"), failing=[(call, 1)]) == "SIGBUS"
    assert (own(here, 0), contents(here)) == (None, ["d0", "d1"])
    assert untidy(here) == []


@pytest.mark.parametrize("call", ["anon_vma_prepare", "folio_alloc", "copy_mc_highpage"])
def test_nor_is_anything_where_the_page_was_mapped(call: str) -> None:
    here = private("data", "data")
    run(Load(0).run(here, "l"))

    assert run(Store(0).run(here, "s"), failing=[(call, 1)]) == "SIGBUS"
    assert (own(here, 0), contents(here)) == (None, ["d0", "d1"])
    assert untidy(here) == []


def test_a_huge_page_is_mapped_read_only_and_gives_way_to_the_copy_of_one_page() -> None:
    here = private("data", "data", huge=True)
    assert run(madvise_collapse(here.vmas[0], 0)) == 0
    huge = here.vmas[0].table(0).huge
    assert huge is not None
    assert not huge.write

    assert run(Store(1).run(here, "s")) == 0
    assert (here.vmas[0].table(0).huge, own(here, 1), run(Load(0).run(here, "l"))) == (None, "s", "d0")
    assert untidy(here) == []


def test_a_page_table_with_a_copy_in_it_is_kept() -> None:
    for kernel in ("linux-6.4-mended", KERNEL):
        here = private("data", "data", kernel=kernel, huge=True)
        run(Store(1).run(here, "s"))

        assert run(Collapse(0).run(here, "k")) == "EINVAL"  # there is a huge page, but no PMD maps it here
        assert (folio_at(here, 0).order, own(here, 1), here.vmas[0].table(0).present) == (1, "s", True)
        assert untidy(here) == []


# userfaultfd


def test_uffdio_copy_maps_a_page_of_its_own_and_leaves_the_file_alone() -> None:
    here = private("data", "hole", missing=True)

    assert [run(UffdCopy(index).run(here, f"u{index}")) for index in (0, 1)] == [0, 0]
    assert (own(here, 0), own(here, 1), contents(here)) == ("u0", "u1", ["d0", None])
    assert run(UffdCopy(1).run(here, "u")) == "EEXIST"
    assert untidy(here) == []


def test_it_does_not_replace_the_page_of_the_file_that_is_mapped() -> None:
    here = private("data", "hole", missing=True)
    run(Load(0).run(here, "l"))

    assert [run(one.run(here, "u")) for one in (UffdCopy(0), UffdZeropage(0))] == ["EEXIST", "EEXIST"]
    assert own(here, 0) is None


@pytest.mark.parametrize("operation", [UffdCopy(1), UffdZeropage(1)], ids=repr)
def test_it_looks_at_the_size_under_the_page_table_lock(operation: UffdCopy) -> None:
    here = private("data", "hole", missing=True)
    uffd = Hand(operation.run(here, "u"), B)
    uffd.until("i_size_read")
    truncate = Hand(Truncate(1).run(here, "t"))
    while not truncate.blocked:
        truncate.step()

    assert str(truncate.pending) == "spin_lock(ptl of vma0:0)"
    assert uffd.finish() == "EFAULT"
    truncate.finish()
    assert own(here, 1) is None
    assert untidy(here) == []


def test_a_copy_whose_source_is_not_in_memory_is_filled_outside_of_the_mmap_lock() -> None:
    here = private("data", "hole", missing=True)

    assert run(UffdCopy(1).run(here, "u"), failing=[("copy_from_user", 1)]) == 0
    assert own(here, 1) == "u"
    again = private("data", "hole", missing=True)
    assert run(UffdCopy(1).run(again, "u"), failing=[("copy_from_user", 1), ("copy_from_user", 2)]) == "EFAULT"
    assert untidy(again) == []


def test_the_zero_page_is_copied_by_a_store_and_taken_by_a_hole_punch() -> None:
    here = private("data", "hole", missing=True)
    run(UffdZeropage(0).run(here, "u"))
    run(UffdZeropage(1).run(here, "u"))
    assert [here.vmas[0].ptes[index].kind for index in (0, 1)] == [ZERO_PAGE, ZERO_PAGE]

    assert run(Store(0).run(here, "s")) == 0
    run(PunchHole(0, 2).run(here, "p"))
    assert (own(here, 0), own(here, 1)) == ("s", None)
    assert run(Touch(1).run(here, "t")) == EVENT
    assert untidy(here) == []


def test_a_store_that_waits_for_user_space_has_its_page_ready() -> None:
    here = private("data", "hole", missing=True)
    store = Hand(Store(1).run(here, "s"), B)
    store.until("schedule")
    assert store.blocked
    assert untidy(here) == []

    run(UffdUnregister().run(here, "u"))
    assert (store.finish(), own(here, 1), contents(here)) == (0, "s", ["d0", "0"])
    assert untidy(here) == []


def test_uffdio_continue_maps_the_page_of_the_file_read_only() -> None:
    here = private("data", "hole", missing=True)

    assert run(UffdContinue(0).run(here, "c")) == 0
    assert (here.vmas[0].ptes[0].folio, here.vmas[0].ptes[0].write) == (folio_at(here, 0), False)
    assert run(Store(0).run(here, "s")) == 0
    assert (own(here, 0), contents(here)) == ("s", ["d0", None])


def test_write_protection_holds_for_the_copy_and_what_comes_in_its_place() -> None:
    here = private("data", "data", wp=True)
    run(Store(0).run(here, "s"))

    assert run(UffdWriteProtect(0).run(here, "w")) == 0
    assert run(Poke(0).run(here, "p")) == EVENT
    run(UffdWriteProtect(0, lift=True).run(here, "w"))
    assert here.vmas[0].ptes[0].write
    assert run(Poke(0).run(here, "p")) == 0
    run(UffdWriteProtect(1).run(here, "w"))
    assert here.vmas[0].ptes[1].kind == MARKER_UFFD_WP
    assert run(Poke(1).run(here, "p")) == EVENT
    assert (own(here, 0), own(here, 1), contents(here)) == ("p", "d1", ["d0", "d1"])


def test_lifting_the_protection_of_the_files_page_does_not_make_it_writable() -> None:
    here = private("data", "data", wp=True)
    run(Load(0).run(here, "l"))

    for lift in (False, True):
        run(UffdWriteProtect(0, lift=lift).run(here, "w"))
    assert not here.vmas[0].ptes[0].write
    assert run(Poke(0).run(here, "p")) == 0
    assert (own(here, 0), contents(here)) == ("p", ["d0", "d1"])
