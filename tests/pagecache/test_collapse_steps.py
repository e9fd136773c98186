"""Each protocol over (data, hole), step by step, as one would tick it off against the text above its function."""

from __future__ import annotations

from typing import Final

import pytest
from stepping import DATA_HOLE, Hand, K, contents, folio_at, world

from pagecache.collapse.scan import SCAN_SUCCEED, CollapseControl
from pagecache.kernels import KERNELS, KERNELS_BY_NAME
from pagecache.world import World

# What the protocols are made of.  F0 is the old page, H1 the new huge one, index 1 the hole.
ALLOCATE: Final = ["folio_alloc(1)", "mem_cgroup_charge(H1)", "__folio_set_locked(H1)"]
MAKE_SLOTS: Final = ["xas_lock_irq()", "xas_create_range(0, 1)"]
TAKE_OLD: Final = [
    "xas_load(0)",
    "folio_trylock(F0)",
    "folio_get(F0)",
    "xas_unlock_irq()",
    "folio_isolate_lru(F0)",
    "xas_lock_irq()",
]
FREEZE_OLD: Final = ["folio_ref_freeze(F0, 3)"]
COUNT_OLD: Final = ["folio_ref_count(F0)"]
SEE_HOLE: Final = ["xas_load(1)"]
CHARGE: Final = ["shmem_charge(1)", "spin_lock(info->lock)", "spin_unlock(info->lock)"]
UNLOCK: Final = ["xas_unlock_irq()"]
FLUSH: Final = ["try_to_unmap_flush()"]
COPY: Final = ["copy_mc_highpage(H1, 0, F0)", "clear_highpage(H1, 1)"]
LOCK_ALL: Final = ["down_read(i_mmap_rwsem)", "xas_lock_irq()"]
RETRY_THE_HOLES: Final = ["xas_next(0)", "xas_next(1)", "xas_store(1, RETRY)"]
ASK: Final = ["userfaultfd_missing(vma0)"]
STOP_ASKING: Final = ["up_read(i_mmap_rwsem)"]
JOIN: Final = ["xas_store(0, H1)", "xas_store(1, H1)"]
MARK_UPTODATE: Final = ["folio_mark_uptodate(H1)"]
COMPLETE: Final = ["folio_ref_add(H1, 1)", "folio_add_lru(H1)"]
RETRACT: Final = ["down_write(i_mmap_rwsem)", "up_write(i_mmap_rwsem)"]
UNLOCK_NEW: Final = ["folio_unlock(H1)"]
FREE_FROZEN: Final = ["folio_ref_unfreeze(F0, 1)", "folio_unlock(F0)", "folio_put(F0)"]
FREE_OLD: Final = ["folio_unlock(F0)", "folio_put_refs(F0, 3)"]
COPY_AND_FREE: Final = ["copy_highpage(H1, 0, F0)", *FREE_FROZEN, "clear_highpage(H1, 1)"]

SCHEMES: Final = {
    "linux-4.8": [
        *ALLOCATE,
        "folio_ref_freeze(H1, 1)",  # and nobody gets at it until the end
        "xas_lock_irq()",
        *TAKE_OLD,
        *FREEZE_OLD,
        "xas_store(0, H1)",
        *SEE_HOLE,
        *CHARGE,
        "xas_store(1, H1)",
        *UNLOCK,
        "copy_highpage(H1, 0, F0)",  # index 1 is never cleared
        "folio_unlock(F0)",
        "folio_ref_unfreeze(F0, 1)",
        "folio_put(F0)",
        *RETRACT,
        *MARK_UPTODATE,
        "folio_ref_unfreeze(H1, 2)",
        "folio_add_lru(H1)",
        *UNLOCK_NEW,
    ],
    "linux-6.2": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,
        "xas_store(0, H1)",
        *SEE_HOLE,
        *CHARGE,
        "xas_store(1, H1)",
        *JOIN,
        *UNLOCK,
        *FLUSH,
        *COPY_AND_FREE,
        *MARK_UPTODATE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
    ],
    "stevens-v1": [
        *ALLOCATE,
        *MAKE_SLOTS,
        "down_read(mmap_lock of A)",  # under the xa_lock
        *TAKE_OLD,
        *FREEZE_OLD,
        "xas_store(0, H1)",
        *SEE_HOLE,
        *CHARGE,
        "xas_store(1, H1)",
        *JOIN,
        *UNLOCK,
        *FLUSH,
        *COPY_AND_FREE,
        *MARK_UPTODATE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
        "up_read(mmap_lock of A)",
    ],
    "stevens-v2": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,
        "xas_store(0, H1)",
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *LOCK_ALL,
        "xas_load(0)",
        "xas_load(1)",
        *ASK,
        *JOIN,
        *UNLOCK,
        *STOP_ASKING,
        *FLUSH,
        *COPY_AND_FREE,
        *MARK_UPTODATE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
    ],
    "wilcox-2023-02": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *FLUSH,
        *COPY,
        "xas_lock_irq()",
        *JOIN,  # nobody has counted again
        *UNLOCK,
        *FREE_FROZEN,
        *MARK_UPTODATE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
    ],
    "wilcox-2023-02-literal": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *FLUSH,
        *COPY,
        *FREE_FROZEN,  # while slot 0 points to it
        "xas_lock_irq()",
        *JOIN,
        *UNLOCK,
        *MARK_UPTODATE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
    ],
    "retry-during-scan": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *COUNT_OLD,
        *SEE_HOLE,
        *CHARGE,
        "xas_store(1, RETRY)",  # and everybody spins from here
        *UNLOCK,
        *FLUSH,
        *COPY,
        *LOCK_ALL,
        *ASK,
        *STOP_ASKING,
        *MARK_UPTODATE,
        *COMPLETE,
        *JOIN,
        *UNLOCK,
        *RETRACT,
        *UNLOCK_NEW,
        *FREE_OLD,
    ],
    "stevens-v3": [
        *ALLOCATE,
        *MARK_UPTODATE,  # before the data is there
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,
        "xas_store(0, H1)",
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *LOCK_ALL,
        "xas_load(0)",
        "xas_load(1)",
        "xas_store(1, RETRY)",
        *ASK,
        *STOP_ASKING,
        *JOIN,
        *UNLOCK,
        *FLUSH,
        *COPY_AND_FREE,
        *COMPLETE,
        *RETRACT,
        *UNLOCK_NEW,
    ],
    "stevens-v5": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *FREEZE_OLD,  # and it stays where it is
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *FLUSH,
        *COPY,
        *LOCK_ALL,
        *RETRY_THE_HOLES,
        *ASK,
        *STOP_ASKING,
        *MARK_UPTODATE,
        *COMPLETE,
        *JOIN,
        *UNLOCK,
        *RETRACT,
        *UNLOCK_NEW,
        *FREE_FROZEN,
    ],
    "linux-6.4": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *COUNT_OLD,
        *SEE_HOLE,
        *CHARGE,
        *UNLOCK,
        *FLUSH,
        *COPY,
        *LOCK_ALL,
        *RETRY_THE_HOLES,
        *ASK,
        *STOP_ASKING,
        *MARK_UPTODATE,
        *COMPLETE,
        *JOIN,
        *UNLOCK,
        *RETRACT,
        *UNLOCK_NEW,
        *FREE_OLD,
    ],
    "linux-2026": [
        *ALLOCATE,
        *MAKE_SLOTS,
        *TAKE_OLD,
        *COUNT_OLD,
        *SEE_HOLE,
        *UNLOCK,
        *FLUSH,
        "shmem_charge(1)",  # with no lock held
        "xas_lock_irq()",
        "xas_unlock_irq()",
        "spin_lock(info->lock)",
        "spin_unlock(info->lock)",
        *COPY,
        *LOCK_ALL,
        *RETRY_THE_HOLES,
        *ASK,
        *STOP_ASKING,
        *MARK_UPTODATE,
        *COMPLETE,
        *JOIN,
        *UNLOCK,
        "down_read(i_mmap_rwsem)",
        "up_read(i_mmap_rwsem)",
        *UNLOCK_NEW,
        *FREE_OLD,
    ],
}


@pytest.fixture(autouse=True)
def _fresh_task() -> None:
    K.atomic = 0
    K.held.clear()


def collapse(here: World) -> Hand:
    vma = here.vmas[0]
    return Hand(here.kernel.collapse_file(vma.mm, here.mapping, 0, CollapseControl(vma)))


def test_every_kernel_has_its_scheme_written_down() -> None:
    assert list(SCHEMES) == [kernel.name for kernel in KERNELS]


@pytest.mark.parametrize("kernel", SCHEMES)
def test_a_collapse_that_nobody_disturbs_follows_its_scheme(kernel: str) -> None:
    hand = collapse(world(DATA_HOLE, kernel))

    assert hand.finish() == SCAN_SUCCEED
    # Making room for an entry is part of xas_store(), and nobody can tell when it happens.
    assert [step for step in hand.steps if not step.startswith("xas_create(")] == SCHEMES[kernel]


@pytest.mark.parametrize("kernel", SCHEMES)
def test_a_collapse_that_nobody_disturbs_leaves_one_huge_folio_with_a_reference_per_slot(kernel: str) -> None:
    here = world(DATA_HOLE, kernel)
    old = folio_at(here, 0)
    collapse(here).finish()
    new = folio_at(here, 0)

    assert folio_at(here, 1) is new
    assert contents(here) == ["d0", "poison" if kernel == "linux-4.8" else "0"]
    assert (new.order, new.index, new.mapping, new.refcount, new.mapcount) == (1, 0, here.mapping, 2, 0)
    assert new.uptodate
    assert new.dirty
    assert new.lru
    assert new.locked_by is None
    assert old.freed
    assert here.memory.live() == [new]
    assert here.mapping.nrpages == 2
    assert (K.atomic, K.held) == (0, [])
    if kernel != "linux-4.8":  # whose charge was taken back by the recalculation
        assert (here.inode.info.alloced, here.inode.i_blocks) == (2, 16)


@pytest.mark.parametrize("kernel", [name for name in SCHEMES if name != "stevens-v1"])
def test_nothing_sleeps_under_a_spinlock_but_in_the_first_version(kernel: str) -> None:
    assert asleep_in_atomic_context(kernel) == []
    assert asleep_in_atomic_context("stevens-v1") == ["down_read(mmap_lock of A)"]


def asleep_in_atomic_context(kernel: str) -> list[str]:
    K.atomic = 0
    K.held.clear()
    hand = collapse(world(DATA_HOLE, kernel))
    found = []
    while hand.pending is not None:
        if hand.pending.sleeps and K.atomic:
            found.append(str(hand.pending))
        hand.step()
    return found


def test_a_hole_is_visible_to_others_in_each_protocol_for_as_long_as_its_text_says() -> None:
    """What a lockless lookup finds at index 1, from the scan to the end."""
    seen = {name: what_stands_at_index_1(name) for name in SCHEMES}

    new = "H1"
    assert seen == {
        "linux-4.8": [None, new],
        "linux-6.2": [None, new],
        "stevens-v1": [None, new],
        "stevens-v2": [None, new],
        "wilcox-2023-02": [None, new],
        "wilcox-2023-02-literal": [None, new],
        "retry-during-scan": [None, "RETRY", new],
        "stevens-v3": [None, "RETRY", new],
        "stevens-v5": [None, "RETRY", new],
        "linux-6.4": [None, "RETRY", new],
        "linux-2026": [None, "RETRY", new],
    }


def what_stands_at_index_1(kernel: str) -> list[str | None]:
    here = world(DATA_HOLE, kernel)
    hand = collapse(here)
    seen: list[str | None] = [None]
    while hand.pending is not None:
        hand.step()
        entry = here.mapping.i_pages.slots[1]
        if str(entry or "") != (seen[-1] or ""):
            seen.append(str(entry))
    return seen


@pytest.mark.parametrize(
    ("kernel", "not_uptodate", "without_data"),
    [
        ("linux-4.8", True, True),
        ("linux-6.2", True, True),
        ("stevens-v1", True, True),
        ("stevens-v2", True, True),
        ("wilcox-2023-02", True, False),
        ("wilcox-2023-02-literal", True, False),
        ("retry-during-scan", False, False),
        ("stevens-v3", False, True),
        ("stevens-v5", False, False),
        ("linux-6.4", False, False),
        ("linux-2026", False, False),
    ],
)
def test_what_is_first_seen_of_the_new_folio(kernel: str, not_uptodate: bool, without_data: bool) -> None:
    here = world(DATA_HOLE, kernel)
    hand = collapse(here)
    while str(here.mapping.i_pages.slots[0]) != "H1":
        hand.step()
    new = folio_at(here, 0)

    assert new.uptodate is not not_uptodate
    assert (new.pages[0] != "d0") is without_data
    assert new.locked_by is K


def test_every_scheme_belongs_to_a_kernel_that_exists() -> None:
    assert set(SCHEMES) <= set(KERNELS_BY_NAME)
