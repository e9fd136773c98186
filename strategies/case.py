"""What to run, as plain values: a Case is a kernel's name, a world, a program, a schedule and failures.

**The canonical schedule** runs the current task until it blocks or ends, then the lowest-numbered
task that can run.  A schedule is a short tuple of *deviations* from that; ``()`` is the
sequential run.  Everything is generated, stored, shrunk, counted and proved in this one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pagecache.operations import Operation, Publish
from pagecache.world import WorldSpec

__all__ = ["Case", "Deviation", "Failure", "Program", "TaskSpec", "stores_of", "with_stores"]


def stores_of(task: str) -> str:
    """The name of the task that publishes what another one has stored, in a world with store buffers."""
    return f"{task}.stores"


@dataclass(frozen=True, slots=True)
class Deviation:
    """When ``task`` is about to make its ``visit``-th call of ``at``, run ``run`` instead.

    It applies where the canonical schedule would run ``task`` next and ``run`` can run; it applies once.
    ``run`` is then the current task.  Several deviations at one place apply in their order.  One whose
    place is never reached is simply unused.

    Args:
        task: the task that would have run.
        at: the name of the call it is about to make, for example ``"xas_store"``.
        visit: counted from 1, over the whole life of the task.
        run: the task that runs instead.
    """

    task: str
    at: str
    visit: int
    run: str

    def __str__(self) -> str:
        return f"{self.task} at {self.at}#{self.visit}: run {self.run}"


@dataclass(frozen=True, slots=True)
class Failure:
    """The ``visit``-th call of ``at`` by ``task`` fails (allocation, charge, copy, signal)."""

    task: str
    at: str
    visit: int

    def __str__(self) -> str:
        return f"{self.task} at {self.at}#{self.visit}: fails"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One thread of the program: its name and what it does in turn.

    A daemon is no part of the program as it is written: it only ever reacts, and nobody waits for its end.
    """

    name: str
    operations: tuple[Operation, ...]
    daemon: bool = False


def with_stores(tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
    """The tasks, and behind them a daemon for each, which publishes what it has stored."""
    daemons = (TaskSpec(stores_of(task.name), (Publish(number),), daemon=True) for number, task in enumerate(tasks))
    return (*tasks, *daemons)


@dataclass(frozen=True, slots=True)
class Program:
    """The tasks, in the order of their numbers."""

    tasks: tuple[TaskSpec, ...]

    def __str__(self) -> str:
        return " || ".join(f"{task.name}: {'; '.join(map(repr, task.operations))}" for task in self.tasks)

    @property
    def operations(self) -> int:
        """How many operations all tasks have together."""
        return sum(len(task.operations) for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Case:
    """All that determines a run."""

    kernel: str
    world: WorldSpec
    program: Program
    schedule: tuple[Deviation, ...] = ()
    failures: tuple[Failure, ...] = field(default=())

    @property
    def tasks(self) -> tuple[TaskSpec, ...]:
        """The tasks of the program, and the store buffers of their CPUs, if the world has some."""
        return with_stores(self.program.tasks) if self.world.store_buffers else self.program.tasks
