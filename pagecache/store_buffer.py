"""Store buffers: a CPU goes on before the others see what it has stored.

Memory is sequentially consistent here, unless the world has store buffers.  Then each task runs on a CPU that keeps
some of its stores to itself for a while: it sees them, nobody else does.  They become visible in their order, at any
time (a task of its own publishes them, "khugepaged.stores"), at the latest

* at a full barrier of that CPU: smp_mb(), any lock taken, any atomic operation but the one below, going to sleep;
* at any other store of it, so that no two stores are seen in the wrong order;
* when somebody takes a lock that it released behind them;
* when its system call returns.

So what can be seen is that a load is done before an earlier store of the same CPU ("store buffering", SB, the one
thing that x86 reorders; Owens, Sarkar, Sewell: "A better x86 memory model: x86-TSO", TPHOLs 2009), and all that can
be seen is allowed by Linux' memory model (``tools/memory-model``).  What that allows beyond is not seen: there a lock
that is taken is no full barrier, and loads overtake loads.

Kept back are stores to slots of the page cache (xas_store() is rcu_assign_pointer(), a plain store on x86), and
``nr_thps``, which is counted by atomic_inc(): "RMW operations that have no return value are unordered"
(``Documentation/atomic_t.txt``), though on x86 that is a full barrier, too.  Unlocking a spinlock is one more
store.  All others are visible at once: page-table entries, flags, counts.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from pagecache.step import Step, Target, Task, step

if TYPE_CHECKING:
    from pagecache.locks import SpinLock

__all__ = [
    "Store",
    "StoreBuffer",
    "as_seen_by",
    "exit_to_user_mode",
    "publish",
    "publish_stores",
    "published_by",
    "smp_mb",
    "store",
]

T = TypeVar("T")

KEPT: Final = frozenset(
    {"xas_create", "xas_store", "xas_free_nodes", "filemap_nr_thps_inc", "filemap_nr_thps_dec"}
)  # what xas_create() adds nobody can tell
BUFFER: Final = "store buffer"
UNLOCKS: Final = frozenset({"spin_unlock", "xas_unlock_irq"})


class Store:
    """A store that only its own CPU sees.

    Args:
        owner: whose CPU that is.
        home: what the place belongs to; it lists the Store in its ``unpublished``.
        place: where that is: what is stored into, and at which offset.
        before: what was there; that is what the others see.
        target: how steps call it.
    """

    __slots__ = ("before", "home", "owner", "place", "target")

    def __init__(self, owner: Task, home: Any, place: tuple[object, int], before: Any, target: Target) -> None:
        self.owner = owner
        self.home = home
        self.place = place
        self.before = before
        self.target = target

    def is_at(self, place: tuple[object, int]) -> bool:
        """Is that the place?"""
        return self.place[0] is place[0] and self.place[1] == place[1]


class StoreBuffer:
    """The stores of one CPU that the others do not see yet, the oldest first, and the locks released behind them.

    ``step`` is what its task does, and is told what becomes visible then (see Step).
    """

    __slots__ = ("number", "pending", "step")
    __fingerprint_skip__ = ("step",)

    def __init__(self, number: int) -> None:
        self.number = number
        self.pending: list[Store | SpinLock] = []
        self.step: Step | None = None

    def is_filled(self) -> bool:
        """Is there anything to be published?"""
        return self.pending != []

    def before(self, step: Step) -> None:
        """Its task is about to take ``step``: if that is a barrier, or a store that is not kept, publish all."""
        self.step = step
        if step.call in KEPT:
            return
        changes = any(writes for _, writes in step.also)
        if step.call in UNLOCKS and not changes:
            return
        if step.writes or changes or step.sleeps or step.ready is not None or step.call == "smp_mb":
            self.publish_all()

    def unlock(self, lock: SpinLock) -> None:
        """Whoever takes the lock sees what was stored under it."""
        if self.pending:
            self.pending.append(lock)
            lock.unlocked_by = self

    def publish_all(self) -> None:
        """Let everybody see all of it."""
        while self.pending:
            self.publish_first(self.step)

    def publish_until_unlocked(self, lock: SpinLock, current: Task) -> None:
        """``current`` takes a lock that was released behind some of it."""
        while lock.unlocked_by is self:
            self.publish_first(current.stores.step if current.stores is not None else None)

    def publish_first(self, step: Step | None) -> None:
        """Let everybody see the oldest, and that the locks behind it are free; ``step`` is what makes it visible."""
        first = self.pending.pop(0)
        assert isinstance(first, Store)
        first.home.unpublished = tuple(one for one in first.home.unpublished if one is not first)
        while self.pending and not isinstance(lock := self.pending[0], Store):
            lock.unlocked_by = None
            del self.pending[0]
        if step is not None:
            step.also = [*step.also, ((BUFFER, self.number), True), (first.target, True)]


def store(current: Task | None, home: Any, place: tuple[object, int], before: Any, target: Target) -> None:
    """``current`` is about to store where ``before`` is; see :class:`Store`.

    Two CPUs that store into one place do so one after the other, for all to see (coherence).
    """
    if current is None or current.stores is None:
        return
    while other := next((one for one in home.unpublished if one.is_at(place) and one.owner is not current), None):
        other.owner.stores.publish_first(current.stores.step)
    kept = Store(current, home, place, before, target)
    home.unpublished = (*home.unpublished, kept)
    current.stores.pending.append(kept)


def as_seen_by(current: Task | None, home: Any, place: tuple[object, int], newest: Any) -> Any:
    """What ``current`` loads, where ``newest`` has been stored last; ``None`` for who has stored nothing there."""
    for kept in home.unpublished:
        if kept.is_at(place) and kept.owner is not current:
            return kept.before
    return newest


def publish_stores(current: Task | None) -> None:
    """What ``current`` stores next everybody sees at once, so what it has stored before, too."""
    if current is not None and current.stores is not None:
        current.stores.publish_all()


def published_by(step: Step) -> Iterator[Target]:
    """What became visible when ``step`` was taken."""
    for (target, _), (behind, _) in pairwise(step.also):
        if target[0] == BUFFER:
            yield behind


async def smp_mb() -> None:
    """``smp_mb()``: a full memory barrier."""
    await step("smp_mb")


async def exit_to_user_mode(stores: StoreBuffer, call: Coroutine[Step, Task | None, T]) -> T:
    """``exit_to_user_mode()``: a system call, behind which all that it has stored is visible."""
    result = await call
    if stores.is_filled():
        await step("exit_to_user_mode", target=(BUFFER, stores.number), writes=True)
    return result


async def publish(stores: StoreBuffer) -> NoReturn:
    """A store buffer at work: any time is right for each of its stores to become visible."""
    while True:
        publishing = step("publish", target=(BUFFER, stores.number), writes=True, ready=stores.is_filled)
        await publishing
        stores.publish_first(publishing)
