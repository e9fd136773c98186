"""Every program of a stated size: one collapse, and all that two more operations can do to it.

The worlds have two pages, which are one huge page, and one mapping of both.  Each page is data, a hole, or on the swap
device; the mapping is registered with a userfaultfd or not; nothing is in the page table.

A program is one ``Collapse(start=0)`` and either one more task with up to two operations, or two more tasks with
one each, in one of their two orders.  The operations are all those of :data:`pagecache.operations.OPERATIONS` with all
their arguments, but for :data:`LEFT_OUT`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pagecache.operations import (
    OPERATIONS,
    CloseFile,
    CloseWrite,
    Collapse,
    Khugepaged,
    Mremap,
    OpenWrite,
    Operation,
    Poke,
    Shrink,
    UffdWriteProtect,
    Writeback,
)
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Program
from strategies.programs import named

__all__ = ["LEFT_OUT", "WORLDS", "every_operation", "every_program", "without_an_operation"]

COLLAPSE: Final = Collapse(0)

LEFT_OUT: Final[Mapping[type[Operation], str]] = MappingProxyType(
    dict.fromkeys((OpenWrite, CloseWrite, Writeback), "regular files only, and these worlds are of shmem")
    | dict.fromkeys((Shrink, CloseFile), "about other files, and these worlds have one")
    | {
        Poke: "a Store, but for how it ends at an event, as Touch does",
        Khugepaged: "a Collapse that gives up sooner",
        UffdWriteProtect: "no mapping is registered for WP events",
        Mremap: "takes two mappings, and these worlds have one",
    }
)
"""By operation, why it makes no difference in these worlds; whoever adds an operation decides."""

STATES: Final = ("data", "hole", "swapped")

WORLDS: Final = tuple(
    WorldSpec(pages, vmas=(VmaSpec(missing=missing),))
    for pages in itertools.product(STATES, repeat=2)
    for missing in (False, True)
)
"""All of them."""


def every_operation(world: WorldSpec) -> tuple[Operation, ...]:
    """Every operation that makes sense in ``world``, with all arguments."""
    return tuple(
        operation for made in OPERATIONS if made not in LEFT_OUT for operation in _with_all_arguments(made, world)
    )


def _with_all_arguments(made: type[Operation], world: WorldSpec) -> Iterator[Operation]:
    values = [_values(field, world) for field in dataclasses.fields(made)]
    for arguments in itertools.product(*values):
        operation = made(*arguments)
        if not operation.problem(world):
            yield operation


def _values(field: dataclasses.Field[Any], world: WorldSpec) -> range | tuple[bool, bool] | tuple[str]:
    if field.type in (str, "str"):
        return ("missing",)  # the mode of UffdRegister
    if field.type in (bool, "bool"):
        return (False, True)
    return range(len(world.vmas) if field.name == "vma" else len(world.pages) + 1)


def every_program(world: WorldSpec) -> Iterator[Program]:
    """All programs in ``world``, those with fewer operations first; of two that mirror each other, one."""
    operations = every_operation(world)
    yield named(((COLLAPSE,),))
    for only in operations:
        yield named(((COLLAPSE,), (only,)))
    for first, second in itertools.product(operations, repeat=2):
        yield named(((COLLAPSE,), (first, second)))
    for one, other in itertools.combinations_with_replacement(operations, 2):
        yield named(((COLLAPSE,), (one,), (other,)))


def without_an_operation(program: Program) -> Iterator[Program]:
    """The programs with one operation less; those without a collapse in the first task are none of ours."""
    threads = [task.operations for task in program.tasks]
    for number in range(1, len(threads)):
        for position in range(len(threads[number])):
            fewer = threads[number][:position] + threads[number][position + 1 :]
            left = [*threads[:number], *([fewer] if fewer else []), *threads[number + 1 :]]
            yield named(left)
