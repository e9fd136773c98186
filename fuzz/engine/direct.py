"""The direct driver: steps the tasks itself, without an event loop.

It exists because it is several times faster than the trio driver, and does the same.
"""

from __future__ import annotations

from fuzz.engine.execution import Execution
from fuzz.engine.policy import Policy
from fuzz.engine.run import Run

__all__ = ["run"]


def run(execution: Execution, policy: Policy) -> Run:
    """Carry out a run, with ``policy`` choosing."""
    runnable_now, resume, next_task = execution.runnable, execution.resume, policy.next_task
    pending = execution.pending
    while runnable := runnable_now():
        if len(runnable) == 1:
            resume(runnable[0])
        else:
            resume(next_task(runnable, execution.current, execution.canonical, pending))
    return execution.result()
