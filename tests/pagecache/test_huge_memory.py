from __future__ import annotations

import pytest
from stepping import Hand, K, contents, folio_at, run, snapshot, steps, untidy, world

from pagecache.fault import access
from pagecache.filemap import filemap_get_entry
from pagecache.folio import Folio, folio_get, folio_lock, folio_put, folio_unlock
from pagecache.folio_split import folio_split, try_folio_split_6_15
from pagecache.history.b44_split_in_the_wrong_place import BUG
from pagecache.huge_memory import split_folio, split_huge_pages
from pagecache.inode import shmem_recalc_inode
from pagecache.kernel import Kernel
from pagecache.step import KernelBug, Task
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
FOLIO_SPLIT = BUG.fixed


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def huge(size: int = 4, kernel: str | Kernel = "linux-6.4") -> World:
    """One huge folio of four pages, locked and referenced by us."""
    pages = tuple("data" if index < size else "hole" for index in range(4))
    here = world(WorldSpec(pages, hpage_order=2, size=size, vmas=(VmaSpec(end=4),)), kernel)
    assert run(here.kernel.collapse_file(here.vmas[0].mm, here.mapping, 0, None)) == "SCAN_SUCCEED"
    run(folio_get(folio_at(here, 0)))
    run(folio_lock(folio_at(here, 0)))
    return here


def test_each_page_becomes_a_folio_of_its_own_with_the_reference_of_the_cache() -> None:
    here = huge()
    head = folio_at(here, 0)

    assert run(split_folio(here.mapping, head)) == ""

    assert contents(here) == ["d0", "d1", "d2", "d3"]
    assert [folio_at(here, index).order for index in range(4)] == [0] * 4
    assert [folio_at(here, index).index for index in range(4)] == [0, 1, 2, 3]
    assert [folio_at(here, index).refcount for index in range(4)] == [2, 1, 1, 1]  # ours is on the head
    assert [folio_at(here, index).locked_by for index in range(4)] == [K, None, None, None]
    assert all(folio_at(here, index).lru and folio_at(here, index).uptodate for index in range(4))
    assert K.held == [head]


def test_the_slots_are_rewritten_from_the_last_to_the_first_while_the_head_is_frozen() -> None:
    here = huge()
    head = folio_at(here, 0)
    split = Hand(split_folio(here.mapping, head))
    split.until("xas_store", 6)  # four slots by xas_split(), then the last tail's

    lookup = Hand(filemap_get_entry(here.mapping, 3), B)
    assert lookup.finish() is here.memory.folios[-2]
    spinning = Hand(filemap_get_entry(here.mapping, 1), B)
    spinning.until("cpu_relax")
    assert spinning.blocked

    split.finish()

    assert [step for step in split.steps if step.startswith("xas_store")] == [
        *(f"xas_store({index}, H{head.number})" for index in (3, 2, 1, 0)),  # xas_split()
        *(f"xas_store({index}, {folio_at(here, index)})" for index in (3, 2, 1)),
    ]
    assert spinning.finish() is folio_at(here, 1)


@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-6.4", "linux-2026"])
def test_pages_behind_the_end_of_the_file_leave_the_cache_and_the_accounts(kernel: str) -> None:
    here = huge(size=1, kernel=kernel)
    assert contents(here) == ["d0", "0", "0", "0"]

    assert run(split_folio(here.mapping, folio_at(here, 0))) == ""

    assert contents(here) == ["d0", None, None, None]
    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (1, 1, 8)
    assert here.memory.nr_live == 1


@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-6.4", "linux-2026"])
def test_the_accounts_of_what_left_may_be_settled_by_somebody_else(kernel: str) -> None:
    here = huge(size=1, kernel=kernel)
    split = Hand(split_folio(here.mapping, folio_at(here, 0)))
    split.until("spin_lock")

    run(shmem_recalc_inode(here.inode, 0, 0), B)
    split.finish()

    assert (here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks) == (1, 1, 8)


def test_what_fallocate_reserved_behind_the_end_stays() -> None:
    here = huge(size=1)
    here.inode.info.fallocend = 3

    run(split_folio(here.mapping, folio_at(here, 0)))

    assert contents(here) == ["d0", "0", "0", None]


def test_a_mapped_folio_is_unmapped() -> None:
    here = world(WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=()),)))
    assert run(here.kernel.collapse_file(here.vmas[0].mm, here.mapping, 0, None)) == "SCAN_SUCCEED"
    vma, head = here.vmas[0], folio_at(here, 0)
    run(access(vma, 0, "x", waits=True))
    run(access(vma, 1, None, waits=True))
    assert (head.mapcount, head.refcount) == (2, 4)
    run(folio_get(head))
    run(folio_lock(head))

    assert run(split_folio(here.mapping, head)) == ""
    assert vma.ptes == {}
    assert vma.tlb == {}
    assert contents(here) == ["x", "d1"]
    assert (head.mapcount, head.refcount) == (0, 2)


def test_a_folio_that_somebody_else_uses_is_not_split() -> None:
    here = huge()
    head = folio_at(here, 0)
    run(folio_get(head), B)
    before = snapshot(here)

    assert run(split_folio(here.mapping, head)) == "EAGAIN"
    assert snapshot(here) == before

    run(folio_put(head), B)
    assert run(split_folio(here.mapping, head)) == ""


def test_a_reference_taken_after_the_first_look_is_seen_by_the_freeze() -> None:
    here = huge()
    head = folio_at(here, 0)
    split = Hand(split_folio(here.mapping, head))
    split.until("folio_ref_freeze")

    run(filemap_get_entry(here.mapping, 3), B)

    assert split.finish() == "EAGAIN"
    assert head.order == 2


def test_a_folio_that_has_left_the_file_is_not_split() -> None:
    here = huge()
    head = folio_at(here, 0)
    head.mapping = None

    assert run(split_folio(here.mapping, head)) == "EBUSY"


def test_splitting_a_folio_that_is_not_locked_is_a_kernel_bug() -> None:
    here = huge()

    with pytest.raises(KernelBug, match="split by B without its lock"):
        run(split_folio(here.mapping, folio_at(here, 0)), B)


EIGHT = WorldSpec(("data",) * 8, 3, 8, (VmaSpec(end=8, mapped=(0, 5)),), ((0, 3),))


@pytest.mark.parametrize("order", [1, 2])
def test_a_folio_is_split_into_parts_of_a_lower_order(order: int) -> None:
    here = world(EIGHT, "linux-2026")
    nr = 1 << order

    run(split_huge_pages(here.mapping, 3, order))

    assert contents(here) == [f"d{index}" for index in range(8)]
    parts = [folio_at(here, index) for index in range(0, 8, nr)]
    assert [(part.order, part.index, part.refcount) for part in parts] == [(order, n, nr) for n in range(0, 8, nr)]
    assert [here.mapping.i_pages.order_at(index) for index in range(8)] == [order] * 8
    assert (here.mapping.nrpages, here.vmas[0].ptes) == (8, {})
    assert untidy(here) == []

    run(split_huge_pages(here.mapping, 3, 0))
    orders = [0 if index // nr == 3 // nr else order for index in range(8)]
    assert [here.mapping.i_pages.order_at(index) for index in range(8)] == orders
    assert untidy(here) == []


def test_a_part_wholly_behind_the_end_of_the_file_leaves_the_cache() -> None:
    here = world(EIGHT, "linux-2026")
    here.inode.i_size = 5

    run(split_huge_pages(here.mapping, 0, 1))

    assert contents(here) == ["d0", "d1", "d2", "d3", "d4", "d5", None, None]
    assert (here.mapping.nrpages, here.inode.info.alloced) == (6, 6)
    assert untidy(here) == []


@pytest.mark.parametrize("order", [0, 1])
def test_a_split_that_fails_leaves_everything_as_it_was(order: int) -> None:
    here = world(WorldSpec(("data",) * 8, 3, 8, (VmaSpec(end=8),), ((0, 3),)), "linux-2026")
    before = snapshot(here)
    run(folio_get(folio_at(here, 0)), B)

    run(split_huge_pages(here.mapping, 0, order))
    run(folio_put(folio_at(here, 0)), B)

    assert snapshot(here) == before
    assert here.mapping.i_pages.nr_spares == 0


def test_what_is_small_enough_is_left_alone() -> None:
    here = world(WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),)), "linux-2026")

    assert "folio_trylock(H0)" not in steps(split_huge_pages(here.mapping, 0, 1))
    run(folio_lock(folio_at(here, 0)), B)
    assert "can_split_folio(H0)" not in steps(split_huge_pages(here.mapping, 0, 0))


# folio_split(): into parts of several orders.


def orders(here: World) -> list[tuple[int, int]]:
    """By part of the first huge page, where it begins and its order."""
    return [
        (entry.index, entry.order)
        for index, entry in enumerate(here.mapping.i_pages.slots)
        if isinstance(entry, Folio) and entry.index == index
    ]


@pytest.mark.parametrize(
    ("split_at", "parts"),
    [(0, [(0, 0), (1, 0), (2, 1)]), (1, [(0, 0), (1, 0), (2, 1)]), (3, [(0, 1), (2, 0), (3, 0)])],
)
def test_only_the_half_with_the_page_is_halved_again(split_at: int, parts: list[tuple[int, int]]) -> None:
    here = huge()
    head = folio_at(here, 0)

    error, made = run(folio_split(here.mapping, head, split_at))

    assert error == ""
    assert [(part.index, part.order) for part in made] == parts == orders(here)
    assert contents(here) == ["d0", "d1", "d2", "d3"]
    assert [part.refcount for part in made] == [(1 << part.order) + (part is head) for part in made]
    assert [part.locked_by for part in made] == [K, None, None]
    assert K.held == [head]


def test_nobody_finds_a_part_in_the_place_of_another_one() -> None:
    here = huge()
    split = Hand(folio_split(here.mapping, folio_at(here, 0), 3))
    while split.pending is not None:
        for index in range(4):
            entry = here.mapping.i_pages.entry_at(index)
            assert isinstance(entry, Folio)
            assert entry.refcount == 0 or entry.index <= index < entry.next_index
        split.step()


def test_what_is_behind_the_end_leaves_the_cache_with_its_references() -> None:
    here = huge(size=1)
    head = folio_at(here, 0)

    error, made = run(folio_split(here.mapping, head, 1))

    assert (error, [part.freed for part in made]) == ("", [False, True, True])
    assert orders(here) == [(0, 0)]
    assert here.mapping.nrpages == 1


def test_without_memory_it_is_halved_as_often_as_there_was_some() -> None:
    here = world(WorldSpec(("data",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),), large=((0, 3),)))
    run(folio_get(folio_at(here, 0)))
    run(folio_lock(folio_at(here, 0)))

    error, made = run(folio_split(here.mapping, folio_at(here, 0), 7), failing=[("xas_try_split", 2)])

    assert error == "ENOMEM"
    assert [(part.index, part.order) for part in made] == [(0, 2), (4, 2)] == orders(here)
    assert contents(here) == [f"d{index}" for index in range(8)]


def test_with_a_reference_of_somebody_it_is_not_split() -> None:
    here = huge()
    run(folio_get(folio_at(here, 0)), B)

    assert run(folio_split(here.mapping, folio_at(here, 0), 1)) == ("EAGAIN", [])


@pytest.mark.parametrize(
    ("first", "behind", "parts"),
    [
        (0, 1, [(0, 0), (1, 0), (2, 1)]),
        (1, 3, [(0, 0), (1, 0), (2, 0), (3, 0)]),
        (3, 4, [(0, 1), (2, 0), (3, 0)]),
        (2, 4, [(0, 1), (2, 0), (3, 0)]),
    ],
)
def test_a_truncation_cuts_at_both_ends(first: int, behind: int, parts: list[tuple[int, int]]) -> None:
    here = huge(kernel=FOLIO_SPLIT)
    assert run(try_folio_split_6_15(here.mapping, folio_at(here, 0), first, behind)) == ""

    assert orders(here) == parts
    run(folio_unlock(folio_at(here, 0)))
    run(folio_put(folio_at(here, 0)))
    assert untidy(here) == []
