"""Spinlocks, reader-writer semaphores, wait queues and RCU sections, and the order of locks.

Each call is one step.  A lock knows who holds it, so that a wait can name its reason, and its class, so
that a wrong order is seen even where it did not deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from pagecache.step import KernelBug, Step, Target, Task, Wait, step
from pagecache.touched import PMDS, PTES

if TYPE_CHECKING:
    from pagecache.store_buffer import StoreBuffer

__all__ = [
    "LOCK_ORDER",
    "RwSemaphore",
    "SpinLock",
    "WaitQueue",
    "down_read",
    "down_read_trylock",
    "down_write",
    "down_write_trylock",
    "rcu_read_lock",
    "rcu_read_unlock",
    "spin_lock",
    "spin_lock_nested",
    "spin_trylock",
    "spin_unlock",
    "up_read",
    "up_write",
]

LOCK_ORDER: Final = (
    "i_rwsem",
    "mmap_lock",
    "invalidate_lock",
    "folio_lock",
    "i_mmap_rwsem",
    "pml",
    "ptl",
    "i_pages",
    "info_lock",
    "shrinklist_lock",
    "i_lock",
)
"""Outermost first: the comments above ``mm/rmap.c`` and ``mm/filemap.c`` ("Lock ordering")."""


class SpinLock:
    """A spinlock; holding one is atomic context (``spinlock_t``)."""

    __slots__ = ("name", "owner", "rank", "target", "unlocked_by")
    __fingerprint_skip__: ClassVar = ("name", "rank", "target", "unlocked_by")

    def __init__(self, name: str, lock_class: str, number: int = 0) -> None:
        self.name = name
        self.rank = LOCK_ORDER.index(lock_class)
        self.target: Target = (lock_class, number)
        self.owner: Task | None = None
        self.unlocked_by: StoreBuffer | None = None
        """Where the store that released it still is; whoever takes it has seen that one, and all before it."""

    def __str__(self) -> str:
        return self.name

    def is_free(self) -> bool:
        """May it be taken now?"""
        return self.owner is None

    def waits_for(self) -> Wait:
        """Who holds it."""
        return Wait(f"the spinlock {self.name}", (self.owner,) if self.owner else ())


def lock_step(call: str, lock: SpinLock, *args: object, also: Sequence[tuple[Target, bool]] = ()) -> Step:
    """The step that takes ``lock``; shared by ``spin_lock()`` and ``xas_lock_irq()``."""
    return Step(
        call,
        *args,
        target=lock.target,
        writes=True,
        ready=lock.is_free,
        waits_for=lock.waits_for,
        spins=True,
        also=also,
    )


def acquire(lock: SpinLock, current: Task) -> None:
    """Take a free spinlock."""
    if lock.unlocked_by is not None:
        lock.unlocked_by.publish_until_unlocked(lock, current)
    lock.owner = current
    current.held.append(lock)
    current.atomic += 1


def release(lock: SpinLock, current: Task) -> None:
    """Release a spinlock held by ``current``."""
    if lock.owner is not current:
        raise KernelBug(f"{current} released the spinlock {lock}, held by {lock.owner}")
    lock.owner = None
    if current.stores is not None:
        current.stores.unlock(lock)
    current.held.remove(lock)
    current.leave_atomic()


async def spin_lock(lock: SpinLock, *, also: Sequence[tuple[Target, bool]] = ()) -> Task:
    """``spin_lock()``: spin until the lock is free, then hold it; ``also`` is touched behind it (see Step)."""
    current = await lock_step("spin_lock", lock, lock, also=also)
    acquire(lock, current)
    return current


async def spin_lock_nested(lock: SpinLock, *, also: Sequence[tuple[Target, bool]] = ()) -> Task:
    """``spin_lock_nested()``: spin_lock() by who holds one of its class: something else keeps two such in order."""
    current = await lock_step("spin_lock_nested", lock, lock, also=also)
    acquire(lock, current)
    return current


async def spin_trylock(lock: SpinLock, *, also: Sequence[tuple[Target, bool]]) -> bool:
    """``spin_trylock()``: hold it if nobody does, never wait.  Returns whether it is held now.

    In Linux one lock is that of many; that one of these others is taken is injected like a failure.

    Args:
        lock: which.
        also: what is done under it, for it may be released behind the last of that (see Step).
    """
    current = await step("spin_trylock", lock, target=lock.target, writes=True, fails="EBUSY", also=also)
    if current.failing or not lock.is_free():
        return False
    acquire(lock, current)
    return True


async def spin_unlock(lock: SpinLock) -> None:
    """``spin_unlock()``.

    Nobody can tell when exactly it happens: whoever wants the lock waits for it, and everything else does not look.
    Hence no target (a left mover, Lipton 1975).  Who tries and gives up (spin_trylock()) gives up as well a step
    earlier, if anything has been done under the lock; if nothing has, no schedule lets him come between, and a failure
    has to be injected.
    """
    current = await step("spin_unlock", lock)
    release(lock, current)


class RwSemaphore:
    """A sleeping reader-writer lock (``struct rw_semaphore``).

    Leaves out: the queue.  A reader is not held up by a writer that waits, so every order in
    which the waiters could be served is explored.
    """

    __slots__ = ("name", "rank", "readers", "target", "writer")
    __fingerprint_skip__: ClassVar = ("name", "rank", "target")

    def __init__(self, name: str, lock_class: str, number: int = 0) -> None:
        self.name = name
        self.rank = LOCK_ORDER.index(lock_class)
        self.target: Target = (lock_class, number)
        self.readers: list[Task] = []
        self.writer: Task | None = None

    def __str__(self) -> str:
        return self.name

    def may_read(self) -> bool:
        """May a reader take it now?"""
        return self.writer is None

    def may_write(self) -> bool:
        """May a writer take it now?"""
        return self.writer is None and not self.readers

    def waits_for(self) -> Wait:
        """Who holds it."""
        holders = (self.writer,) if self.writer else tuple(self.readers)
        return Wait(f"the semaphore {self.name}", holders)


def _behind(sem: RwSemaphore, also: Sequence[tuple[Target, bool]]) -> Sequence[tuple[Target, bool]]:
    """What is looked at behind it: who has the i_mmap_rwsem looks at page tables, before he takes their locks."""
    return [(PTES, False), (PMDS, False), *also] if sem.target[0] == "i_mmap_rwsem" else also


async def down_read(sem: RwSemaphore, *, also: Sequence[tuple[Target, bool]] = ()) -> Task:
    """``down_read()``: sleep until no writer holds it; ``also`` is looked at behind it (see Step)."""
    current = await step(
        "down_read",
        sem,
        target=sem.target,
        writes=True,
        ready=sem.may_read,
        waits_for=sem.waits_for,
        sleeps=True,
        also=_behind(sem, also),
    )
    sem.readers.append(current)
    current.held.append(sem)
    return current


async def down_read_trylock(sem: RwSemaphore) -> bool:
    """``down_read_trylock()``: hold it if no writer does, never wait.  Returns whether it is held now."""
    current = await step("down_read_trylock", sem, target=sem.target, writes=True)
    if not sem.may_read():
        return False
    sem.readers.append(current)
    current.held.append(sem)
    return True


async def up_read(sem: RwSemaphore, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``up_read()``; ``also`` is looked at behind it (see Step)."""
    current = await step("up_read", sem, target=sem.target, writes=True, also=also)
    if current not in sem.readers:
        raise KernelBug(f"{current} released the semaphore {sem} for reading without holding it")
    sem.readers.remove(current)
    current.held.remove(sem)


async def down_write(sem: RwSemaphore, *, also: Sequence[tuple[Target, bool]] = ()) -> Task:
    """``down_write()``: sleep until nobody else holds it; ``also`` is looked at behind it (see Step)."""
    current = await step(
        "down_write",
        sem,
        target=sem.target,
        writes=True,
        ready=sem.may_write,
        waits_for=sem.waits_for,
        sleeps=True,
        also=_behind(sem, also),
    )
    sem.writer = current
    current.held.append(sem)
    return current


async def down_write_trylock(sem: RwSemaphore, *, also: Sequence[tuple[Target, bool]] = ()) -> bool:
    """``down_write_trylock()``: hold it if nobody does, never wait; ``also`` is looked at behind it (see Step).

    Returns:
        Whether it is held now.
    """
    current = await step("down_write_trylock", sem, target=sem.target, writes=True, also=also)
    if not sem.may_write():
        return False
    sem.writer = current
    current.held.append(sem)
    return True


async def up_write(sem: RwSemaphore, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``up_write()``; ``also`` is looked at behind it (see Step)."""
    current = await step("up_write", sem, target=sem.target, writes=True, also=also)
    if sem.writer is not current:
        raise KernelBug(f"{current} released the semaphore {sem}, held for writing by {sem.writer}")
    sem.writer = None
    current.held.remove(sem)


class WaitQueue:
    """The head of a wait queue (``wait_queue_head_t``) on the stack of the task that will wake it.

    ``alive`` turns false when that task leaves the function: using the queue afterwards is a use
    after free, the reason for ``i_lock`` in shmem_falloc_wait().
    """

    __slots__ = ("alive", "owner", "waiters")

    def __init__(self, owner: Task) -> None:
        self.owner = owner
        self.waiters: list[Task] = []
        self.alive = True


async def rcu_read_lock() -> None:
    """``rcu_read_lock()``: nobody waits for it, but sleeping is a bug until the unlock."""
    current = await step("rcu_read_lock")
    current.atomic += 1


async def rcu_read_unlock() -> None:
    """``rcu_read_unlock()``."""
    current = await step("rcu_read_unlock")
    current.leave_atomic()
