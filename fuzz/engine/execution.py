"""One run, whoever drives it: the tasks, who may run, what has happened, what it means.

A driver is a loop of two calls::

    while runnable := execution.runnable():
        execution.resume(one of runnable)

Everything else is here, so that all drivers give the same history, deviations and verdict.

**Points.**  A task is parked at its pending step, which takes effect when the task is resumed.  A step
without a target is invisible: nobody can tell when it happens, so the current task just takes it, and there
is no choice.  The first step of an operation is always a choice, even if it is invisible: what returns
before an operation is called has returned before it, and that order is part of the history.

**Wrong.**  A broken promise, a deadlock, an assertion of the model: a verdict.  Any other exception out of
the model, or of a watcher: the verdict UNKNOWN.  A driver that resumes a task which cannot run:
:class:`fuzz.errors.HarnessError`, the only exception that leaves this class.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from fuzz.engine.fair import FairTurns
from fuzz.engine.history import Event, History
from fuzz.engine.judge import judge_blocked, judge_exception, judge_foreign_await, judge_livelock
from fuzz.engine.limits import FAIR_STEPS_MAX, STEPS_MAX
from fuzz.engine.run import Deviated, Run
from fuzz.engine.teardown import tear_down
from fuzz.engine.verdict import HELD, Verdict
from fuzz.engine.watching import Hooks, Watching, tell
from fuzz.errors import HarnessError
from pagecache.operations import Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from strategies.case import Failure, TaskSpec

__all__ = ["Execution", "Routine"]

Routine = Coroutine[Step, Task | None, Any]
"""A kernel function under way: it announces steps, and is resumed with the task that runs it."""


class Execution:
    """One run of a program.

    It has begun when it has been made: every task has announced its first step, and nothing has taken effect.

    Args:
        tasks: what each task does in turn, in the order of their numbers.
        world: what the operations run in; the engine never looks into it.
        watchers: the oracles of this run, each with the name of its promise; the first to object decides.
        failures: which calls fail.
        teardown: cleans up after a normal end, when nobody sleeps: run at once, by a task named "eviction".
        record: keep the history.
        steps_max: after so many steps the fair scheduler takes over.
        judge: what an exception out of a task means.
        run: what a task, by number, runs as one of its operations, which gets a tag; by default just that.
    """

    def __init__(
        self,
        tasks: Sequence[TaskSpec],
        world: Any,
        *,
        watchers: Sequence[tuple[str, Watcher]] = (),
        failures: Sequence[Failure] = (),
        teardown: Callable[[], Routine] | None = None,
        record: bool = False,
        steps_max: int = STEPS_MAX,
        judge: Callable[[Exception, str], Verdict] = judge_exception,
        run: Callable[[int, Operation, str], Routine] | None = None,
    ) -> None:
        count = len(tasks)
        self.specs: Final = tasks
        self.world: Final = world
        self.watchers: Final = watchers
        self.failures: Final = failures
        self.tasks: Final = [Task(spec.name, number) for number, spec in enumerate(tasks)]
        self.routines: Final[list[Routine | None]] = [None] * count
        """By task, the operation under way; ``None`` when the task has ended."""
        self.operation: Final = [-1] * count
        """By task, the number of that operation."""
        self.called: Final = [False] * count
        """By task, has the first step of that operation been taken?"""
        self.pending: Final[list[Step | None]] = [None] * count
        """By task, the step it is about to take; ``None`` when it has ended."""
        self.calls: Final[list[list[str]]] = [[] for _ in tasks]
        """By task, the names of the calls it has announced; the last is pending."""
        self.current: int | None = None
        """Who ran last."""
        self.canonical = 0
        """Whom the canonical schedule runs at this point."""
        self.steps = 0
        self.verdict: Verdict | None = None
        """Set when the run has ended."""
        self.fair_suffix = False
        self._steps_max = steps_max
        self._judge = judge
        self._run = run
        self._deviated: list[Deviated] = []
        self.preemptions = 0
        """How often the CPU was taken from a task that could have gone on."""
        self._alone = [(number,) for number in range(count)]
        self._fair_turns = FairTurns()
        self._teardown = teardown
        self._failing = {(failure.task, failure.at, failure.visit) for failure in failures}
        self._history = History(tuple(spec.name for spec in tasks)) if record else None
        self._watching = Watching(watchers)
        for number in range(count):
            if self.verdict is None:
                self._begin_operation(number)

    def runnable(self) -> Sequence[int]:
        """Who may be resumed now, in ascending order; nobody once the run has ended, which makes the verdict.

        One number means that there is no choice.
        """
        if self.verdict is not None:
            return ()
        current, pending = self.current, self.pending
        try:
            if current is not None and self.steps < self._steps_max:
                step = pending[current]
                if (
                    step is not None
                    and step.target is None
                    and self.called[current]
                    and (step.ready is None or step.ready())
                ):
                    self.canonical = current
                    return self._alone[current]
            runnable = [
                number
                for number, step in enumerate(pending)
                if step is not None and (step.ready is None or step.ready())
            ]
        except Exception as error:  # noqa: BLE001 - the model's ready() may be wrong in any way
            self.verdict = self._judge(error, "asked who can run")
            return ()
        if not runnable:
            self._end()
            return ()
        if self.steps >= self._steps_max:
            return self._fair_turn(runnable)
        self.canonical = current if current in runnable else runnable[0]
        return runnable

    def resume(self, number: int) -> None:
        """Let a runnable task take its pending step, up to where it announces its next one.

        Raises:
            HarnessError: if the task cannot run.
        """
        step = self.pending[number]
        task = self.tasks[number]
        routine = self.routines[number]
        if step is None or routine is None or self.verdict is not None:
            raise HarnessError(
                f"task {task} was resumed, but {'the run' if self.verdict else 'it'} has ended; "
                "a driver chooses from what runnable() returns"
            )
        deviates = number != self.canonical
        if deviates:
            self._deviate(number, step)
        if self._failing:
            task.failing = bool(step.fails) and (task.name, step.call, self.visit(number)) in self._failing
        if not self.called[number] and self._call(number):
            return
        watching = self._watching
        before = watching.before if step.ready is None and not step.sleeps else watching.before_waits
        if before and self._watch(before, task, step):
            return
        if self._history is not None:
            self._history.events.append(Event("step", number, step=step, deviates=deviates))
        self.current = number
        self.steps += 1
        after = watching.after(step.call)
        try:
            following = routine.send(task)
        except StopIteration as stop:
            objects = after and self._watch(after, task, step)
            if not objects and not self._return(number, stop.value):
                self._begin_operation(number)
            return
        except Exception as error:  # noqa: BLE001 - whatever the model raises is judged, nothing escapes
            self.verdict = self._judge(error, f"{task} at {step}")
            return
        self._announce(number, following)
        if after and self.verdict is None:
            self._watch(after, task, step)

    def visit(self, number: int) -> int:
        """Which visit of its pending call that task is about to make, from 1."""
        calls = self.calls[number]
        return calls.count(calls[-1])

    def result(self) -> Run:
        """What the run was; call it once, when it has ended.

        Raises:
            HarnessError: if it has not ended.
        """
        if self.verdict is None:
            raise HarnessError(f"the run has not ended after {self.steps} steps; resume until runnable() is empty")
        self.close()
        return Run(
            self.verdict,
            tuple(spec.name for spec in self.specs),
            self.calls,
            self._deviated,
            self.steps,
            self.preemptions,
            self.fair_suffix,
            self._history,
        )

    def close(self) -> None:
        """Drop the operations that are still under way.  A run that is given up half-way needs this, too."""
        for routine in self.routines:
            if routine is not None:
                with contextlib.suppress(RuntimeError):  # a kernel function awaits in a 'finally': let it
                    routine.close()

    def _deviate(self, number: int, step: Step) -> None:
        if step.ready is not None and not step.ready():
            raise HarnessError(
                f"task {self.tasks[number]} was resumed at {step}, which is not ready; "
                "a driver chooses from what runnable() returns"
            )
        canonical = self.canonical
        self._deviated.append((canonical, len(self.calls[canonical]), number))
        if canonical == self.current:
            self.preemptions += 1

    def _begin_operation(self, number: int) -> None:
        """Advance a task to the first step of its next operation that has any, or to its end."""
        spec = self.specs[number]
        while True:
            self.operation[number] += 1
            self.called[number] = False
            self.pending[number] = self.routines[number] = None
            if self.operation[number] == len(spec.operations):
                return
            operation = spec.operations[self.operation[number]]
            try:
                tag = f"{spec.name}.{self.operation[number]}"
                routine = self._run(number, operation, tag) if self._run else operation.run(self.world, tag)
                self.routines[number] = routine
                first = routine.send(None)
            except StopIteration as stop:
                if self._call(number) or self._return(number, stop.value):
                    return
                continue
            except Exception as error:  # noqa: BLE001 - likewise
                self.verdict = self._judge(error, f"{spec.name} before the first step of {operation!r}")
                return
            self._announce(number, first)
            return

    def _announce(self, number: int, step: Step) -> None:
        try:
            self.calls[number].append(step.call)
        except AttributeError:
            self.verdict = judge_foreign_await(step, str(self.tasks[number]))
            return
        self.pending[number] = step

    def _operation(self, number: int) -> Operation:
        return self.specs[number].operations[self.operation[number]]

    def _call(self, number: int) -> bool:
        """The operation's first step is about to be taken.  Returns whether a watcher objects."""
        self.called[number] = True
        if self.specs[number].daemon:
            return False
        operation, which = self._operation(number), self.operation[number]
        if self._history is not None:
            self._history.events.append(Event("call", number, operation=operation, number=which))
        return self._watch(self._watching.called, self.tasks[number], which, operation)

    def _return(self, number: int, result: Result) -> bool:
        """The operation has returned.  Returns whether a watcher objects."""
        operation, which = self._operation(number), self.operation[number]
        if self._history is not None:
            self._history.events.append(Event("return", number, operation=operation, number=which, result=result))
        return self._watch(self._watching.returned, self.tasks[number], which, operation, result)

    def _watch(self, hooks: Hooks, *arguments: object) -> bool:
        """Tell the watchers.  Returns whether one objects."""
        self.verdict = tell(hooks, *arguments) if hooks else None
        return self.verdict is not None

    def _blocked(self) -> dict[Task, Step]:
        """The tasks that have not ended, with their pending steps."""
        return {
            task: step
            for task, step, spec in zip(self.tasks, self.pending, self.specs, strict=True)
            if step is not None and not spec.daemon
        }

    def _fair_turn(self, runnable: Sequence[int]) -> Sequence[int]:
        """The steps are used up: nobody chooses any more."""
        self.fair_suffix = True
        if self.steps >= self._steps_max + FAIR_STEPS_MAX:
            self.verdict = judge_livelock(self._steps_max, FAIR_STEPS_MAX, self._blocked())
            if self._history is not None:
                self._history.cut_at_the_loop()
            return ()
        self.canonical = self._fair_turns.next_task(runnable)
        return self._alone[self.canonical]

    def _end(self) -> None:
        """Nobody can run any more: judge."""
        blocked = self._blocked()
        self.verdict = judge_blocked(blocked) if blocked else None
        if self.verdict is not None:
            return
        asleep = [(task, self._operation(task.number)) for task in blocked if self.called[task.number]]
        if self._watch(self._watching.ended, asleep):
            return
        if self._teardown is not None and not blocked:
            self.verdict = tear_down(self._teardown, Task("eviction", len(self.tasks)))
        self.verdict = self.verdict or HELD
