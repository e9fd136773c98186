"""``pagecache-fuzz races``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn

import click

from fuzz.commands.options import Chosen, common_options, kernel_option
from fuzz.commands.output import answer, leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status
from fuzz.prose import count, fill
from fuzz.races import RaceFound, find_races
from fuzz.report.ladder import WIDTH_MAX

__all__ = ["races_"]


@click.command("races")
@kernel_option(required=True, help="A name (see 'list kernels') or a Python file that defines KERNEL.")
@click.option(
    "--schedules", type=click.IntRange(min=1), metavar="N", default=10_000, show_default=True, help="How many to run."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal searches.")
@common_options
def races_(kernel: Chosen, schedules: int, seed: int, *, as_json: bool) -> NoReturn:
    """The data races of a kernel, as KCSAN would list them, most frequent first.

    A race is no failure here: many are known and left as they are.  To look for one as for any other failure, use
    'run --with no_plain_access_races'.
    """
    name, began = kernel.kernel.name, time.monotonic()
    with progress() as shown:
        found = find_races(
            kernel.kernel,
            seed,
            schedules,
            lambda done, races: shown(f"{name}: {count(done, 'schedule')}, {count(races, 'data race')}"),
        )
    listed = [race._asdict() for race in found]
    said = answer(name, None, schedules=schedules, seconds=time.monotonic() - began, races=listed)
    leave(Status.HELD, _as_text(name, schedules, found), said, as_json=as_json)


def _as_text(kernel: str, schedules: int, found: Sequence[RaceFound]) -> str:
    lines = [
        f"{count(len(found), 'data race') if found else 'No data race'} of {kernel} in {count(schedules, 'schedule')}."
    ]
    for race in found:
        lines += ["", f"{' / '.join(race.functions)}: {race.field} (in {count(race.schedules, 'schedule')})"]
        lines += [f"    {line}" for line in fill(race.sentence, WIDTH_MAX)]
    return "\n".join(lines)
