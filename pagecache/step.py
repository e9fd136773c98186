"""One action another CPU could observe, and the task that takes it.

A kernel function of the model is a coroutine.  It announces each observable action with::

    current = await step("xas_store", index, target=("slot", index), writes=True)

and the action takes effect when the coroutine is resumed.  Everything from there to the next
``await`` is atomic.  Whoever drives the coroutine receives the :class:`Step` and answers with the
:class:`Task` that was chosen to run, the kernel's ``current``.

The law of this package: a primitive is a step on every call or on none, and a step comes *before* its
effect.  (A scheduling point placed after the effect loses behaviours: what the announcement decided
can no longer be overtaken.)  Model code awaits only as a statement or as the whole right-hand side of an
assignment or a return, and a loop that awaits runs over named positions, so that a suspended
coroutine is fully described by its locals; ``tests/pagecache/test_await_law.py`` enforces it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from pagecache.store_buffer import StoreBuffer

__all__ = [
    "KernelBug",
    "Oops",
    "RcuSection",
    "Step",
    "Target",
    "Task",
    "UseAfterFree",
    "Wait",
    "step",
    "vm_bug_on",
    "warn_on_once",
]

Target = tuple[str, int] | str
"""What a step touches: a kind of object and its number, for example ``("slot", 1)``, or the name of the only one.

Two steps conflict when their targets are equal and at least one of them writes.
"""


class Wait(NamedTuple):
    """What a task that cannot run waits for: a line of the wait-for table."""

    what: str
    """In words, for example ``"the lock of F1"``."""
    holders: tuple[Task, ...] = ()
    """Who could end the wait; empty when only user space can (a userfaultfd event)."""
    user: bool = False
    """True when the wait ends by an action of user space, so that nobody is at fault for it."""


class Step:
    """One announced action.

    Args:
        call: the kernel's name for it, for example ``"xas_store"``.
        args: what it was called with; formatted only when a report needs it, so each argument must
            be a plain value or an object whose ``str()`` never changes (a folio, a lock, a VMA).
        target: the object it touches, see :data:`Target`; ``None`` if nobody else can tell when it
            happens, so that switching tasks before it is the same as switching after it.
        writes: whether it changes ``target``.
        ready: may it take effect now?  ``None`` means always.
        waits_for: called when a report is made while ``ready`` is false.
        sleeps: the kernel's ``might_sleep()``: taking this step in atomic context is a bug.
        spins: while not ready, the CPU is busy: whoever holds it up must not sleep.
        fails: the error an injected failure makes it return, for example ``"ENOMEM"``; empty if it
            cannot fail.
        also: what else it touches, or the code behind it up to the next step, each with whether it is written; for
            who asks which steps can be swapped without a difference (:mod:`fuzz.search.visible`).  Without a
            target of its own such a step is no scheduling point all the same.  It is read when the step has been
            taken, so the code behind it may add to it.
    """

    __slots__ = ("also", "args", "call", "fails", "ready", "sleeps", "spins", "target", "waits_for", "writes")

    def __init__(
        self,
        call: str,
        *args: object,
        target: Target | None = None,
        writes: bool = False,
        ready: Callable[[], bool] | None = None,
        waits_for: Callable[[], Wait] | None = None,
        sleeps: bool = False,
        spins: bool = False,
        fails: str = "",
        also: Sequence[tuple[Target, bool]] = (),
    ) -> None:
        self.call = call
        self.args = args
        self.target = target
        self.writes = writes
        self.ready = ready
        self.waits_for = waits_for
        self.sleeps = sleeps
        self.spins = spins
        self.fails = fails
        self.also = also

    def __await__(self) -> Generator[Step, Task, Task]:
        current = yield self
        if current.stores is not None:
            current.stores.before(self)
        return current

    def __str__(self) -> str:
        return f"{self.call}({', '.join(map(str, self.args))})"

    __repr__ = __str__


step = Step
"""How model code spells it: ``current = await step(...)``."""


class RcuSection:
    """A stretch of atomic context of one task; no grace period that begins in it ends in it."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over = False


class Task:
    """One thread of the program, and what the kernel keeps in ``current`` for it."""

    __slots__ = ("atomic", "failing", "held", "name", "number", "section", "stores")
    # Which locks are held is known from the locks, and what else is atomic from where the task stands.
    __fingerprint_skip__: ClassVar = ("atomic", "failing", "held", "section")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.atomic = 0
        """The kernel's preempt_count(): spinlocks held plus RCU read-side sections entered."""
        self.held: list[object] = []
        """The locks this task holds, in the order in which it took them."""
        self.failing = False
        """Set by the driver before it resumes the task: this step is to fail."""
        self.section: RcuSection | None = None
        """The atomic context it is in, once somebody asked for it: see rcu_section()."""
        self.stores: StoreBuffer | None = None
        """What its CPU has stored and nobody else sees, in a world with store buffers."""

    def rcu_section(self) -> RcuSection:
        """What the task reads without a lock now stays allocated until this section is over.

        Spinlocks count as RCU read-side sections, as they do since the flavours of RCU were merged (4.20).
        """
        if self.section is None:
            self.section = RcuSection()
        return self.section

    def leave_atomic(self) -> None:
        """One spinlock or RCU section less; with the last one, what was protected by it is not any more."""
        self.atomic -= 1
        if not self.atomic and self.section is not None:
            self.section.over = True
            self.section = None

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Task({self.name!r}, {self.number})"


class KernelBug(Exception):  # noqa: N818 - it is the kernel's, not ours
    """An assertion of the kernel failed (``VM_BUG_ON_FOLIO`` and its relatives)."""


class UseAfterFree(KernelBug):
    """A freed folio, page table or VMA was used."""


class Oops(KernelBug):
    """The kernel followed a pointer that leads nowhere."""


def vm_bug_on(wrong: bool, what: str) -> None:
    """``VM_BUG_ON()``.

    Raises:
        KernelBug: if it is ``wrong``.
    """
    if wrong:
        raise KernelBug(f"VM_BUG_ON: {what}")


def warn_on_once(error: str, what: str) -> None:
    """``WARN_ON_ONCE()``: the kernel goes on, but whoever wrote it did not think that this can happen.

    Raises:
        KernelBug: if there is an ``error``.
    """
    if error:
        raise KernelBug(f"WARN_ON_ONCE: {what}: {error}")
