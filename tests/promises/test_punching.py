from __future__ import annotations

import pytest
from watched import Watched

from pagecache.inode import ShmemFalloc
from pagecache.locks import WaitQueue
from pagecache.operations import Load, Operation, PunchHole, Store, Touch, UffdCopy
from pagecache.promises.punching import SlipsInOnceWatcher
from pagecache.step import Step
from pagecache.xarray.entry import ValueEntry


def punching(start: int = 0, behind: int = 1) -> Watched:
    """A punch is under way and published."""
    run = Watched(SlipsInOnceWatcher)
    run.call("punch", PunchHole(start, behind - start))
    run.world.inode.i_private = ShmemFalloc(start, behind, WaitQueue(run.task("punch")))
    return run


def fill(run: Watched, name: str, operation: Operation, index: int = 0) -> str | None:
    run.call(name, operation)
    run.store(name, index, run.folio(index))
    return run.answer(name, 0)


def test_a_fault_may_slip_in_once() -> None:
    run = punching()

    assert fill(run, "touch", Touch(0)) is None
    assert fill(run, "load", Load(0)) is None


def test_the_second_time_breaks_it() -> None:
    run = punching()
    fill(run, "store", Store(0))

    assert fill(run, "store", Store(0)) == (
        "store faulted F3 into index 0, the second page during one hole punch of it"
    )


def test_one_operation_can_do_it_alone() -> None:
    run = punching()
    run.call("touch", Touch(0))
    run.store("touch", 0, run.folio(0))

    assert "the second page" in str(run.store("touch", 0, run.folio(0)))


def test_a_huge_page_for_which_there_is_no_space_gives_way_to_a_small_one() -> None:
    run = punching()
    run.call("touch", Touch(0))
    run.store("touch", 0, run.folio(0))
    run.store("touch", 0, None)

    assert run.store("touch", 0, run.folio(0)) is None
    assert "the second page" in str(run.store("touch", 0, run.folio(0)))


def test_the_next_punch_is_another_one() -> None:
    run = punching()
    fill(run, "store", Store(0))
    run.after("punch", Step("wake_up_all", target=("i_private", 0), writes=True))

    assert fill(run, "store", Store(0)) is None


@pytest.mark.parametrize("index", [0, 1])
def test_only_the_range_counts(index: int) -> None:
    run = punching(1 - index, 2 - index)
    fill(run, "store", Store(index), index)

    assert fill(run, "store", Store(index), index) is None


def test_user_space_can_stop_itself() -> None:
    run = punching()
    fill(run, "uffd", UffdCopy(0))

    assert fill(run, "uffd", UffdCopy(0)) is None


def test_nothing_is_being_punched() -> None:
    run = Watched(SlipsInOnceWatcher)
    fill(run, "store", Store(0))

    assert fill(run, "store", Store(0)) is None


def test_what_it_remembers_is_part_of_the_state() -> None:
    run = punching()
    before = run.watcher.key()
    fill(run, "store", Store(0))

    assert run.watcher.key() != before


def test_a_swap_entry_fills_nothing() -> None:
    run = punching()
    run.call("touch", Touch(0))
    for _ in range(2):
        assert run.store("touch", 0, ValueEntry(0)) is None


def test_a_huge_page_beside_the_hole_may_come_in_as_often_as_it_likes() -> None:
    """It is the page behind the hole that is faulted; shmem_falloc_wait() does not hold up its fault."""
    run = punching()
    run.call("touch", Touch(1))
    huge = run.folio(0)
    for _ in range(2):
        assert run.store("touch", 0, huge) is None
