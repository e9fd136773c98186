"""Visible actions: a step with a target, and the invisible steps that follow it.

Two actions are *dependent* when swapping them could make a difference: they touch the same target and one of them
writes, or one is the return of a call that had to come before the other, a call (what a history of calls and returns
tells apart).  The action that ends a run, because a promise is broken there, depends on every other.

Invisible steps belong to the action before them: nobody can tell when they happen (:mod:`fuzz.engine.execution`), but
what they do to other objects counts, so they may name it (:attr:`pagecache.step.Step.also`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from fuzz.engine.execution import Execution
from fuzz.errors import no_hash
from pagecache.step import Target

__all__ = ["Access", "Action", "accesses_of_call", "conflict", "take"]

Access = tuple[Target, bool]
"""A target, and whether it is written."""

END: Final[Target] = ("the end of the run", 0)
"""Every action reads it, and the one that ends the run writes it."""


class Action(NamedTuple):
    """One visible action.

    Args:
        task: the number of the task.
        accesses: what it touched.
        waits: its step has a condition under which it can be taken.
        ends: it ended the run, in the middle: what it broke was noticed there.
    """

    task: int
    accesses: frozenset[Access]
    waits: bool
    ends: bool


def conflict(some: Iterable[Access], others: frozenset[Access]) -> bool:
    """Do two actions with these accesses depend on each other?"""
    return any((target, True) in others or (writes and (target, False) in others) for target, writes in some)


def accesses_of_call(number: int, tasks: int, *, called: bool, returned: bool) -> list[Access]:
    """What a call and a return of task ``number`` touch: a return counts for the calls of others, and nothing else."""
    accesses: list[Access] = []
    if called:
        accesses += [(("returned", other), False) for other in range(tasks) if other != number]
    if returned:
        accesses.append((("returned", number), True))
    return accesses


def take(execution: Execution, number: int, *, calls: bool) -> Action:
    """Let a task that can run take its pending step and the invisible ones behind it.

    Args:
        execution: the run, at a point where :meth:`Execution.runnable` has been asked.
        number: the task.
        calls: the order of calls and returns matters.
    """
    first = execution.pending[number]
    assert first is not None
    begins = not execution.called[number]
    operation = execution.operation[number]
    accesses: list[Access] = [(END, False)]
    step = first
    while True:
        if step.target is not None:
            accesses.append((step.target, step.writes))
        execution.resume(number)
        accesses += step.also  # some know it only when they get there
        following = execution.pending[number]
        ends = execution.verdict is not None
        if (
            ends
            or following is None
            or execution.operation[number] != operation
            or following.target is not None
            or number not in execution.runnable()
        ):
            break
        step = following
    if ends:
        accesses.append((END, True))
    if calls:
        over = execution.operation[number] - operation  # more than one: some have no steps
        accesses += accesses_of_call(number, len(execution.tasks), called=begins or over > 1, returned=over > 0)
    try:
        return Action(number, frozenset(accesses), first.ready is not None, ends)
    except TypeError:
        raise no_hash(first) from None
