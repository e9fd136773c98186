"""All data races of a kernel: what ``races`` does.

A search by the promise no_plain_access_races ends at the first race, and most kernels have one that everybody knows.
Here nobody objects: the races of all runs are noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from fuzz.campaign import schedules
from fuzz.engine.verdict import Outcome
from fuzz.errors import InputError
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.promises.data_race import Race, RaceNotes
from pagecache.promises.promise import Promise

__all__ = ["RaceFound", "find_races"]


VMA: Final = re.compile(r"^vma\d+")
"""Which VMA it was makes no difference."""


class RaceFound(NamedTuple):
    """Two functions that race for a field.

    Args:
        functions: their names, in the order of the alphabet.
        field: for example "mapping->nrpages".
        schedules: in how many schedules they raced.
        sentence: who did what in the first of them.
    """

    functions: tuple[str, str]
    field: str
    schedules: int
    sentence: str


def find_races(
    kernel: Kernel, seed: int, schedules_max: int, progress: Callable[[int, int], None] = lambda _, __: None
) -> list[RaceFound]:
    """Run schedules as a campaign does, and note the races.

    Args:
        kernel: the kernel.
        seed: the same seed makes the same search.
        schedules_max: how many runs.
        progress: told after each program how many schedules there were, and how many races.

    Returns:
        The races, most frequent first.

    Raises:
        InputError: if a run ends in an exception.
    """
    noted: list[Race] = []
    promise = Promise("no_plain_access_races", lambda world: RaceNotes(world, noted), "never objects")
    found: dict[tuple[tuple[str, str], str], RaceFound] = {}
    done = 0
    for _, run in schedules(Subject(kernel, [promise]), Random(seed)):
        if done == schedules_max:
            break
        if run is None:
            progress(done, len(found))
            continue
        done += 1
        if run.verdict.outcome is Outcome.UNKNOWN:
            raise InputError(f"{kernel.name}: {run.verdict.sentence}")
        raced = {(race.functions, VMA.sub("vma", race.field)): race.sentence for race in reversed(noted)}
        for (functions, field), sentence in raced.items():
            known = found.get((functions, field), RaceFound(functions, field, 0, sentence))
            found[functions, field] = known._replace(schedules=known.schedules + 1)
        noted.clear()
    return sorted(found.values(), key=lambda race: (-race.schedules, race.functions, race.field))
