"""Names that follow what they name: deviations and failures stay with their tasks through every edit of a case."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from pagecache.operations import Operation
from strategies.case import Case, stores_of
from strategies.programs import named

__all__ = ["Thread", "canonical", "threads_of", "with_threads"]

Thread = tuple[tuple[str, ...], tuple[Operation, ...]]
"""The names under which deviations know a task, and what it does."""


def threads_of(case: Case) -> list[Thread]:
    """The tasks of a case, to be edited."""
    return [((task.name,), task.operations) for task in case.program.tasks]


def with_threads(case: Case, threads: Sequence[Thread]) -> Case:
    """The case with these tasks; deviations and failures follow them to their new names, or go."""
    program = named(operations for _, operations in threads)
    new = {old: task.name for (names, _), task in zip(threads, program.tasks, strict=True) for old in names}
    if case.world.store_buffers:
        new |= {stores_of(old): stores_of(name) for old, name in new.items()}
    schedule = tuple(
        replace(one, task=new[one.task], run=new[one.run])
        for one in case.schedule
        if one.task in new and one.run in new and new[one.task] != new[one.run]
    )
    failures = tuple(replace(one, task=new[one.task]) for one in case.failures if one.task in new)
    return replace(case, program=program, schedule=schedule, failures=failures)


def canonical(case: Case) -> Case:
    """The same case under the names that the grammar gives: tasks by what they do first, processes A, B, ..."""
    mms = dict.fromkeys(vma.mm for vma in case.world.vmas)
    letters = dict(zip(mms, map(chr, itertools.count(ord("A"))), strict=False))
    vmas = tuple(replace(vma, mm=letters[vma.mm], mapped=tuple(sorted(vma.mapped))) for vma in case.world.vmas)
    return with_threads(replace(case, world=replace(case.world, vmas=vmas)), threads_of(case))
