"""Cases one edit away from a given one: what the closing passes of the shrinker try.

These are edits a person would try, on the case itself and not on its choices: removing one VMA renumbers the others
everywhere, removing a task takes its deviations along.  Deviations keep their anchors as well as they can;
whether one still applies is for the judge to say.

Every operation of what they make makes sense in its world, and names are canonical if they were.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from fuzz.shrinking import program_edits, world_edits
from fuzz.shrinking.schedule import fewer
from strategies.case import Case

__all__ = ["combined", "fewer_deviations", "other_mechanisms", "simpler", "variations"]

Edit = Callable[[Case], Iterator[Case]]

SIMPLER: Final[tuple[Edit, ...]] = (
    # The largest cuts first.
    program_edits.fewer_tasks,
    program_edits.fewer_operations,
    program_edits.merged_tasks,
    program_edits.fewer_failures,
    world_edits.smaller_files,
    world_edits.fewer_vmas,
    # As much, but simpler.
    world_edits.simpler_large,
    world_edits.simpler_vmas,
    world_edits.fewer_others,
    world_edits.simpler_pages,
    world_edits.swapped_pages,
    program_edits.simpler_operations,
    program_edits.swapped_operations,
    program_edits.swapped_tasks,
)

VARIATIONS: Final[tuple[Edit, ...]] = (
    program_edits.swapped_tasks,
    program_edits.swapped_operations,
    program_edits.other_operations,
    world_edits.other_pages,
    world_edits.other_vmas,
    world_edits.already_done,
)

MANY_DEVIATIONS: Final = 3  # no catalogued race needs so many: then it is probably the wrong operation


def other_mechanisms(case: Case) -> Iterator[Case]:
    """Where many deviations are left: operations of other kinds, in this world and with a VMA changed."""
    if len(case.schedule) < MANY_DEVIATIONS:
        return
    for made in _edited(case, (program_edits.other_kinds,)):
        yield made
        yield from _edited(made, (world_edits.other_vmas,))


def combined(case: Case) -> Iterator[Case]:
    """Where many deviations are left: another page, another flag of a VMA and another parameter at once.

    A race through one window may need them all to differ: a hole, that somebody waits for, a truncate that removes
    nothing.
    """
    if len(case.schedule) < MANY_DEVIATIONS:
        return
    for with_page in itertools.chain((case,), _edited(case, (world_edits.other_pages,))):
        for with_vma in itertools.chain((with_page,), _edited(with_page, (world_edits.other_vmas,))):
            yield with_vma
            yield from _edited(with_vma, (program_edits.other_operations,))


def simpler(case: Case) -> Iterator[Case]:
    """Cases with a smaller or simpler world or program, or fewer failures."""
    return _edited(case, SIMPLER)


def variations(case: Case) -> Iterator[Case]:
    """Cases as large as this one, with another order, parameter, page or flag: simpler where fewer deviations fail."""
    return _edited(case, VARIATIONS)


def _edited(case: Case, edits: tuple[Edit, ...]) -> Iterator[Case]:
    for edit in edits:
        yield from (made for made in edit(case) if made != case and _is_valid(made))


def _is_valid(case: Case) -> bool:
    return not any(one.problem(case.world) for task in case.program.tasks for one in task.operations)


def fewer_deviations(case: Case) -> Iterator[Case]:
    """The case without any deviation, without each half of them, each quarter, ... and each one (Zeller's ddmin)."""
    for schedule in fewer(case.schedule):
        yield replace(case, schedule=schedule)
