from __future__ import annotations

import pytest
from stepping import Hand, contents, folio_at, run, world

from pagecache.inode import i_size_write
from pagecache.operations import Collapse, Fallocate, Load, PageOut, Store, Write
from pagecache.promises.accounting import CountWatcher
from pagecache.shmem import SGP_CACHE, Vmf, shmem_alloc_and_add_folio, shmem_get_folio
from pagecache.shmem_huge import shmem_allowable_huge_orders, shmem_suitable_orders
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec


def holes(*states: str, huge: str = "always", order: int = 1, size: int = -1, vma: VmaSpec | None = None) -> World:
    pages = states or ("hole",) * (1 << order)
    return world(
        WorldSpec(pages, order, len(pages) if size < 0 else size, (vma or VmaSpec(end=len(pages)),), huge=huge)
    )


def fault_at(here: World, index: int) -> Vmf:
    return Vmf(here.vmas[0], index, waits=True, write=False)


@pytest.mark.parametrize(
    ("huge", "index", "write_end", "orders"),
    [
        ("never", 0, 8, ()),
        ("always", 0, 0, ()),  # nobody knows how much will be filled
        ("always", 0, 1, ()),  # write(2) of one page
        ("always", 0, 3, (1, 0)),
        ("always", 0, 8, (3, 2, 1, 0)),
        ("always", 2, 8, (1, 0)),  # as far as it is aligned
        ("always", 3, 8, ()),
        ("within_size", 0, 8, (3, 2, 1, 0)),  # the size will be at least that
        ("sizes", 0, 8, ()),  # those are for faults
    ],
)
def test_a_call_that_fills_a_range_may_get_folios_that_fit_into_it(
    huge: str, index: int, write_end: int, orders: tuple[int, ...]
) -> None:
    here = holes(huge=huge, order=3)

    assert run(shmem_allowable_huge_orders(here.inode, None, index, write_end)) == orders


@pytest.mark.parametrize(
    ("huge", "size", "orders"),
    [("always", 1, (2,)), ("within_size", 1, ()), ("within_size", 4, (2,)), ("sizes", 1, (2, 1)), ("sizes", 4, (2, 1))],
)
def test_a_fault_may_get_a_huge_page_or_one_of_all_sizes(huge: str, size: int, orders: tuple[int, ...]) -> None:
    here = holes(huge=huge, size=size, order=2)

    assert run(shmem_allowable_huge_orders(here.inode, fault_at(here, 0), 0, 0)) == orders


def test_without_memory_for_a_large_folio_a_smaller_one_holds_the_page() -> None:
    here = holes(huge="sizes", order=2)

    assert run(Store(3).run(here, "store"), failing=[("folio_alloc", 1)]) == 0
    assert contents(here) == [None, None, "0", "store"]
    assert folio_at(here, 2) is folio_at(here, 3)


def test_an_order_is_suitable_if_nothing_is_in_its_range() -> None:
    here = holes("hole", "hole", "hole", "data", order=2)

    assert run(shmem_suitable_orders(here.mapping, None, 0, (2, 1, 0))) == (1, 0)
    assert run(shmem_suitable_orders(here.mapping, None, 2, (2, 1))) == ()


def test_an_order_is_suitable_if_it_fits_into_the_vma() -> None:
    here = holes("hole", "hole", "hole", "hole", order=2, vma=VmaSpec(start=1, end=4))

    assert run(shmem_suitable_orders(here.mapping, fault_at(here, 3), 3, (2, 1))) == (1,)


def test_a_fault_fills_all_pages_of_its_huge_page_and_accounts_for_them() -> None:
    here = holes(size=1)

    assert run(Load(0).run(here, "load")) == "0"
    assert contents(here) == ["0", "0"]  # behind the end of the file, too
    assert folio_at(here, 0) is folio_at(here, 1)
    assert here.mapping.nrpages == here.inode.info.alloced == 2
    assert CountWatcher(here).ended(()) is None


@pytest.mark.parametrize("failing", [("folio_alloc", 1), ("shmem_inode_acct_blocks", 1)])
def test_without_memory_or_space_for_a_huge_page_it_is_a_small_one(failing: tuple[str, int]) -> None:
    here = holes()

    error, folio = run(shmem_get_folio(here.inode, 1, SGP_CACHE, fault_at(here, 1)), failing=[failing])

    assert (error, folio) == ("", folio_at(here, 1))
    assert contents(here) == [None, "0"]
    assert here.mapping.nrpages == here.inode.info.alloced == 1


def test_a_smaller_folio_covers_the_page_that_is_missing() -> None:
    here = holes(order=2)

    error, folio = run(shmem_alloc_and_add_folio(here.inode, 3, None, (2, 1, 0)), failing=[("folio_alloc", 1)])

    assert error == ""
    assert (folio.index, folio.order) == (2, 1)


def test_a_small_page_that_comes_between_is_found_at_the_second_try() -> None:
    here = holes()
    slow = Hand(shmem_get_folio(here.inode, 0, SGP_CACHE, fault_at(here, 0)))
    slow.until("__folio_set_locked")
    assert run(Write(1).run(here, "w"), Task("W", 1)) == 1

    error, folio = slow.finish()

    assert (error, folio.order) == ("", 0)
    assert contents(here) == ["0", "w"]


def test_a_truncated_fault_takes_back_the_huge_page() -> None:
    here = holes()
    late = Hand(shmem_get_folio(here.inode, 1, SGP_CACHE, fault_at(here, 1)))
    late.until("clear_highpage")
    run(i_size_write(here.inode, 1), Task("T", 1))

    assert late.finish() == ("EINVAL", None)
    assert contents(here) == [None, None]
    assert here.mapping.nrpages == here.inode.info.alloced == 0


def test_fallocate_reserves_folios_as_large_as_the_range_allows() -> None:
    here = holes(*["hole"] * 8, order=3)

    assert run(Fallocate(0, 7).run(here, "f")) == 0
    assert [folio_at(here, index).order for index in range(7)] == [2, 2, 2, 2, 1, 1, 0]
    assert contents(here) == ["unwritten"] * 7 + [None]


def test_a_write_into_a_reserved_folio_clears_the_rest_of_it() -> None:
    here = holes()
    run(Fallocate(0, 2).run(here, "f"))

    assert run(Write(1).run(here, "w")) == 1
    assert contents(here) == ["0", "w"]


def test_fallocate_gives_up_when_reclaim_has_wanted_more_pages_than_it_has_reserved() -> None:
    here = holes(*["hole"] * 4)
    falloc = Hand(Fallocate(0, 4).run(here, "f"))
    falloc.until("signal_pending", 2)
    for _ in range(2):
        assert run(PageOut(0).run(here, "r"), Task("R", 1)) == 0

    assert falloc.finish() == "ENOMEM"
    assert contents(here) == [None] * 4


@pytest.mark.parametrize(
    ("kernel", "collapsed", "read"), [("linux-2026", 0, "poison"), ("linux-2026-mended", "EINVAL", "0")]
)
def test_a_huge_page_that_was_only_reserved_may_be_mapped_with_what_was_in_its_memory(
    kernel: str, collapsed: int | str, read: str
) -> None:
    here = world(WorldSpec(("hole", "hole"), vmas=(VmaSpec(huge=True),), huge="always"), kernel)
    run(Fallocate(0, 2).run(here, "f"))

    assert run(Collapse(0).run(here, "k")) == collapsed
    assert run(Load(0).run(here, "load")) == read
