"""Stores through shared mappings of regular files, by hand: the first one asks, write-back takes it back."""

from __future__ import annotations

import pytest
from stepping import Hand, folio_at, run, steps, untidy, world

from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_2026_MENDED, LINUX_2026_WRITABLE
from pagecache.operations import Collapse, Load, Munmap, PageOut, PinWrite, Read, Store, Truncate, Write, Writeback
from pagecache.promises.linearizable import contents
from pagecache.pte import Pte
from pagecache.regular.backing import RegularFile
from pagecache.rmap import folio_mkclean
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec

S, W = Task("S", 1), Task("W", 2)
DATA = ("d0", "d1", "d2", "d3")


def a_file(*pages: str, kernel: str = "linux-2026-mended", mapped: tuple[int, ...] = ()) -> World:
    """A regular file, mapped once, for reading and writing."""
    vma = VmaSpec(end=len(pages), mapped=mapped, writable=True)
    return world(WorldSpec(pages, size=len(pages), vmas=(vma,), backing="file"), kernel)


def disk_of(here: World) -> RegularFile:
    assert here.mapping.regular is not None
    return here.mapping.regular


def test_a_load_maps_a_page_read_only_and_a_store_asks_the_file_system() -> None:
    here = a_file("data", "data")

    assert run(Load(0).run(here, "l")) == "d0"
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0))}
    taken = steps(Store(0).run(here, "s"))
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0), write=True, dirty=True)}
    assert folio_at(here, 0).page_at(0) == "s"
    assert taken[2:-2] == [
        "spin_lock(ptl of vma0:0)",
        "folio_get(F0)",
        "spin_unlock(ptl of vma0:0)",
        "down_read(invalidate_lock)",
        "folio_lock(F0)",
        "i_size_read()",
        "up_read(invalidate_lock)",
        "spin_lock(ptl of vma0:0)",
        "ptep_set_access_flags(vma0, 0)",
        "spin_unlock(ptl of vma0:0)",
        "folio_unlock(F0)",
        "folio_put(F0)",
    ]
    assert untidy(here) == []


def test_a_store_to_what_is_not_mapped_maps_it_writable_at_once() -> None:
    here = a_file("hole", "data")

    assert run(Store(0).run(here, "s")) == 0
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0), write=True, dirty=True)}
    assert (folio_at(here, 0).dirty, contents(here), disk_of(here).disk) == (True, ("s", "d1"), ["d0", "d1"])
    assert "folio_lock(F1)" not in steps(Store(0).run(here, "t"))  # the second one is a store, and nothing else
    assert untidy(here) == []


def test_a_mapping_of_a_descriptor_that_is_open_for_reading_is_read_only() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0,)),), backing="file"), "linux-2026-mended")

    assert run(Store(0).run(here, "s")) == "SIGSEGV"
    assert (contents(here), disk_of(here).i_writecount) == (("d0", "d1"), 0)
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0))}


def test_write_back_makes_the_entry_clean_and_read_only_so_that_the_next_store_faults() -> None:
    here = a_file("data", "data")
    run(Store(0).run(here, "s"))

    run(Writeback(0).run(here, "w"))
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0))}
    assert (folio_at(here, 0).dirty, disk_of(here).disk[0], here.vmas[0].tlb) == (False, "s", {})
    assert run(Store(0).run(here, "t")) == 0
    assert (folio_at(here, 0).dirty, disk_of(here).disk[0], contents(here)[0]) == (True, "s", "t")
    assert untidy(here) == []


def test_a_store_by_way_of_the_tlb_before_it_is_flushed_is_written_back() -> None:
    here = a_file("data", "data")
    run(Store(0).run(here, "s"))
    writeback = Hand(Writeback(0).run(here, "w"), W)
    writeback.until("flush_tlb_page")
    assert not here.vmas[0].ptes[0].write

    assert run(Store(0).run(here, "t"), S) == 0
    writeback.finish()
    assert (disk_of(here).disk[0], contents(here)[0]) == ("t", "t")


def test_a_store_behind_the_flush_waits_until_it_can_make_the_folio_dirty_again() -> None:
    here = a_file("data", "data")
    run(Store(0).run(here, "s"))
    writeback = Hand(Writeback(0).run(here, "w"), W)
    writeback.until("folio_start_writeback")
    store = Hand(Store(0).run(here, "t"), S)
    while not store.blocked:
        store.step()

    assert str(store.pending) == "folio_lock(F0)"
    writeback.finish()
    assert store.finish() == 0
    assert (disk_of(here).disk[0], folio_at(here, 0).dirty, contents(here)[0]) == ("s", True, "t")
    assert untidy(here) == []


def test_what_was_stored_outlives_the_mapping_and_the_descriptor_is_closed() -> None:
    here = a_file("data", "data")
    run(Store(1).run(here, "s"))
    assert disk_of(here).i_writecount == 1

    assert [run(operation.run(here, "t")) for operation in (Munmap(), PageOut(1), Read(1))] == [0, 0, "s"]
    assert disk_of(here).i_writecount == 0
    assert untidy(here) == []


def test_a_page_that_is_truncated_before_the_file_system_is_asked_is_gone() -> None:
    here = a_file("data", "data")
    store = Hand(Store(1).run(here, "s"), S)
    store.until("down_read", 2)

    assert run(Truncate(1).run(here, "t")) == 0
    assert store.finish() == "SIGBUS"
    assert contents(here) == ("d0", "hole")
    assert untidy(here) == []


def test_an_entry_that_has_changed_while_the_file_system_was_asked_stays_as_it_is() -> None:
    here = a_file("data", "data", mapped=(0,))
    store = Hand(Store(0).run(here, "s"), S)
    store.until("folio_lock")
    run(PageOut(0).run(here, "r"), W)  # somebody has a reference: it is unmapped, and stays

    assert here.vmas[0].ptes == {}
    assert store.finish() == 0
    assert store.visits("set_pte_at") == 1
    assert contents(here)[0] == "s"
    assert untidy(here) == []


def test_a_pmd_becomes_clean_and_read_only_too() -> None:
    """Nobody has a huge page of a file that is open for writing, as long as nobody knows how to write one back."""
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0, 1), huge=True),), large=((0, 1),), backing="file"))
    table, folio = here.vmas[0].table(0), folio_at(here, 0)
    table.huge = Pte(folio, write=True, dirty=True, huge=True)
    folio.locked_by = W

    run(folio_mkclean(here.mapping, folio), W)
    assert table.huge == Pte(folio, huge=True)


def test_a_pin_makes_the_page_dirty_again_if_it_has_been_written_back_meanwhile() -> None:
    here = a_file("data", "data")
    pin = Hand(PinWrite(0).run(here, "p"), S)
    pin.until("dma_write")
    run(Writeback(0).run(here, "w"))
    assert not folio_at(here, 0).dirty

    assert pin.finish() == 0
    assert (folio_at(here, 0).dirty, contents(here)[0], disk_of(here).disk[0]) == (True, "p", "d0")
    assert untidy(here) == []


def test_nobody_pins_a_page_of_a_read_only_mapping_to_write_to_it() -> None:
    here = world(WorldSpec(vmas=(VmaSpec(mapped=(0,)),), backing="file"), "linux-2026-mended")

    assert run(PinWrite(0).run(here, "p")) == "EFAULT"
    assert untidy(here) == []


@pytest.mark.parametrize(("kernel", "answer"), [(LINUX_2026_MENDED, "EINVAL"), (LINUX_2026_WRITABLE, 0)])
def test_a_file_that_is_open_for_writing_is_collapsed_if_huge_pages_can_be_written_back(
    kernel: Kernel, answer: object
) -> None:
    spec = WorldSpec(("data",) * 4, 1, 4, (VmaSpec(end=4, mapped=(0,), writable=True),), ((2, 1),), backing="file")
    here = world(spec, kernel)

    assert run(Collapse(0).run(here, "k")) == answer
    run(Store(0).run(here, "s"))
    assert run(Collapse(0).run(here, "k")) in ("EINVAL", 0)
    run(Writeback(0).run(here, "w"))
    assert (disk_of(here).disk, contents(here), disk_of(here).nr_thps) == (["s", "d1", "d2", "d3"], ("s", *DATA[1:]), 0)
    assert untidy(here) == []


@pytest.mark.parametrize(("kernel", "answer", "tail"), [("linux-2026", 0, "s"), ("linux-2026-mended", "SIGBUS", "0")])
def test_a_folio_that_is_inside_of_the_file_in_part_is_not_the_page(kernel: str, answer: object, tail: str) -> None:
    vma = VmaSpec(end=4, writable=True)
    here = world(WorldSpec(("data",) * 4, 2, 4, (vma,), ((0, 1),), backing="file"), kernel)
    run(Write(0).run(here, "w"))
    store = Hand(Store(1).run(here, "s"), S)
    store.until("down_read", 2)
    run(Truncate(1).run(here, "t"))

    assert store.finish() == answer
    run(Truncate(2).run(here, "t"))
    assert run(Read(1).run(here, "r")) == tail
