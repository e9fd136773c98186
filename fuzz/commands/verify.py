"""``pagecache-fuzz verify``."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path
from typing import NoReturn

import click

from fuzz.commands.options import Chosen, common_options, kernel_option, open_entry
from fuzz.commands.output import answer, leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status, status_of
from fuzz.engine.execution import Execution
from fuzz.engine.verdict import HELD, Outcome, Verdict
from fuzz.prose import count
from fuzz.report.examine import examine, subject_of
from fuzz.report.report import Report
from fuzz.search import exhaustive

__all__ = ["verify"]


@click.command()
@kernel_option(required=True, help="A name (see 'list kernels') or a Python file that defines KERNEL.")
@click.option("--entry", required=True, type=click.Path(path_type=Path), help="Its world, program and failures.")
@common_options
def verify(kernel: Chosen, entry: Path, *, as_json: bool) -> NoReturn:
    """Try every schedule of the program of an entry.

    Exits with 0 if none breaks a promise, which is a proof for this program, 1 if one does, 3 if there are too many.
    """
    began = time.monotonic()
    kept, chosen = open_entry(entry, kernel)
    name = chosen.kernel.name
    case = dataclasses.replace(kept.case, kernel=name, schedule=())
    subject = subject_of(chosen.kernel, kept.broken)
    runs = itertools.count(1)
    with progress() as shown:

        def make() -> Execution:
            shown(f"{name}: {count(next(runs), 'run')}")
            return subject.execution(case)

        done = exhaustive.search(make)
    effort = f"{count(done.runs, 'run')}, {count(done.states, 'state')}"
    if done.failure:
        case = dataclasses.replace(case, schedule=done.failure.deviations)
        seen = examine(case, chosen.kernel, kept.broken)
        verdict, status = seen.verdict, status_of(seen.verdict.outcome)
        text = f"{Report(case, seen.history, verdict).text()}\nFound after {effort}."
    elif done.exhausted:
        verdict, status = HELD, Status.HELD
        text = f"Never: all schedules of {case.program} on {name} are exhausted ({effort})."
    else:
        verdict, status = Verdict(Outcome.UNKNOWN, "the_search_was_not_exhausted", done.limit), Status.INCONCLUSIVE
        text = f"Not seen in {effort}; not exhausted: {done.limit}."
    whole = answer(
        name,
        verdict,
        case,
        schedules=done.runs,
        seconds=time.monotonic() - began,
        entry=entry,
        states=done.states,
        runs=done.runs,
        exhausted=done.exhausted,
    )
    leave(status, text, whole, as_json=as_json)
