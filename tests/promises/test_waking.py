"""Whoever waits for a page that an ioctl brings is woken; whoever waits for anything else may go on waiting."""

from __future__ import annotations

import pytest
from questions import never
from watched import Watched

from pagecache.folio import Folio
from pagecache.operations import (
    Load,
    Mremap,
    Operation,
    PunchHole,
    UffdContinue,
    UffdCopy,
    UffdUnregister,
    UffdZeropage,
    Write,
)
from pagecache.promises.waking import WakingWatcher
from pagecache.pte import Pte
from pagecache.step import Task
from pagecache.world import VmaSpec, WorldSpec

PROMISE = "a_fault_that_waits_for_user_space_holds_no_lock_and_is_woken"
REGISTERED = WorldSpec(("hole", "data"), vmas=(VmaSpec(missing=True),))


def sleeping(*, filled_by: Operation | None = None, result: int | str = 0) -> tuple[Watched, Task]:
    """A task waits for page 0, which somebody maps."""
    run = Watched(WakingWatcher, REGISTERED)
    run.call("load", Load(0))
    task = run.task("load")
    (vma,) = run.world.vmas
    vma.uffd_waiters.append((task, 0))
    if filled_by is not None:
        vma.ptes[0] = Pte(a_folio(run))
        run.do("uffd", filled_by, result)
    return run, task


def a_folio(run: Watched) -> Folio:
    entry = run.world.mapping.i_pages.slots[1]
    assert isinstance(entry, Folio)
    return entry


def test_it_may_wait_for_ever() -> None:
    assert sleeping()[0].end() is None


@pytest.mark.parametrize("operation", [UffdCopy(0), UffdZeropage(0), UffdContinue(0)], ids=repr)
def test_who_brings_the_page_wakes_it(operation: Operation) -> None:
    run, _ = sleeping(filled_by=operation)

    assert run.end() == "in the end load sleeps until index 0 of vma0 is filled, where F0 is mapped"


@pytest.mark.parametrize(("operation", "result"), [(UffdCopy(0), "EEXIST"), (UffdCopy(1), 0), (Write(0), 0)], ids=repr)
def test_others_do_not_have_to(operation: Operation, result: int | str) -> None:
    assert sleeping(filled_by=operation, result=result)[0].end() is None


def test_who_slept_for_what_has_been_moved_away_may_sleep_on() -> None:
    run, _ = sleeping()
    vma = run.world.vmas[0]
    run.do("mremap", Mremap(0, 1), 0)
    vma.uffd_missing = False

    assert run.end() is None


def test_a_page_that_is_mapped_later_is_another_one() -> None:
    run, _ = sleeping(filled_by=UffdCopy(0))
    run.world.vmas[0].ptes[0] = Pte(run.world.memory.new_folio(0))

    assert run.end() is None


def test_unregister_wakes_everybody() -> None:
    run, _ = sleeping()
    run.world.vmas[0].uffd_missing = False

    assert run.end() == "in the end load sleeps until index 0 of vma0 is filled, but it is not registered"


def test_nobody_sleeps_with_the_mmap_lock() -> None:
    run, task = sleeping()
    run.world.vmas[0].mm.mmap_lock.readers.append(task)

    assert run.end() == "in the end load sleeps until index 0 of vma0 is filled, with mmap_lock of A"


@pytest.mark.parametrize(
    "beside", [[UffdCopy(0)], [UffdZeropage(0), PunchHole(0)], [UffdUnregister()], [Write(0), Load(0)]], ids=repr
)
def test_linux_keeps_it(beside: list[Operation]) -> None:
    assert never("linux-2026", REGISTERED, [Load(0)], beside, promise=PROMISE)
