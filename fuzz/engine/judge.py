"""From what ended a run to its verdict."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Final

from fuzz.engine.deadlock import wait_for_table, waits_for_user_space, waits_of
from fuzz.engine.verdict import Outcome, Verdict
from pagecache.step import KernelBug, Oops, Step, Task, UseAfterFree

__all__ = [
    "judge_assertion",
    "judge_blocked",
    "judge_crashed_oracle",
    "judge_exception",
    "judge_foreign_await",
    "judge_livelock",
]

_TRACEBACK_LINES: Final = 6  # where it was raised, who called that, and the message


def _last_lines(error: Exception) -> str:
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join(lines[-_TRACEBACK_LINES:])


def judge_exception(error: Exception, where: str) -> Verdict:
    """What an exception out of the model means: an assertion of the kernel, or a model that does not work.

    Args:
        error: the exception.
        where: which task, at which step.
    """
    if isinstance(error, KernelBug):
        promise = "no_kernel_assertion_fails"
        if isinstance(error, UseAfterFree):
            promise = "no_freed_memory_is_used"
        elif isinstance(error, Oops):
            promise = "the_kernel_does_not_oops"
        return Verdict(Outcome.VIOLATED, promise, f"{where}: {error}")
    return Verdict(Outcome.UNKNOWN, "the_model_crashed", f"{where}:\n{_last_lines(error)}")


def judge_assertion(error: Exception, where: str) -> Verdict:
    """The same for a program whose own assertions are what is to hold (:class:`fuzz.program.Program`)."""
    if not isinstance(error, AssertionError):
        return judge_exception(error, where)
    line = traceback.extract_tb(error.__traceback__)[-1].line
    return Verdict(Outcome.VIOLATED, "no_assertion_fails", f"{where}: {str(error) or line}")


def judge_foreign_await(awaited: object, where: str) -> Verdict:
    """A kernel function awaited something that only another event loop knows."""
    return Verdict(
        Outcome.UNKNOWN,
        "the_model_crashed",
        f"{where}: awaited {awaited!r}, which is not a Step; in a kernel function await step(...) or another "
        "kernel function, nothing else",
    )


def judge_crashed_oracle(promise: str, error: Exception) -> Verdict:
    """A watcher raised: we do not know whether its promise holds."""
    return Verdict(
        Outcome.UNKNOWN, "an_oracle_crashed", f"the watcher of {promise} raised an exception:\n{_last_lines(error)}"
    )


def judge_blocked(blocked: Mapping[Task, Step]) -> Verdict | None:
    """Nobody can run: a deadlock, or nothing wrong if everybody waits for user space.

    Args:
        blocked: each task that has not ended, with the step that it cannot take.
    """
    try:
        waits = waits_of(blocked)
        if waits_for_user_space(waits):
            return None
        return Verdict(Outcome.DEADLOCK, "no_deadlock", wait_for_table(blocked, waits))
    except Exception as error:  # noqa: BLE001 - the model's waits_for() may be wrong in any way
        return judge_exception(error, "asked what a task waits for")


def judge_livelock(steps: int, fair_steps: int, pending: Mapping[Task, Step]) -> Verdict:
    """Not even fair turns end the run."""
    table = "\n".join(f"  {task} at {step}" for task, step in pending.items())
    return Verdict(
        Outcome.LIVELOCK,
        "no_livelock",
        f"After {steps} steps and {fair_steps} more in fair turns there is no end in sight:\n{table}",
    )
