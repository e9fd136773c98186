from __future__ import annotations

import pytest
from watched import Watched

from pagecache.locks import RwSemaphore, SpinLock, acquire, lock_step
from pagecache.operations import Collapse, Load, Mincore, Operation, PinWrite, Poke, Store, Touch, Truncate
from pagecache.promises.locking import AtomicWatcher, OrderWatcher, ReleaseWatcher, SpinWatcher
from pagecache.step import Step, Wait


def taking(lock: SpinLock | RwSemaphore) -> Step:
    return Step("take", lock, target=lock.target, ready=lambda: True)


# Sleeping.


def test_sleeping_is_fine_without_a_spinlock() -> None:
    run = Watched(AtomicWatcher)
    assert run.before("task", Step("folio_lock", sleeps=True)) is None


def test_sleeping_under_a_spinlock() -> None:
    run = Watched(AtomicWatcher)
    acquire(run.world.mapping.i_pages.xa_lock, run.task("task"))
    assert run.before("task", Step("xas_store")) is None
    assert run.before("task", Step("folio_lock", "F0", sleeps=True)) == (
        "task may sleep in folio_lock(F0) while holding the spinlock i_pages"
    )


def test_sleeping_in_an_rcu_section() -> None:
    run = Watched(AtomicWatcher)
    run.task("task").atomic = 1
    assert run.before("task", Step("folio_lock", sleeps=True)) == (
        "task may sleep in folio_lock() while in an RCU read-side section"
    )


def test_sleeping_under_a_spinlock_in_an_rcu_section() -> None:
    run = Watched(AtomicWatcher)
    task = run.task("task")
    acquire(run.world.mapping.i_pages.xa_lock, task)
    task.atomic += 1
    assert run.before("task", Step("folio_lock", sleeps=True)) == (
        "task may sleep in folio_lock() while holding the spinlock i_pages and in an RCU read-side section"
    )


# Order.


def test_locks_from_the_outside_in() -> None:
    run = Watched(OrderWatcher)
    task = run.task("task")
    for lock in (run.world.inode.i_rwsem, run.world.mapping.i_mmap_rwsem, run.world.mapping.i_pages.xa_lock):
        assert run.before("task", taking(lock)) is None
        task.held.append(lock)


def test_locks_from_the_inside_out() -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(run.world.mapping.i_mmap_rwsem)
    assert run.before("task", taking(run.world.inode.i_rwsem)) == (
        "task takes i_rwsem in take(i_rwsem) while it holds i_mmap_rwsem; i_mmap_rwsem comes after i_rwsem"
    )


@pytest.mark.parametrize("operation", [Load(0), Store(0), Touch(0), PinWrite(0), Poke(0)], ids=repr)
def test_a_fault_is_entered_with_an_inode_lock(operation: Operation) -> None:
    run = Watched(OrderWatcher)
    run.call("task", operation)
    assert run.before("task", taking(run.world.mapping.i_mmap_rwsem)) is None
    assert run.before("task", taking(run.world.inode.i_rwsem)) == (
        "task takes i_rwsem in take(i_rwsem), in a page fault; write(2) holds one when its buffer faults"
    )


def test_a_system_call_is_not() -> None:
    run = Watched(OrderWatcher)
    run.call("task", Truncate(0))
    assert run.before("task", taking(run.world.inode.i_rwsem)) is None


def test_a_trylock_in_any_order() -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(run.world.mapping.i_mmap_rwsem)
    trylock = Step("down_write_trylock", target=run.world.inode.i_rwsem.target, writes=True)
    assert run.before("task", trylock) is None


def test_two_locks_of_one_class() -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(SpinLock("ptl of vma0", "ptl", 0))
    assert run.before("task", taking(SpinLock("ptl of vma1", "ptl", 1))) == (
        "task takes a second ptl in take(ptl of vma1) while it holds ptl of vma0"
    )


def test_unless_something_else_keeps_them_in_order() -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(SpinLock("ptl of vma0", "ptl", 0))
    second = SpinLock("ptl of vma1", "ptl", 1)
    assert run.before("task", lock_step("spin_lock_nested", second, second)) is None


@pytest.mark.parametrize(("first", "second", "fine"), [(0, 1, True), (1, 0, False)])
def test_folios_in_ascending_order(first: int, second: int, *, fine: bool) -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(run.at(first))
    wanted = run.at(second)
    objection = run.before("task", Step("folio_lock", wanted, target=("folio_lock", 9), ready=wanted.is_unlocked))
    assert objection == (None if fine else "task locks F0 at index 0 while it holds the lock of F1 at index 1")


def test_waiting_for_something_else_is_not_its_business() -> None:
    run = Watched(OrderWatcher)
    run.task("task").held.append(run.world.mapping.i_mmap_rwsem)
    assert run.before("task", Step("schedule", target=("i_private", 0), ready=lambda: True)) is None


# Spinning.


def spinning(run: Watched, *, ready: bool = False, kind: str = "refcount") -> Watched:
    """mincore waits for the reference count that khugepaged has frozen."""
    run.call("khugepaged", Collapse(0))
    run.call("mincore", Mincore(0))
    run.world.pending[run.task("mincore").number] = Step(
        "cpu_relax",
        target=(kind, 0),
        ready=lambda: ready,
        waits_for=lambda: Wait("the frozen reference count of F0", (run.task("khugepaged"),)),
        spins=True,
    )
    return run


def test_sleeping_while_a_lookup_spins() -> None:
    run = spinning(Watched(SpinWatcher))
    assert run.before("khugepaged", Step("down_read", "i_mmap_rwsem", sleeps=True)) == (
        "mincore Mincore(index=0) spins on the frozen reference count of F0 while khugepaged, "
        "who keeps it so, may sleep in down_read(i_mmap_rwsem)"
    )


def test_going_on_while_a_lookup_spins() -> None:
    run = spinning(Watched(SpinWatcher))
    assert run.before("khugepaged", Step("folio_ref_unfreeze")) is None


def test_sleeping_while_somebody_else_keeps_it_waiting() -> None:
    run = spinning(Watched(SpinWatcher))
    assert run.before("bystander", Step("down_read", sleeps=True)) is None


def test_sleeping_when_the_spinning_is_over() -> None:
    run = spinning(Watched(SpinWatcher), ready=True)
    assert run.before("khugepaged", Step("down_read", sleeps=True)) is None


def test_spinlocks_are_the_business_of_another_promise() -> None:
    run = spinning(Watched(SpinWatcher), kind="i_pages")
    assert run.before("khugepaged", Step("down_read", sleeps=True)) is None


# Release.


def test_returning_without_locks() -> None:
    assert Watched(ReleaseWatcher).do("task", Mincore(0), 1) is None


def test_returning_with_a_lock() -> None:
    run = Watched(ReleaseWatcher)
    run.task("task").held.append(run.world.inode.i_rwsem)
    assert run.do("task", Mincore(0), 1) == "task returns from Mincore(index=0) and still holds i_rwsem"


def test_returning_in_an_rcu_section() -> None:
    run = Watched(ReleaseWatcher)
    run.task("task").atomic = 1
    assert run.do("task", Mincore(0), 1) == "task returns from Mincore(index=0) in atomic context (1 deep)"
