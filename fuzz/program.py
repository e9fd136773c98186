"""Any concurrent program, to be fuzzed by itself: tasks over a shared state, and what must hold.

The page cache is one model; this is the door for others.  A task is one or more coroutines, one after the other.  Each
announces what the other tasks could notice, before it does it, and does everything up to its next ``await``
atomically::

    from fuzz import Program, explore, step


    class Counter:
        def __init__(self):
            self.value = 0


    async def increment(counter):
        await step("load", target=("value", 0))
        seen = counter.value
        await step("store", target=("value", 0), writes=True)
        counter.value = seen + 1


    def counted(counter):
        return None if counter.value == 2 else f"counted {counter.value} of 2"


    def make():
        return Program(Counter(), {"one": [increment], "two": [increment]}, check=counted)


    print(explore(make))

A step that can only be taken at times has ``ready``, and says in ``waits_for`` who could end the wait, so that a
deadlock is reported and not a hang; see :class:`pagecache.step.Step`.  A step without a target is invisible: nobody
is run in between.

What is a failure: an ``assert`` (or a :class:`pagecache.step.KernelBug`) in a task, a sentence from ``check``, an
objection of a watcher, a deadlock, a livelock.  Any other exception says that the program does not work, and nothing
about its schedules.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fuzz.engine.execution import Execution
from fuzz.engine.judge import judge_assertion
from pagecache.operations import Operation
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from strategies.case import TaskSpec

__all__ = ["CHECK", "Body", "Program"]

Body = Callable[[Any], Coroutine[Step, Task, Any]]
"""A coroutine function of the shared state, or a :func:`functools.partial` of one."""

CHECK: Final = "the_check_passes"
"""The name of the promise that ``check`` keeps."""


@dataclass(frozen=True, slots=True)
class Program:
    """One fresh instance of a program; every run needs its own.

    Args:
        state: what the tasks share, as it is before they begin.
        tasks: by name, what each does in turn.  Their order is the order in which they run if nobody interferes.
        check: asked when all have ended: a sentence if something is wrong, with values, else ``None``.
        watchers: by name of the promise, who looks on; see :class:`pagecache.promises.promise.Watcher`.

    Raises:
        ValueError: if there is no task.
    """

    state: Any
    tasks: Mapping[str, Sequence[Body]]
    check: Callable[[Any], str | None] | None = None
    watchers: Sequence[tuple[str, Watcher]] = ()

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("tasks is empty, so there is nothing to run; give at least one, by name")

    def execution(self, *, record: bool = False) -> Execution:
        """Its only run, about to begin."""
        specs = [TaskSpec(name, tuple(map(_Call, bodies))) for name, bodies in self.tasks.items()]
        watchers = [*self.watchers]
        if self.check is not None:
            watchers.append((CHECK, _AtTheEnd(self.state, self.check)))
        return Execution(specs, self.state, watchers=watchers, record=record, judge=judge_assertion)


@dataclass(frozen=True, slots=True, repr=False)
class _Call(Operation):
    """A body as an operation."""

    body: Body

    def __repr__(self) -> str:
        body = self.body
        if isinstance(body, functools.partial):
            given = [*map(repr, body.args), *(f"{name}={value!r}" for name, value in body.keywords.items())]
            return f"{body.func.__name__}({', '.join(given)})"
        return f"{getattr(body, '__name__', type(body).__name__)}()"

    def run(self, world: Any, tag: str) -> Coroutine[Step, Task, Any]:
        """The body over the shared state; ``tag`` is for page contents."""
        del tag
        return self.body(world)


class _AtTheEnd(Watcher):
    """Asks the program's own check when everybody has ended."""

    def __init__(self, state: Any, check: Callable[[Any], str | None]) -> None:
        super().__init__(state)
        self._check = check

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        """Nobody can run any more."""
        return None if pending else self._check(self.world)

    def key(self) -> None:
        """It remembers nothing: the check is the same in all runs."""
