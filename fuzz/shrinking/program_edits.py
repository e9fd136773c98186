"""Programs with one thing less, or with two exchanged."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from fuzz.shrinking.naming import threads_of, with_threads
from pagecache.operations import OPERATIONS, UFFD_MODES, Collapse, Operation
from pagecache.world import WorldSpec
from strategies.case import Case

__all__ = [
    "fewer_failures",
    "fewer_operations",
    "fewer_tasks",
    "merged_tasks",
    "other_kinds",
    "other_operations",
    "simpler_operations",
    "swapped_operations",
    "swapped_tasks",
]

Operations = tuple[Operation, ...]


def fewer_tasks(case: Case) -> Iterator[Case]:
    """Without each task."""
    threads = threads_of(case)
    if len(threads) > 1:
        for at in range(len(threads)):
            yield with_threads(case, threads[:at] + threads[at + 1 :])


def fewer_operations(case: Case) -> Iterator[Case]:
    """Without each operation of a task that has another; and one visit sooner each call that fails at a later one.

    What is gone may have made the same call.
    """
    for fewer in _with_another(
        case,
        lambda operations: (
            operations[:at] + operations[at + 1 :] for at in range(len(operations)) if len(operations) > 1
        ),
    ):
        yield fewer
        for at, failure in enumerate(fewer.failures):
            if failure.visit > 1:
                sooner = replace(failure, visit=failure.visit - 1)
                yield replace(fewer, failures=(*fewer.failures[:at], sooner, *fewer.failures[at + 1 :]))


def merged_tasks(case: Case) -> Iterator[Case]:
    """With any two tasks as one that does first what the one did, then what the other did."""
    threads = threads_of(case)
    for first, second in itertools.permutations(range(len(threads)), 2):
        merged = (threads[first][0] + threads[second][0], threads[first][1] + threads[second][1])
        place = min(first, second)
        left = [thread for at, thread in enumerate(threads) if at not in (first, second)]
        yield with_threads(case, [*left[:place], merged, *left[place:]])


def fewer_failures(case: Case) -> Iterator[Case]:
    """Without each failure."""
    for at in range(len(case.failures)):
        yield replace(case, failures=case.failures[:at] + case.failures[at + 1 :])


def swapped_tasks(case: Case) -> Iterator[Case]:
    """With any two neighbouring tasks exchanged."""
    threads = threads_of(case)
    for at in range(1, len(threads)):
        yield with_threads(case, [*threads[: at - 1], threads[at], threads[at - 1], *threads[at + 1 :]])


def swapped_operations(case: Case) -> Iterator[Case]:
    """With any two neighbouring operations of a task exchanged."""
    return _with_another(
        case,
        lambda operations: (
            (*operations[: at - 1], operations[at], operations[at - 1], *operations[at + 1 :])
            for at in range(1, len(operations))
        ),
    )


def simpler_operations(case: Case) -> Iterator[Case]:
    """With each parameter of each operation at each smaller value."""
    return _with_other_parameters(
        case, lambda value, _: UFFD_MODES[: UFFD_MODES.index(value)] if isinstance(value, str) else range(value)
    )


def other_operations(case: Case) -> Iterator[Case]:
    """With each parameter of each operation at each other value."""

    def values(value: int | str, world: WorldSpec) -> Iterable[int | str]:
        if isinstance(value, str):
            return UFFD_MODES
        return range(2 if isinstance(value, bool) else len(world.pages) + 1)

    return _with_other_parameters(case, values)


def other_kinds(case: Case) -> Iterator[Case]:
    """With an operation of another kind in the place of each that is no Collapse, each at each place of the file."""

    def other(operations: Operations) -> Iterator[Operations]:
        for at, operation in enumerate(operations):
            if isinstance(operation, Collapse):
                continue
            for made in _any_operation(case.world):
                yield (*operations[:at], made, *operations[at + 1 :])

    return _with_another(case, other)


def _any_operation(world: WorldSpec) -> Iterator[Operation]:
    for kind in OPERATIONS:
        wanted = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
        places = range(len(world.pages) + 1) if wanted else range(1)
        yield from (kind(**dict.fromkeys(wanted, place)) for place in places)


def _with_other_parameters(case: Case, values: Callable[[Any, WorldSpec], Iterable[int | str]]) -> Iterator[Case]:
    def changed(operation: Operation) -> Iterator[Operation]:
        for field in dataclasses.fields(operation):
            value = getattr(operation, field.name)
            for other in values(value, case.world):
                made = replace(operation, **{field.name: type(value)(other)})
                if not made.problem(case.world):
                    yield made

    return _with_another(
        case,
        lambda operations: (
            (*operations[:at], made, *operations[at + 1 :])
            for at, operation in enumerate(operations)
            for made in changed(operation)
        ),
    )


def _with_another(case: Case, others: Callable[[Operations], Iterable[Operations]]) -> Iterator[Case]:
    """The cases in which one task has other operations."""
    threads = threads_of(case)
    for at, (names, operations) in enumerate(threads):
        for other in others(operations):
            yield with_threads(case, [*threads[:at], (names, other), *threads[at + 1 :]])
