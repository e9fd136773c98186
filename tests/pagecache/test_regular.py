"""Regular files: what is read, written, dropped and collapsed, by hand."""

from __future__ import annotations

from typing import Any

import pytest
from stepping import Hand, folio_at, run, steps, untidy, world

from pagecache.evict import evict_inodes
from pagecache.folio import Folio
from pagecache.operations import (
    CloseWrite,
    Collapse,
    Load,
    Mincore,
    OpenWrite,
    Operation,
    PageOut,
    Read,
    Touch,
    Truncate,
    Write,
    Writeback,
)
from pagecache.promises.linearizable import contents
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec
from pagecache.xarray import ValueEntry

COLLAPSING = ("linux-6.2", "linux-6.4", "linux-2026", "linux-2026-mended")


def a_file(*pages: str, kernel: str = "linux-2026-mended", size: int = -1, **spec: Any) -> World:
    """A regular file, mapped once."""
    end = len(pages) if size < 0 else size
    return world(WorldSpec(pages, size=end, vmas=(VmaSpec(end=len(pages)),), backing="file", **spec), kernel)


def do(here: World, *operations: Operation) -> list[object]:
    return [run(operation.run(here, f"t.{number}")) for number, operation in enumerate(operations)]


def test_what_is_not_cached_is_read_from_the_disk() -> None:
    here = a_file("hole", "shadow")

    assert do(here, Read(0), Load(1), Read(1)) == ["d0", "d1", "d1"]
    assert here.mapping.nrpages == 2
    assert untidy(here) == []


def test_a_page_that_is_uptodate_is_read_without_its_lock() -> None:
    taken = steps(Read(0).run(a_file("data", "data"), "t"))

    assert not [step for step in taken if "lock" in step and "rcu" not in step]


def test_a_write_is_in_the_cache_until_it_is_written_back() -> None:
    here = a_file("data", "data")
    disk = here.mapping.regular
    assert disk is not None

    assert do(here, Write(0)) == [1]
    assert (disk.disk[0], folio_at(here, 0).dirty) == ("d0", True)
    assert do(here, Writeback(0)) == [0]
    assert (disk.disk[0], folio_at(here, 0).dirty, folio_at(here, 0).writeback) == ("t.0", False, None)


def test_behind_the_end_there_is_nothing() -> None:
    here = a_file("data", "hole", size=1)

    assert do(here, Read(1), Load(1), Write(1), Read(1)) == [0, "SIGBUS", 1, "t.2"]
    assert do(here, Truncate(1), Truncate(2), Read(1), Load(1)) == [0, 0, "0", "0"]
    assert untidy(here) == []


def test_reclaim_leaves_a_shadow_entry_and_keeps_what_is_dirty() -> None:
    here = a_file("data", "dirty")

    do(here, PageOut(0), PageOut(1))

    assert isinstance(here.mapping.i_pages.slots[0], ValueEntry)
    assert folio_at(here, 1).dirty
    assert contents(here) == ("d0", "d1")
    assert untidy(here) == []


def test_a_large_folio_leaves_a_shadow_entry_of_its_order_which_an_insertion_splits() -> None:
    here = a_file("data", "data", "data", "data", large=((0, 2),), hpage_order=2)

    do(here, PageOut(2))
    assert here.mapping.i_pages.order_at(0) == 2
    assert do(here, Read(1)) == ["d1"]
    assert [isinstance(entry, Folio) for entry in here.mapping.i_pages.slots] == [False, True, False, False]
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", COLLAPSING)
@pytest.mark.parametrize("pages", [("data", "data"), ("data", "hole"), ("shadow", "hole")])
def test_a_collapse_reads_what_is_missing_and_makes_a_clean_huge_page(kernel: str, pages: tuple[str, ...]) -> None:
    here = a_file(*pages, kernel=kernel)

    assert do(here, Collapse(0)) == [0]
    huge = folio_at(here, 1)
    assert (huge.order, huge.dirty, huge.uptodate, huge.pages) == (1, False, True, ["d0", "d1"])
    assert here.mapping.regular is not None
    assert here.mapping.regular.nr_thps == 1
    assert untidy(here) == []
    run(evict_inodes(here))


@pytest.mark.parametrize("kernel", COLLAPSING)
def test_no_collapse_of_what_is_dirty_or_open_for_writing(kernel: str) -> None:
    refused = "EAGAIN" if "2026" in kernel else "EINVAL"

    assert do(a_file("data", "dirty", kernel=kernel), Collapse(0)) == [refused]
    assert do(a_file("data", "data", kernel=kernel), OpenWrite(), Collapse(0), CloseWrite(), Collapse(0)) == [
        0,
        "EINVAL",
        0,
        0,
    ]


@pytest.mark.parametrize("kernel", COLLAPSING)
def test_a_writer_who_opens_during_a_collapse_stops_it(kernel: str) -> None:
    here = a_file("data", "data", kernel=kernel)
    collapse = Hand(Collapse(0).run(here, "k"))
    collapse.until("inode_is_open_for_write", 2)

    writer = Hand(OpenWrite().run(here, "w"), Task("W", 1))
    while not writer.blocked:
        writer.step()

    assert collapse.finish() == "EINVAL"
    assert writer.finish() == 0
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", ["linux-4.8", "stevens-v1", "stevens-v5", "wilcox-2023-02", "retry-during-scan"])
def test_older_protocols_do_not_collapse_regular_files(kernel: str) -> None:
    assert do(a_file("data", "data", kernel=kernel), Collapse(0)) == ["EINVAL"]


def test_opening_for_writing_drops_the_huge_pages() -> None:
    here = a_file("data", "data")

    assert do(here, Collapse(0), OpenWrite(), Read(1)) == [0, 0, "d1"]
    assert here.mapping.regular is not None
    assert (here.mapping.regular.nr_thps, folio_at(here, 1).order) == (0, 0)
    assert untidy(here) == []


@pytest.mark.parametrize(("kernel", "found"), [("linux-2026", "old3"), ("linux-2026-mended", "d3")])
def test_opening_for_writing_loses_what_is_dirty_elsewhere(kernel: str, found: str) -> None:
    here = a_file("data", "data", "data", "dirty", kernel=kernel)

    assert do(here, Read(3), Collapse(0), OpenWrite(), Read(3)) == ["d3", 0, 0, found]


def test_mincore_takes_a_shadow_entry_for_nothing() -> None:
    assert do(a_file("shadow", "data"), Mincore(0), Mincore(1)) == [0, 1]


def test_a_truncate_waits_for_write_back() -> None:
    here = a_file("data", "dirty")
    writeback = Hand(Writeback(1).run(here, "w"), Task("W", 1))
    writeback.until("folio_end_writeback")
    truncate = Hand(Truncate(0).run(here, "t"))
    while not truncate.blocked:
        truncate.step()

    assert str(truncate.pending).startswith("folio_wait_writeback")
    writeback.finish()
    assert truncate.finish() == 0
    assert untidy(here) == []


def test_what_is_not_modelled_says_so() -> None:
    file = WorldSpec(backing="file")

    assert Touch(0).problem(file) == "Touch is not modelled for backing 'file'; make the backing shmem"
    assert OpenWrite().problem(WorldSpec()) == "OpenWrite is not modelled for backing 'shmem'; make the backing file"
    assert not Read(0).problem(file)


def test_a_regular_file_has_no_userfaultfd_and_no_reserved_pages() -> None:
    with pytest.raises(ValueError, match="userfaultfd does not take regular files"):
        WorldSpec(vmas=(VmaSpec(missing=True),), backing="file")
    with pytest.raises(ValueError, match="choose one of data, hole, dirty, shadow"):
        WorldSpec(("data", "unwritten"), backing="file")
    with pytest.raises(ValueError, match="choose one of shmem, file"):
        WorldSpec(backing="disk")


def test_a_writable_mapping_is_of_a_regular_file_whose_large_folios_can_be_written_back() -> None:
    with pytest.raises(ValueError, match="writable = true, as all mappings of shmem are"):
        WorldSpec(vmas=(VmaSpec(writable=True),))
    writable = VmaSpec(writable=True)
    assert not WorldSpec(vmas=(writable,), backing="file").large_folios
    assert WorldSpec(vmas=(writable,), large=((0, 1),), backing="file").large_folios


def test_an_insertion_splits_the_shadow_entry_that_is_there_when_it_has_the_lock() -> None:
    """Another one has come since the nodes for the split were allocated: they are full of the first."""
    here = a_file(*("shadow",) * 8, large=((0, 3),), hpage_order=3)
    reader = Hand(Read(1).run(here, "r"), Task("R", 1))
    reader.until("xas_split_alloc")
    reader.step()
    first = here.mapping.i_pages.slots[0]
    assert do(here, Collapse(0), PageOut(0)) == [0, 0]
    second = here.mapping.i_pages.slots[0]

    assert first != second
    assert reader.finish() == "d1"
    assert [second if entry == second else str(entry) for entry in here.mapping.i_pages.slots][2:] == [second] * 6
    assert reader.visits("xas_destroy") == 1
    assert untidy(here) == []
