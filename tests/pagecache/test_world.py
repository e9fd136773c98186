from __future__ import annotations

from typing import Any

import pytest
from stepping import contents, folio_at, untidy, world

from pagecache.pte import Pte
from pagecache.world import OTHERS_MAX, PAGES_MAX, VMAS_MAX, VmaSpec, World, WorldSpec
from pagecache.xarray import ValueEntry


def test_a_world_is_what_its_specification_says() -> None:
    spec = WorldSpec(
        ("data", "hole", "unwritten", "hole"),
        size=2,
        vmas=(VmaSpec(end=4, mapped=(0,)), VmaSpec("B", 1, 2, missing=True)),
    )
    here = world(spec)

    assert contents(here) == ["d0", None, "unwritten", None]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks, here.inode.i_size) == (2, 2, 16, 2)
    assert here.vmas[0].ptes == {0: Pte(folio_at(here, 0), write=True)}
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (2, 1)
    assert here.vmas[0].table(0).present
    assert not here.vmas[0].table(2).present
    assert here.vmas[1].uffd_missing
    assert here.mapping.i_mmap == here.vmas


def test_a_large_folio_is_in_all_its_slots_and_mapped_page_by_page() -> None:
    pages = ("data",) * 4 + ("swapped",) * 2 + ("hole", "data")
    here = world(WorldSpec(pages, 3, 8, (VmaSpec(end=8, mapped=(1, 2)),), ((0, 2), (4, 1))))
    slots, swap = here.mapping.i_pages.slots, here.mapping.swap.slots

    assert contents(here) == ["d0", "d1", "d2", "d3", "d4", "d5", None, "d7"]
    assert slots[:4] == [folio_at(here, 0)] * 4
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount, folio_at(here, 0).index) == (6, 2, 0)
    assert slots[4:6] == [ValueEntry(4), ValueEntry(4)]
    assert [here.mapping.i_pages.order_at(index) for index in range(8)] == [2, 2, 2, 2, 1, 1, 0, 0]
    assert [slot.count for slot in swap] == [0, 0, 0, 0, 1, 1, 0, 0]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.info.swapped) == (5, 7, 2)
    assert untidy(here) == []


def test_a_large_folio_can_be_a_huge_page() -> None:
    here = world(WorldSpec(large=((0, 1),)))

    assert folio_at(here, 0) is folio_at(here, 1)
    assert folio_at(here, 1).order == here.mapping.hpage_pmd_order


def test_the_order_of_an_entry_is_that_of_its_siblings() -> None:
    """A value entry of 1 behind the slot with offset 1 is no sibling of it, though both are a tuple of 1."""
    slots = world(WorldSpec(("data",) * 4, 1, 4, (VmaSpec(end=4),))).mapping.i_pages
    slots.slots[1:3] = [ValueEntry(0), ValueEntry(1)]

    assert [slots.order_at(index) for index in range(4)] == [0] * 4


def test_a_slot_of_a_large_swap_entry_that_is_not_counted_is_noticed() -> None:
    here = world(WorldSpec(("swapped",) * 2, large=((0, 1),)))
    here.mapping.swap.slots[1].count = 0

    assert untidy(here) == ["in the end swap slot 1 is counted 0 times, but 1 entries refer to it"]


def test_mappings_of_one_process_share_their_mmap_lock() -> None:
    here = world(WorldSpec(vmas=(VmaSpec("A"), VmaSpec("B"), VmaSpec("A"))))

    assert here.vmas[0].mm is here.vmas[2].mm
    assert here.vmas[0].mm is not here.vmas[1].mm
    assert list(here.mms) == ["A", "B"]


def test_two_worlds_share_nothing() -> None:
    first, second = world(), world()
    folio_at(first, 0).pages[0] = "changed"

    assert contents(second)[0] == "d0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hpage_order": 0}, "hpage_order is 0; choose 1 to 3"),
        ({"hpage_order": 4}, "hpage_order is 4"),
        ({"pages": ()}, "there are 0 pages"),
        ({"pages": ("data",) * 3}, "give a multiple of 2"),
        ({"pages": ("data",) * (PAGES_MAX + 2)}, f"at most {PAGES_MAX}"),
        ({"pages": ("data", "swap")}, "page 1 is 'swap'; choose one of data, hole, unwritten"),
        ({"size": 3}, "size is 3 pages; choose 0 to 2"),
        ({"size": 1}, "page 1 holds data beyond size 1; make it a hole or raise size"),
        ({"vmas": ()}, "there are 0 VMAs"),
        ({"vmas": (VmaSpec(),) * (VMAS_MAX + 1)}, f"give 1 to {VMAS_MAX}"),
        ({"vmas": (VmaSpec(end=3),)}, "vma 0 ends at 3, but there are only 2 pages"),
        ({"pages": ("data", "hole"), "vmas": (VmaSpec(mapped=(1,)),)}, "index 1 mapped, where there is no data"),
        ({"large": ((0, 0),)}, r"large range \[0, 0\] has order 0; choose 1 to 1"),
        ({"large": ((0, 2),)}, r"large range \[0, 2\] has order 2; choose 1 to 1"),
        ({"large": ((1, 1),)}, r"large range \[1, 1\] begins at 1; choose a multiple of 2 from 0 to 0"),
        ({"large": ((2, 1),)}, r"large range \[2, 1\] begins at 2; choose a multiple of 2 from 0 to 0"),
        ({"large": ((0, 1), (0, 1))}, r"large range \[0, 1\] begins before 2, where the one before it ends"),
        ({"large": ((0, 1, 2),)}, r"large has \[0, 1, 2\]; give pairs of a first index and an order"),
        ({"pages": ("data", "hole"), "large": ((0, 1),)}, "holds data, hole; make them all data or all swapped"),
        ({"pages": ("unwritten",) * 2, "large": ((0, 1),)}, "holds unwritten, unwritten; make them all data"),
        ({"huge": "always", "others": ("busy",)}, "others has 'busy'; choose one of idle, pinned"),
        ({"huge": "always", "others": ("idle",) * (OTHERS_MAX + 1)}, f"4 other files; give at most {OTHERS_MAX}"),
        ({"others": ("idle",)}, r"others is \['idle'\], but with huge = 'never' no file of the mount gets"),
        ({"others": ("idle",), "backing": "file"}, r"others is \['idle'\], but only shmem has a list of them"),
    ],
)
def test_a_specification_whose_parts_do_not_fit_says_which_and_what_to_do(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorldSpec(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": 1, "end": 1}, "start must be >= 0 and below end"),
        ({"start": -1}, "maps indices -1 to 2"),
        ({"mapped": (2,)}, "index 2 mapped but covers only 0 to 1; remove it"),
        ({"mapped": (0, 0)}, "an index twice"),
    ],
)
def test_a_mapping_that_makes_no_sense_says_why(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VmaSpec(**values)


def test_the_smallest_specification_is_one_huge_page_of_data() -> None:
    assert isinstance(world(WorldSpec()), World)
    assert contents(world(WorldSpec())) == ["d0", "d1"]
