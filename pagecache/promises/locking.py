"""Locks: sleeping, spinning, order, release.  Deadlock itself is the engine's to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pagecache.folio import FOLIO_LOCK_RANK, Folio
from pagecache.locks import LOCK_ORDER, SpinLock
from pagecache.operations import ACCESSES
from pagecache.promises.promise import Watcher

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pagecache.operations import Operation, Result
    from pagecache.step import Step, Task
    from pagecache.world import World

__all__ = ["AtomicWatcher", "OrderWatcher", "ReleaseWatcher", "SpinWatcher"]

RANKS: Final = {name: rank for rank, name in enumerate(LOCK_ORDER)}


def _names(locks: list[object]) -> str:
    return ", ".join(map(str, locks))


class AtomicWatcher(Watcher):
    """No task sleeps in atomic context ("BUG: sleeping function called from invalid context").

    As in ``might_sleep()``, it does not matter whether this call would have slept.
    """

    waits_only = True
    sees_classes = True  # it asks the task that is about to take the step

    def before(self, task: Task, step: Step) -> str | None:
        if not step.sleeps or task.atomic == 0:
            return None
        spinlocks: list[object] = [lock for lock in task.held if isinstance(lock, SpinLock)]
        rcu = task.atomic - len(spinlocks)
        parts = [f"holding the spinlock {_names(spinlocks)}"] if spinlocks else []
        parts += ["in an RCU read-side section"] if rcu else []
        return f"{task} may sleep in {step} while {' and '.join(parts)}"


class OrderWatcher(Watcher):
    """Locks are taken in order, as lockdep would see it: also where no deadlock came of it in this run.

    The order is that of the comments above ``mm/rmap.c`` and ``mm/filemap.c``.  Two locks of one class are never held
    together, except folios' in ascending order of their index (folio_lock(): "if they are in the same
    address_space, they must be in order of ascending index"), and where spin_lock_nested() says that something else
    keeps them in order.  A trylock cannot be waited for, so its order does not matter.

    write(2) holds an ``i_rwsem`` while its buffer faults.  The model's buffers do not, so every fault counts as one
    that somebody has entered with an ``i_rwsem``.
    """

    waits_only = True
    sees_classes = True  # it asks the task that is about to take the step

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.operations: dict[int, Operation] = {}
        """By task, what it does."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        self.operations[task.number] = operation

    def key(self) -> Hashable:
        return ()  # what each task does is part of every point

    def before(self, task: Task, step: Step) -> str | None:
        if step.ready is None or step.target is None:
            return None
        rank = RANKS.get(step.target[0])
        if rank is None:
            return None
        if not rank and isinstance(self.operations.get(task.number), ACCESSES):
            return (
                f"{task} takes {LOCK_ORDER[rank]} in {step}, in a page fault; write(2) holds one when its buffer faults"
            )
        for held in task.held:
            held_rank: int = held.rank  # type: ignore[attr-defined]
            if held_rank > rank:
                return (
                    f"{task} takes {LOCK_ORDER[rank]} in {step} while it holds {held}; "
                    f"{LOCK_ORDER[held_rank]} comes after {LOCK_ORDER[rank]}"
                )
            if held_rank == rank and step.call != "spin_lock_nested":
                wanted = step.args[0] if step.args else None
                if rank != FOLIO_LOCK_RANK or not isinstance(held, Folio) or not isinstance(wanted, Folio):
                    return f"{task} takes a second {LOCK_ORDER[rank]} in {step} while it holds {held}"
                # A folio of the swap cache is in no file as yet.
                if held.mapping is wanted.mapping and held.index > wanted.index:
                    return (
                        f"{task} locks {wanted} at index {wanted.index} while it holds "
                        f"the lock of {held} at index {held.index}"
                    )
        return None


class SpinWatcher(Watcher):
    """No lookup spins on a sleeping task.

    "Think of keeping a folio refcount frozen to 0 as like holding a spinlock (... out of sight from lockdep)" (Hugh
    Dickins, March 2023); a RETRY entry that is left in a slot is the same.  Who holds either must not sleep
    while somebody spins on it; on one CPU without preemption that is a deadlock, elsewhere a CPU that burns.
    Holders of real spinlocks are :class:`AtomicWatcher`'s.

    It reads ``world.pending``, which the engine fills.
    """

    waits_only = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.names: dict[int, tuple[str, Operation]] = {}
        """By task, its name and its last operation; for the sentence only."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        self.names[task.number] = (task.name, operation)

    def key(self) -> Hashable:
        return ()  # names make no difference

    def before(self, task: Task, step: Step) -> str | None:
        if not step.sleeps:
            return None
        for number, spinning in enumerate(self.world.pending):
            if spinning is None or not spinning.spins or spinning.ready is None or spinning.waits_for is None:
                continue
            if spinning.target is not None and spinning.target[0] in RANKS:
                continue
            if spinning.ready():
                continue
            wait = spinning.waits_for()
            if task in wait.holders:
                name, operation = self.names[number]
                return f"{name} {operation!r} spins on {wait.what} while {task}, who keeps it so, may sleep in {step}"
        return None


class ReleaseWatcher(Watcher):
    """Locks are released: no operation returns to user space with one."""

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        del number, result
        if task.held:
            return f"{task} returns from {operation!r} and still holds {_names(task.held)}"
        if task.atomic:
            return f"{task} returns from {operation!r} in atomic context ({task.atomic} deep)"
        return None
