"""Reach and Never, for tests of single bugs: a program, a promise, and all of its schedules.

*Reach* means that some schedule breaks the promise; the one found has the fewest deviations possible.  *Never*
means that all schedules of the program were tried, each state once.
"""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.engine.run import Run
from fuzz.search.exhaustive import search
from fuzz.search.explore import deviation_bounded
from fuzz.subject import Subject
from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.operations import Operation
from pagecache.promises import PROMISES_BY_NAME
from pagecache.promises.promise import Promise
from pagecache.world import WorldSpec
from strategies.case import Case
from strategies.programs import named

DEVIATIONS_MAX = 3


def reach(
    kernel: str | Kernel, world: WorldSpec, *threads: Sequence[Operation], promise: str | Promise, deviations: int
) -> Run:
    """The run with the fewest deviations that breaks ``promise``; it must have exactly so many."""
    case, subject, name = _ask(kernel, world, threads, promise)
    outcome = "deadlock" if name == "no_deadlock" else "violated"
    found = deviation_bounded(lambda: subject.execution(case, record=True), DEVIATIONS_MAX, signature=(outcome, name))
    assert found.failure is not None, f"{name} holds in all {sum(found.runs)} schedules of {case.program}"
    assert found.failure.verdict.promise == name, found.failure.verdict
    assert len(found.failure.deviations) == deviations, found.failure.deviations
    return found.failure


def never(kernel: str | Kernel, world: WorldSpec, *threads: Sequence[Operation], promise: str | Promise) -> int:
    """How many states were exhausted without breaking ``promise``, in which nobody deadlocked either."""
    case, subject, _ = _ask(kernel, world, threads, promise)
    found = search(lambda: subject.execution(case))
    assert found.failure is None, found.failure
    assert found.exhausted, found.limit
    return found.states


def _ask(
    kernel: str | Kernel, world: WorldSpec, threads: Sequence[Sequence[Operation]], promise: str | Promise
) -> tuple[Case, Subject, str]:
    asked = EVERY_KERNEL[kernel] if isinstance(kernel, str) else kernel
    judged: tuple[Promise, ...] = ()  # an engine's own is always judged
    if not isinstance(promise, str):
        judged = (promise,)
    elif promise in PROMISES_BY_NAME:
        judged = (PROMISES_BY_NAME[promise],)
    name = promise if isinstance(promise, str) else promise.name
    case = Case(asked.name, world, named(tuple(thread) for thread in threads))
    return case, Subject(asked, judged), name
