"""Kernel functions stepped by hand, without an event loop, and the world as a value that can be compared."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from pagecache.folio import Folio
from pagecache.kernel import Kernel
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.promises.accounting import CountWatcher
from pagecache.promises.references import LeakWatcher, ReferenceWatcher
from pagecache.promises.structure import PlaceholderWatcher, RetryWatcher, SlotWatcher
from pagecache.step import Step, Task
from pagecache.world import World, WorldSpec
from pagecache.xarray import ValueEntry

STEPS_MAX = 1000  # a sequential operation takes fewer than 150

DATA_HOLE = WorldSpec(("data", "hole"))
DATA_DATA = WorldSpec(("data", "data"))

K = Task("K", 0)


class Hand:
    """One task and the kernel function it is in: ``steps`` are those taken so far, as strings.

    Args:
        routine: what the task does; it is advanced to its first step, which has not taken effect.
        task: who runs it.
        failing: calls to fail, each as its name and which visit, from 1.
    """

    def __init__(
        self, routine: Coroutine[Step, Task | None, Any], task: Task = K, failing: Sequence[tuple[str, int]] = ()
    ) -> None:
        self.routine = routine
        self.task = task
        self.failing = frozenset(failing)
        self.steps: list[str] = []
        self.taken: list[Step] = []
        self.pending: Step | None = None
        self.result: Any = None
        self._resume(None)

    @property
    def blocked(self) -> bool:
        """Must it wait?"""
        return self.pending is not None and self.pending.ready is not None and not self.pending.ready()

    def step(self) -> None:
        """Take the pending step."""
        step = self.pending
        assert step is not None, f"{self.task} has ended with {self.result}"
        assert not self.blocked, f"{self.task} at {step} waits for {step.waits_for().what if step.waits_for else '?'}"
        assert len(self.steps) < STEPS_MAX, f"{self.task} does not end: {self.steps[-5:]}"
        self.steps.append(str(step))
        self.taken.append(step)
        self.task.failing = (step.call, self.visits(step.call)) in self.failing
        self._resume(self.task)

    def visits(self, call: str) -> int:
        """How often ``call`` was made."""
        return sum(step.call == call for step in self.taken)

    def until(self, call: str, visit: int = 1) -> None:
        """Go on until it is about to make its ``visit``-th call of ``call``."""
        while self.pending is None or self.pending.call != call or self.visits(call) != visit - 1:
            self.step()

    def finish(self) -> Any:
        """Go on to the end; returns the result."""
        while self.pending is not None:
            self.step()
        return self.result

    def _resume(self, current: Task | None) -> None:
        try:
            self.pending = self.routine.send(current)
        except StopIteration as stop:
            self.pending = None
            self.result = stop.value


def run(routine: Coroutine[Step, Task | None, Any], task: Task = K, failing: Sequence[tuple[str, int]] = ()) -> Any:
    """The result of a kernel function that nobody disturbs."""
    return Hand(routine, task, failing).finish()


def steps(routine: Coroutine[Step, Task | None, Any], task: Task = K) -> list[str]:
    """The steps of a kernel function that nobody disturbs."""
    hand = Hand(routine, task)
    hand.finish()
    return hand.steps


def world(spec: WorldSpec = DATA_HOLE, kernel: str | Kernel = "linux-6.4") -> World:
    """A fresh world."""
    return World(spec, KERNELS_BY_NAME[kernel] if isinstance(kernel, str) else kernel)


def folio_at(where: World, index: int) -> Folio:
    """The folio in the slot of ``index``."""
    folio = where.mapping.i_pages.slots[index]
    assert isinstance(folio, Folio)
    return folio


def contents(where: World) -> list[str | None]:
    """What the page cache holds at each index: ``None`` for a hole, ``"unwritten"`` for a reserved page."""
    held: list[str | None] = []
    i_pages = where.mapping.i_pages
    for index, entry in enumerate(i_pages.slots):
        if isinstance(entry, Folio):
            content = "hwpoison" if entry.poisoned else entry.page_at(index)
            held.append(content if entry.uptodate else "unwritten")
        elif isinstance(entry, ValueEntry):
            held.append(where.mapping.swap.slots[entry.value + index % (1 << i_pages.order_at(index))].content)
        else:
            held.append(None)
    return held


def untidy(where: World) -> list[str]:
    """What is wrong with a world in which nobody runs: references, accounts, slots."""
    watchers = (ReferenceWatcher, LeakWatcher, CountWatcher, SlotWatcher, RetryWatcher, PlaceholderWatcher)
    return [sentence for watcher in watchers if (sentence := watcher(where).ended(())) is not None]


def snapshot(where: World) -> dict[str, object]:
    """Every byte, slot, count, flag and lock of the world, by name, for comparison."""
    inode, mapping = where.inode, where.mapping
    seen: dict[str, object] = {
        "slots": [str(entry) for entry in mapping.i_pages.slots],
        "nrpages": mapping.nrpages,
        "i_size": inode.i_size,
        "i_blocks": inode.i_blocks,
        "alloced": inode.info.alloced,
        "swapped": inode.info.swapped,
        "fallocend": inode.info.fallocend,
        "i_private": inode.i_private,
        "spinlocks": [lock.owner for lock in (mapping.i_pages.xa_lock, inode.info.lock, inode.i_lock)],
        "semaphores": [
            (sem.writer, tuple(sem.readers))
            for sem in (inode.i_rwsem, mapping.i_mmap_rwsem, *(mm.mmap_lock for mm in where.mms.values()))
        ],
        "K": (K.atomic, tuple(K.held)),
    }
    for folio in where.memory.live():
        seen[str(folio)] = {
            name: getattr(folio, name) for name in Folio.__slots__ if name not in ("memory", "number", "rank", "pages")
        } | {"pages": tuple(folio.pages)}
    for vma in where.vmas:
        seen[str(vma)] = (
            vma.alive,
            vma.uffd_missing,
            tuple(vma.uffd_waiters),
            tuple(sorted(vma.ptes.items())),
            tuple((table.present, table.huge, table.ptl.owner) for table in vma.tables),
        )
    return seen
