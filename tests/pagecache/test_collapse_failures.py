"""Each way in which a collapse fails: its result, its errno, and that it leaves no trace.

What is meant by no trace is one comparison of the whole world: every byte, slot, count, flag and lock.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stepping import DATA_DATA, DATA_HOLE, Hand, K, contents, folio_at, run, snapshot, untidy, world

from pagecache.collapse.madvise import madvise_collapse
from pagecache.collapse.scan import (
    SCAN_ALLOC_HUGE_PAGE_FAIL,
    SCAN_CGROUP_CHARGE_FAIL,
    SCAN_COPY_MC,
    SCAN_DEL_PAGE_LRU,
    SCAN_EXCEED_NONE_PTE,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_FILLED,
    SCAN_PAGE_LOCK,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    SCAN_TRUNCATED,
    CollapseControl,
)
from pagecache.kernels import KERNELS
from pagecache.step import KernelBug, Oops, Task
from pagecache.syscalls import shmem_file_write, shmem_punch_hole
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)

ALL = [kernel.name for kernel in KERNELS]
COPIES_BEFORE_IT_STORES = ["wilcox-2023-02", "retry-during-scan", "stevens-v5", "linux-6.4", "linux-2026"]
COUNTS_AGAIN = ["stevens-v2", "stevens-v3", "stevens-v5", "linux-6.4", "linux-2026"]
ROLLS_BACK = [name for name in ALL if name not in ("linux-4.8", "wilcox-2023-02-literal")]
"""4.8 forgets nrpages, and the sketch of February 2023 follows a null pointer."""

HOLE_DATA = WorldSpec(("hole", "data"))
HOLE_DATA_DATA_DATA = WorldSpec(("hole", "data", "data", "data"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))
REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
EMPTY = WorldSpec(("hole", "hole"), size=2)
RESERVED_BEHIND_THE_END = WorldSpec(("data", "unwritten"), size=1)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def collapse(here: World, failing: list[tuple[str, int]] | None = None) -> Hand:
    vma = here.vmas[0]
    return Hand(here.kernel.collapse_file(vma.mm, here.mapping, 0, CollapseControl(vma)), failing=failing or [])


def poison(here: World) -> None:
    folio_at(here, here.mapping.i_pages.slots.index(here.memory.folios[-1])).poisoned = True


def lock(here: World) -> None:
    here.memory.folios[-1].locked_by = B


def pin(here: World) -> None:
    here.memory.folios[-1].refcount += 1


def isolate(here: World) -> None:
    here.memory.folios[-1].lru = False


def remove_from_the_file(here: World) -> None:
    here.memory.folios[-1].mapping = None


def make_large(here: World) -> None:
    here.memory.folios[-1].order = 1
    here.memory.folios[-1].pages *= 2


@pytest.mark.parametrize("kernel", ROLLS_BACK)
@pytest.mark.parametrize("spec", [DATA_DATA, HOLE_DATA, HOLE_DATA_DATA_DATA], ids=["data", "hole", "four"])
@pytest.mark.parametrize(
    ("spoil", "result"),
    [
        (lock, SCAN_PAGE_LOCK),
        (pin, SCAN_PAGE_COUNT),
        (isolate, SCAN_DEL_PAGE_LRU),
        (remove_from_the_file, SCAN_TRUNCATED),
    ],
)
def test_an_old_page_that_cannot_be_had_leaves_everything_as_it_was(
    kernel: str, spec: WorldSpec, spoil: Callable[[World], None], result: str
) -> None:
    here = world(spec, kernel)
    spoil(here)  # the last page: what comes before it has been scanned
    before = snapshot(here)

    assert collapse(here).finish() == result
    assert snapshot(here) == before


@pytest.mark.parametrize("kernel", COPIES_BEFORE_IT_STORES)
@pytest.mark.parametrize("spec", [DATA_HOLE, HOLE_DATA, HOLE_DATA_DATA_DATA], ids=["first", "last", "four"])
def test_memory_that_fails_while_it_is_copied_leaves_everything_as_it_was(kernel: str, spec: WorldSpec) -> None:
    here = world(spec, kernel)
    poison(here)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_COPY_MC
    assert snapshot(here) == before


@pytest.mark.parametrize("kernel", [name for name in ALL if name != "linux-4.8"])
def test_a_range_that_is_empty_by_now_is_not_filled(kernel: str) -> None:
    here = world(EMPTY, kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_TRUNCATED
    assert snapshot(here) == before


def test_the_first_version_fills_even_an_empty_range() -> None:
    here = world(EMPTY, "linux-4.8")

    assert collapse(here).finish() == SCAN_SUCCEED
    assert contents(here) == ["poison", "poison"]


@pytest.mark.parametrize("kernel", ROLLS_BACK)
def test_a_page_reserved_behind_the_end_of_the_file_cannot_be_collapsed(kernel: str) -> None:
    here = world(RESERVED_BEHIND_THE_END, kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_FAIL
    assert snapshot(here) == before


@pytest.mark.parametrize("kernel", [name for name in ALL if name not in ("linux-4.8", "stevens-v1")])
def test_a_reserved_page_is_cleared_and_collapsed(kernel: str) -> None:
    here = world(WorldSpec(("data", "unwritten")), kernel)

    assert collapse(here).finish() == SCAN_SUCCEED
    assert contents(here) == ["d0", "0"]
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", ROLLS_BACK)
def test_a_reserved_page_that_is_punched_in_between_is_not_allocated_again(kernel: str) -> None:
    here = world(WorldSpec(("data", "unwritten")), kernel)
    hand = collapse(here)
    hand.until("xas_load", 3)  # filemap_get_entry() of the page that was seen reserved
    run(shmem_punch_hole(here.inode, 1, 1), B)

    assert hand.finish() == SCAN_FAIL
    assert contents(here) == ["d0", None]
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", [name for name in ALL if name != "linux-4.8"])
def test_a_huge_folio_that_is_there_already_ends_the_collapse(kernel: str) -> None:
    here = world(DATA_DATA, kernel)
    assert collapse(here).finish() == SCAN_SUCCEED
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_PTE_MAPPED_HUGEPAGE
    assert snapshot(here) == before


@pytest.mark.parametrize("kernel", [name for name in ROLLS_BACK if name != "linux-2026"])
def test_a_large_folio_of_another_order_is_compound(kernel: str) -> None:
    here = large_folio(kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_PAGE_COMPOUND
    assert snapshot(here) == before


def test_the_newest_collapses_a_large_folio_like_a_small_one() -> None:
    here = large_folio("linux-2026")

    assert collapse(here).finish() == SCAN_SUCCEED
    assert contents(here) == ["d0", "d1", "0", "0"]
    assert (here.mapping.nrpages, here.memory.nr_live) == (4, 1)


def large_folio(kernel: str) -> World:
    """One folio of two pages at indices 0 and 1 of a huge page of four."""
    here = world(WorldSpec(("hole",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),)), kernel)
    folio = here.memory.new_folio(1)
    folio.mapping, folio.uptodate, folio.lru, folio.pages = here.mapping, True, True, ["d0", "d1"]
    folio.refcount = 2
    here.mapping.i_pages.slots[:2] = [folio, folio]
    here.mapping.nrpages = here.inode.info.alloced = 2
    here.inode.i_blocks = 16
    return here


@pytest.mark.parametrize("kernel", COUNTS_AGAIN)
def test_a_hole_that_was_filled_meanwhile_is_kept_and_the_rest_put_back(kernel: str) -> None:
    here = world(DATA_HOLE, kernel)
    hand = collapse(here)
    hand.until("down_read")  # i_mmap_rwsem: the holes have been counted
    assert run(shmem_file_write(here.inode, 1, "new"), B) == 1

    assert hand.finish() == SCAN_PAGE_FILLED
    assert contents(here) == ["d0", "new"]
    assert untidy(here) == []


@pytest.mark.parametrize("kernel", ["wilcox-2023-02", "wilcox-2023-02-literal"])
def test_who_does_not_count_again_loses_what_was_written_into_a_hole(kernel: str) -> None:
    here = world(DATA_HOLE, kernel)
    hand = collapse(here)
    hand.until("try_to_unmap_flush")
    assert run(shmem_file_write(here.inode, 1, "new"), B) == 1

    assert hand.finish() == SCAN_SUCCEED
    assert contents(here) == ["d0", "0"]
    assert here.mapping.nrpages == 3


@pytest.mark.parametrize("kernel", [*COUNTS_AGAIN, "retry-during-scan", "stevens-v1"])
def test_a_hole_of_a_registered_mapping_is_not_filled(kernel: str) -> None:
    here = world(REGISTERED, kernel)
    before = snapshot(here)

    assert collapse(here).finish() == SCAN_EXCEED_NONE_PTE
    assert snapshot(here) == before


@pytest.mark.parametrize("kernel", ["linux-4.8", "linux-6.2", "wilcox-2023-02"])
def test_who_asks_no_userfaultfd_fills_it(kernel: str) -> None:
    assert collapse(world(REGISTERED, kernel)).finish() == SCAN_SUCCEED


@pytest.mark.parametrize("kernel", COUNTS_AGAIN)
def test_a_registered_mapping_without_a_hole_is_collapsed(kernel: str) -> None:
    assert collapse(world(WorldSpec(vmas=(VmaSpec(missing=True),)), kernel)).finish() == SCAN_SUCCEED


@pytest.mark.parametrize(
    ("kernel", "filled"),
    [
        ("stevens-v1", True),  # asks one mapping
        ("stevens-v2", True),  # asks those that map the first page
        ("stevens-v3", True),
        ("stevens-v5", True),
        ("linux-6.4", False),
        ("linux-2026", False),
    ],
)
def test_a_registered_mapping_of_the_hole_alone_is_asked_since_the_sixth_version(kernel: str, filled: bool) -> None:
    spec = WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", 1, 2, missing=True)))

    result = collapse(world(spec, kernel)).finish()

    assert (result == SCAN_SUCCEED) is filled


# Failures that are injected, at each step that can fail.

INJECTED = {
    "folio_alloc": (SCAN_ALLOC_HUGE_PAGE_FAIL, "ENOMEM"),
    "mem_cgroup_charge": (SCAN_CGROUP_CHARGE_FAIL, "EBUSY"),
    "xas_create_range": (SCAN_SUCCEED, 0),  # once: there is another try
    "xas_create": (SCAN_SUCCEED, 0),  # xas_create_range() has made the nodes, so that no memory is needed
    "shmem_charge": (SCAN_FAIL, "EINVAL"),
    "copy_mc_highpage": (SCAN_COPY_MC, "EINVAL"),
}


def failable(kernel: str, spec: WorldSpec) -> list[tuple[str, int]]:
    """Each step of an undisturbed collapse that can fail, with its visit."""
    hand = collapse(world(spec, kernel))
    hand.finish()
    calls = [step.call for step in hand.taken if step.fails]
    return [(call, calls[: position + 1].count(call)) for position, call in enumerate(calls)]


SPECS = {"data-hole": DATA_HOLE, "hole-data-data-data": HOLE_DATA_DATA_DATA}
OOPSES = {
    ("data-hole", "shmem_charge"),
    ("data-hole", "copy_mc_highpage"),
    ("hole-data-data-data", "copy_mc_highpage"),
}
"""Where the sketch of February 2023 has an old page to put back."""

CASES = [
    (kernel, name, call, visit)
    for kernel in ALL
    for name, spec in SPECS.items()
    for call, visit in failable(kernel, spec)
]


def test_the_steps_that_can_fail_are_those_that_have_an_answer_here() -> None:
    assert {call for _, _, call, _ in CASES} == set(INJECTED)


@pytest.mark.parametrize(("kernel", "name", "call", "visit"), CASES)
def test_a_failure_is_survived_and_leaves_everything_as_it_was(kernel: str, name: str, call: str, visit: int) -> None:
    here = world(SPECS[name], kernel)
    before = snapshot(here)
    result, errno = INJECTED[call]
    if kernel == "wilcox-2023-02-literal" and (name, call) in OOPSES:
        with pytest.raises(Oops):
            collapse(here, [(call, visit)]).finish()
        return

    assert collapse(here, [(call, visit)]).finish() == result
    if result != SCAN_SUCCEED:
        assert snapshot(here) == before

    again = world(SPECS[name], kernel)
    K.held.clear()
    assert run(advise(again), failing=[(call, visit)]) == errno


async def advise(here: World) -> int | str:
    """madvise(MADV_COLLAPSE) of the first huge page."""
    return await madvise_collapse(here.vmas[0], 0)


@pytest.mark.parametrize("kernel", [name for name in ALL if name != "linux-4.8"])
def test_without_memory_for_the_slots_there_is_no_collapse(kernel: str) -> None:
    here = world(DATA_HOLE, kernel)
    before = snapshot(here)
    failing = [("xas_create_range", 1), ("xas_nomem", 1)]

    assert collapse(here, failing).finish() == SCAN_FAIL
    assert snapshot(here) == before


# The rollbacks that are known to be wrong.


def test_the_rollback_of_the_first_version_forgets_nrpages() -> None:
    """aaa52e340073: BUG_ON(nrpages) in clear_inode()."""
    here = world(HOLE_DATA, "linux-4.8")
    pin(here)

    assert collapse(here).finish() == SCAN_PAGE_COUNT
    assert contents(here) == [None, "d1"]
    assert here.mapping.nrpages == 2


def test_a_compound_page_is_an_assertion_in_the_first_version() -> None:
    """06a5e1268a55."""
    here = world(DATA_DATA, "linux-4.8")
    assert collapse(here).finish() == SCAN_SUCCEED

    with pytest.raises(KernelBug, match="compound page"):
        collapse(here).finish()


def test_the_rollback_of_the_sketch_forgets_its_first_page_and_then_oopses() -> None:
    for spec, message in ((DATA_HOLE, "page NULL"), (HOLE_DATA_DATA_DATA, "LIST_POISON1")):
        here = world(spec, "wilcox-2023-02-literal")
        first = next(entry for entry in here.memory.folios)

        with pytest.raises(Oops, match=message):
            collapse(here, [("copy_mc_highpage", 1)]).finish()

        assert first.frozen_by is K
        assert first.locked_by is K


def test_the_rollback_of_v5_can_lose_a_page_that_is_inserted_meanwhile() -> None:
    """nrpages is read and written without the xa_lock, found by Hugh Dickins on v5."""
    here = world(WorldSpec(("data", "hole", "hole", "hole"), size=4, vmas=(VmaSpec(end=4),)), "stevens-v5")
    hand = collapse(here, [("copy_mc_highpage", 1)])
    hand.until("nrpages_write")
    run(shmem_file_write(here.inode, 2, "new"), B)

    assert hand.finish() == SCAN_COPY_MC
    assert contents(here) == ["d0", None, "new", None]
    assert here.mapping.nrpages == 1
