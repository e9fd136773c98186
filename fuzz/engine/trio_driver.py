"""The trio driver: each task of the program is a trio task, parked at its own gate.

Exactly one of them is ever runnable, so trio's own order has no say.  Whoever has the baton takes the steps
that are its own, and hands the baton to the next when it is somebody else's turn.

Nothing raises inside the nursery: what goes wrong in the model is part of the run, and what goes wrong in
the policy or the engine is kept until the nursery is closed.
"""

from __future__ import annotations

import trio

from fuzz.engine.execution import Execution
from fuzz.engine.policy import Policy
from fuzz.engine.run import Run

__all__ = ["run", "run_alone"]


class _Gate:
    """Where one trio task waits; it is let through once for each time that the gate is opened."""

    __slots__ = ("_is_open", "_waiting")

    def __init__(self) -> None:
        self._is_open = False
        self._waiting: trio.lowlevel.Task | None = None

    def open(self) -> None:
        """Let the task through, now or when it comes."""
        if self._waiting is None:
            self._is_open = True
        else:
            trio.lowlevel.reschedule(self._waiting)
            self._waiting = None

    async def passage(self) -> None:
        """Wait until the gate is opened."""
        if self._is_open:
            self._is_open = False
            return
        self._waiting = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._waiting = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)


class _Baton:
    """One run: the gates, and the outcome of what must not raise."""

    def __init__(self, execution: Execution, policy: Policy) -> None:
        self.execution = execution
        self.policy = policy
        self.gates = [_Gate() for _ in execution.tasks]
        self.over = False
        self.error: Exception | None = None

    def hand_on(self) -> int | None:
        """Choose who runs next; ``None`` when the run has ended."""
        execution = self.execution
        runnable = execution.runnable()
        if not runnable:
            return None
        if len(runnable) == 1:
            return runnable[0]
        return self.policy.next_task(runnable, execution.current, execution.canonical, execution.pending)

    def take_steps(self, number: int) -> None:
        """Take the steps of one task for as long as it is chosen, then open the next one's gate."""
        try:
            following: int | None = number
            while following == number:
                self.execution.resume(number)
                following = self.hand_on()
        except Exception as error:  # noqa: BLE001 - raised again when the nursery is closed
            self.error = error
            following = None
        self.open_gate(following)

    def open_gate(self, number: int | None) -> None:
        """Whose turn it is; ``None`` ends the run for everybody."""
        if number is None:
            self.over = True
            for gate in self.gates:
                gate.open()
        else:
            self.gates[number].open()

    async def carry_out(self, number: int) -> None:
        """One task of the program."""
        while True:
            await self.gates[number].passage()
            if self.over:
                return
            self.take_steps(number)


async def run(execution: Execution, policy: Policy) -> Run:
    """Carry out a run in the current trio event loop, with ``policy`` choosing.

    Raises:
        HarnessError: if the policy chose a task that cannot run.
    """
    baton = _Baton(execution, policy)
    first = baton.hand_on()
    async with trio.open_nursery() as nursery:
        for task in execution.tasks:
            nursery.start_soon(baton.carry_out, task.number, name=task.name)
        baton.open_gate(first)
    if baton.error is not None:
        raise baton.error
    return execution.result()


def run_alone(execution: Execution, policy: Policy) -> Run:
    """The same in an event loop of its own.  Several runs in one loop cost about half."""
    return trio.run(run, execution, policy)
