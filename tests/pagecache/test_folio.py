from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from stepping import Hand, run, world

from pagecache.folio import (
    POISON,
    ZERO,
    Folio,
    Memory,
    __folio_set_locked,
    clear_highpage,
    copy_highpage,
    copy_mc_highpage,
    folio_add_lru,
    folio_get,
    folio_isolate_lru,
    folio_lock,
    folio_mark_uptodate,
    folio_put,
    folio_put_refs,
    folio_putback_lru,
    folio_ref_add,
    folio_ref_count,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_test_uptodate,
    folio_try_get,
    folio_trylock,
    folio_unlock,
)
from pagecache.step import KernelBug, Task, UseAfterFree

A = Task("A", 0)
B = Task("B", 1)


@pytest.fixture
def folio() -> Folio:
    A.held.clear()
    B.held.clear()
    return Memory().new_folio(0)


def test_a_new_folio_has_one_reference_and_unknown_content() -> None:
    memory = Memory()
    huge = memory.new_folio(2)

    assert huge.refcount == 1
    assert huge.pages == [POISON] * 4
    assert memory.nr_live == 1


def test_a_folio_knows_its_range_of_the_file() -> None:
    huge = Memory().new_folio(1)
    huge.index = 2
    huge.pages = ["two", "three"]

    assert (huge.nr_pages, huge.next_index) == (2, 4)
    assert huge.page_at(3) == "three"


def test_the_last_reference_frees_the_folio(folio: Folio) -> None:
    run(folio_get(folio))
    run(folio_put(folio))
    assert not folio.freed

    run(folio_put(folio))

    assert folio.freed
    assert folio.memory.nr_live == 0
    assert folio.memory.live() == []


def test_several_references_can_be_dropped_at_once_but_not_more_than_there_are(folio: Folio) -> None:
    run(folio_ref_add(folio, 2))

    with pytest.raises(KernelBug, match="dropping 4 references"):
        run(folio_put_refs(folio, 4))

    run(folio_put_refs(folio, 3))
    assert folio.freed


@pytest.mark.parametrize(
    "use",
    [
        folio_get,
        folio_put,
        folio_lock,
        folio_trylock,
        folio_unlock,
        folio_mark_uptodate,
        folio_isolate_lru,
        folio_putback_lru,
        folio_add_lru,
    ],
)
def test_any_use_of_a_freed_folio_is_a_use_after_free(
    folio: Folio, use: Callable[[Folio], Coroutine[Any, Any, Any]]
) -> None:
    run(folio_put(folio))

    with pytest.raises(UseAfterFree, match="F0"):
        run(use(folio))


def test_the_content_of_a_freed_folio_cannot_be_used(folio: Folio) -> None:
    run(folio_put(folio))

    with pytest.raises(UseAfterFree, match="read"):
        folio.page_at(0)
    with pytest.raises(UseAfterFree, match="written"):
        folio.set_page_at(0, "x")


def test_a_lookup_gets_no_reference_to_a_freed_folio(folio: Folio) -> None:
    run(folio_put(folio))

    assert not run(folio_try_get(folio))
    assert run(folio_ref_count(folio)) == 0


def test_the_allocator_refuses_a_locked_folio(folio: Folio) -> None:
    run(folio_lock(folio), A)

    with pytest.raises(KernelBug, match="freed while locked"):
        run(folio_put(folio), A)


def test_the_allocator_refuses_a_mapped_folio(folio: Folio) -> None:
    folio.mapcount = 1

    with pytest.raises(KernelBug, match="freed while mapped"):
        run(folio_put(folio))


def test_the_allocator_refuses_a_folio_of_a_file(folio: Folio) -> None:
    folio.mapping = world().mapping

    with pytest.raises(KernelBug, match="freed with its mapping set"):
        run(folio_put(folio))


def test_a_frozen_folio_gives_nobody_a_reference_until_it_is_unfrozen(folio: Folio) -> None:
    assert not run(folio_ref_freeze(folio, 2), A)
    assert run(folio_ref_freeze(folio, 1), A)
    assert not run(folio_try_get(folio), B)
    assert folio.freeze_waits_for().holders == (A,)

    run(folio_ref_unfreeze(folio, 2), A)

    assert run(folio_try_get(folio), B)
    assert folio.refcount == 3
    assert folio.freeze_waits_for().holders == ()


def test_unfreezing_what_is_not_frozen_is_a_kernel_bug(folio: Folio) -> None:
    with pytest.raises(KernelBug, match="not frozen"):
        run(folio_ref_unfreeze(folio, 1))


def test_a_locked_folio_makes_the_next_one_sleep_and_says_who_holds_it(folio: Folio) -> None:
    run(folio_lock(folio), A)
    waiting = Hand(folio_lock(folio), B)

    assert waiting.blocked
    assert waiting.pending is not None
    assert waiting.pending.sleeps
    assert folio.lock_waits_for() == ("the lock of F0", (A,), False)

    run(folio_unlock(folio), A)
    waiting.finish()

    assert folio.locked_by is B
    assert B.held == [folio]


def test_a_trylock_of_a_locked_folio_fails_at_once(folio: Folio) -> None:
    assert run(folio_trylock(folio), A)
    assert not run(folio_trylock(folio), B)
    assert folio.locked_by is A


def test_unlocking_a_folio_of_somebody_else_is_a_kernel_bug(folio: Folio) -> None:
    run(folio_lock(folio), A)

    with pytest.raises(KernelBug, match="unlocked by B, who does not hold its lock"):
        run(folio_unlock(folio), B)


def test_locking_a_new_folio_is_nothing_that_others_can_see(folio: Folio) -> None:
    hand = Hand(__folio_set_locked(folio), A)

    assert hand.pending is not None
    assert hand.pending.target is None

    hand.finish()
    assert folio.locked_by is A


def test_isolating_takes_a_reference_and_putting_back_drops_it(folio: Folio) -> None:
    run(folio_add_lru(folio))
    assert run(folio_isolate_lru(folio))
    assert (folio.lru, folio.refcount) == (False, 2)
    assert not run(folio_isolate_lru(folio))

    run(folio_putback_lru(folio))

    assert (folio.lru, folio.refcount) == (True, 1)


@pytest.mark.parametrize("add", [folio_add_lru, folio_putback_lru])
def test_what_is_on_a_list_is_not_added_to_it(add: Callable[[Folio], Coroutine[Any, Any, None]], folio: Folio) -> None:
    run(folio_add_lru(folio))
    with pytest.raises(KernelBug, match="the LRU list that it is on"):
        run(add(folio))


def test_uptodate_is_a_flag_that_others_can_look_at(folio: Folio) -> None:
    assert not run(folio_test_uptodate(folio))
    run(folio_mark_uptodate(folio))
    assert run(folio_test_uptodate(folio))


def test_a_huge_folio_is_filled_page_by_page() -> None:
    memory = Memory()
    huge, old = memory.new_folio(1), memory.new_folio(0)
    old.index = 3
    old.pages = ["d3"]

    run(clear_highpage(huge, 0))
    run(copy_highpage(huge, 1, old))

    assert huge.pages == [ZERO, "d3"]


@pytest.mark.parametrize("poisoned", [True, False])
def test_a_machine_check_while_copying_is_survived(folio: Folio, poisoned: bool) -> None:
    huge = folio.memory.new_folio(1)
    folio.pages = ["d0"]
    folio.poisoned = poisoned

    copied = run(copy_mc_highpage(huge, 0, folio))

    assert copied is not poisoned
    assert huge.pages[0] == (POISON if poisoned else "d0")
    assert not run(copy_mc_highpage(huge, 1, folio), failing=[("copy_mc_highpage", 1)])
