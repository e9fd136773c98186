from __future__ import annotations

from typing import Any

import pytest
from stepping import contents, folio_at, world

from pagecache.world import PAGES_MAX, VMAS_MAX, VmaSpec, World, WorldSpec


def test_a_world_is_what_its_specification_says() -> None:
    spec = WorldSpec(
        ("data", "hole", "unwritten", "hole"),
        size=2,
        vmas=(VmaSpec(end=4, mapped=(0,)), VmaSpec("B", 1, 2, missing=True)),
    )
    here = world(spec)

    assert contents(here) == ["d0", None, "unwritten", None]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks, here.inode.i_size) == (2, 2, 16, 2)
    assert here.vmas[0].ptes == {0: folio_at(here, 0)}
    assert (folio_at(here, 0).refcount, folio_at(here, 0).mapcount) == (2, 1)
    assert here.vmas[0].table(0).present
    assert not here.vmas[0].table(2).present
    assert here.vmas[1].uffd_missing
    assert here.mapping.i_mmap == here.vmas


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
