from __future__ import annotations

import pytest
from stepping import Hand, run

from pagecache.locks import (
    LOCK_ORDER,
    RwSemaphore,
    SpinLock,
    WaitQueue,
    down_read,
    down_read_trylock,
    down_write,
    down_write_trylock,
    rcu_read_lock,
    rcu_read_unlock,
    spin_lock,
    spin_unlock,
    up_read,
    up_write,
)
from pagecache.step import KernelBug, Task

A = Task("A", 0)
B = Task("B", 1)


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (A, B):
        task.atomic = 0
        task.held.clear()


def test_a_spinlock_that_is_held_makes_the_next_one_spin_and_says_who_holds_it() -> None:
    lock = SpinLock("i_pages", "i_pages")
    run(spin_lock(lock), A)
    waiting = Hand(spin_lock(lock), B)

    assert waiting.blocked
    assert waiting.pending is not None
    assert waiting.pending.spins
    assert lock.waits_for().what == "the spinlock i_pages"
    assert lock.waits_for().holders == (A,)

    run(spin_unlock(lock), A)
    waiting.finish()

    assert lock.owner is B


def test_holding_a_spinlock_is_atomic_context() -> None:
    lock = SpinLock("i_lock", "i_lock")
    run(spin_lock(lock), A)

    assert (A.atomic, A.held) == (1, [lock])

    run(spin_unlock(lock), A)

    assert (A.atomic, A.held) == (0, [])


def test_releasing_a_spinlock_of_somebody_else_is_a_kernel_bug() -> None:
    lock = SpinLock("i_lock", "i_lock")
    run(spin_lock(lock), A)

    with pytest.raises(KernelBug, match="B released the spinlock i_lock, held by A"):
        run(spin_unlock(lock), B)


def test_taking_a_spinlock_is_visible_and_releasing_it_is_not() -> None:
    lock = SpinLock("ptl of vma0:0", "ptl", 3)
    take = Hand(spin_lock(lock), A)

    assert take.pending is not None
    assert take.pending.target == ("ptl", 3)

    take.finish()
    release = Hand(spin_unlock(lock), A)

    assert release.pending is not None
    assert release.pending.target is None


def test_readers_share_a_semaphore_and_a_writer_waits_for_all_of_them() -> None:
    sem = RwSemaphore("mmap_lock of A", "mmap_lock")
    run(down_read(sem), A)
    run(down_read(sem), B)
    writer = Hand(down_write(sem), Task("W", 2))

    assert writer.blocked
    assert sem.waits_for().holders == (A, B)

    run(up_read(sem), A)
    assert writer.blocked
    run(up_read(sem), B)
    writer.finish()

    assert sem.writer is writer.task


def test_a_writer_keeps_readers_and_writers_out() -> None:
    sem = RwSemaphore("i_rwsem", "i_rwsem")
    run(down_write(sem), A)

    assert Hand(down_read(sem), B).blocked
    assert Hand(down_write(sem), B).blocked
    assert sem.waits_for().holders == (A,)

    run(up_write(sem), A)

    assert not Hand(down_read(sem), B).blocked


def test_a_semaphore_sleeps_and_is_no_atomic_context() -> None:
    sem = RwSemaphore("i_rwsem", "i_rwsem")
    hand = Hand(down_read(sem), A)

    assert hand.pending is not None
    assert hand.pending.sleeps

    hand.finish()

    assert (A.atomic, A.held) == (0, [sem])


def test_a_reader_is_not_held_up_by_a_writer_that_only_waits() -> None:
    sem = RwSemaphore("mmap_lock of A", "mmap_lock")
    run(down_read(sem), A)
    writer = Hand(down_write(sem), B)

    assert writer.blocked
    assert not Hand(down_read(sem), Task("C", 2)).blocked


def test_a_trylock_never_waits() -> None:
    sem = RwSemaphore("mmap_lock of A", "mmap_lock")

    assert run(down_write_trylock(sem), A)
    assert sem.writer is A
    assert not run(down_write_trylock(sem), B)
    assert not run(down_read_trylock(sem), B)
    assert B.held == []


def test_a_trylock_for_reading_minds_writers_only() -> None:
    sem = RwSemaphore("mmap_lock of A", "mmap_lock")
    run(down_read(sem), A)

    assert run(down_read_trylock(sem), B)
    assert sem.readers == [A, B]
    assert B.held == [sem]


@pytest.mark.parametrize("release", [up_read, up_write])
def test_releasing_a_semaphore_that_one_does_not_hold_is_a_kernel_bug(release: type) -> None:
    with pytest.raises(KernelBug, match="B released the semaphore i_rwsem"):
        run(release(RwSemaphore("i_rwsem", "i_rwsem")), B)


def test_an_rcu_section_is_atomic_context_and_nothing_that_others_can_see() -> None:
    enter = Hand(rcu_read_lock(), A)

    assert enter.pending is not None
    assert enter.pending.target is None

    enter.finish()
    assert A.atomic == 1
    run(rcu_read_unlock(), A)
    assert A.atomic == 0


def test_the_order_of_locks_puts_sleeping_locks_outside_of_spinlocks() -> None:
    assert LOCK_ORDER.index("i_mmap_rwsem") < min(LOCK_ORDER.index(lock) for lock in ("ptl", "i_pages", "i_lock"))
    assert LOCK_ORDER.index("i_pages") < LOCK_ORDER.index("info_lock")


def test_a_wait_queue_belongs_to_the_stack_of_who_will_wake_it() -> None:
    queue = WaitQueue(A)

    assert queue.alive
    assert (queue.owner, queue.waiters) == (A, [])
