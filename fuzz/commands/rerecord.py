"""``pagecache-fuzz rerecord``."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Final, NoReturn

import click

from fuzz.commands.options import Chosen, common_options, entry_argument, kernel_option, open_entry
from fuzz.commands.output import answer, leave
from fuzz.commands.status import Status
from fuzz.corpus import store as corpus
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.errors import EntryError
from fuzz.prose import count
from fuzz.report.examine import examine, subject_of
from fuzz.report.report import verdict_lines
from fuzz.search.explore import deviation_bounded
from fuzz.shrinking.certificate import Certificate
from fuzz.subject import Subject
from strategies.case import Case

__all__ = ["rerecord"]

RUNS_MAX: Final = 20_000
"""How many schedules a proof may take."""


@click.command()
@entry_argument
@kernel_option(required=False, help="The file of the entry's kernel, if it is not one of ours.")
@common_options
def rerecord(entry: Path, kernel: Chosen | None, *, as_json: bool) -> NoReturn:
    """Take what happens now as the expected result of ENTRY.

    Its verdict, promise and steps are replaced, and that no schedule with fewer deviations fails is proved anew, or
    dropped; comments and all else stay.
    """
    began = time.monotonic()
    old, chosen = open_entry(entry, kernel)
    if chosen.kernel.name != old.case.kernel:
        raise EntryError(
            f"{entry}: the entry is about the kernel {old.case.kernel!r}, not {chosen.kernel.name!r}; "
            "edit its 'kernel', or leave out --kernel"
        )
    run = examine(old.case, chosen.kernel, old.broken)
    verdict, steps = run.verdict, tuple(run.history.lines())
    new = dataclasses.replace(old, outcome=verdict.outcome, broken=verdict.promise, steps=steps)
    changed = (new.outcome, new.broken, new.steps) != (old.outcome, old.broken, old.steps)
    if verdict.outcome is Outcome.UNKNOWN:
        status, text, changed = (
            Status.INCONCLUSIVE,
            "\n".join([*verdict_lines(verdict), "Nothing was recorded."]),
            False,
        )
    elif changed:
        minimal = _proved(old.case, subject_of(chosen.kernel, verdict.promise), verdict)
        corpus.rerecord(entry, dataclasses.replace(new, minimal=minimal))
        status, text = Status.HELD, f"{entry}: {count(len(steps), 'line')}, {verdict.outcome.value} {verdict.promise}"
    else:
        status, text = Status.HELD, f"{entry}: nothing has changed"
    whole = answer(
        chosen.kernel.name,
        verdict,
        run.case,
        schedules=1,
        seconds=time.monotonic() - began,
        entry=entry,
        recorded=old.outcome.value,
        changed=changed,
    )
    leave(status, text, whole, as_json=as_json)


def _proved(case: Case, subject: Subject, verdict: Verdict) -> str:
    """That no schedule of the case with fewer deviations fails in this way; empty if one does, or nobody knows."""
    if not verdict.failed:
        return ""
    deviations = len(case.schedule)
    fewer = deviation_bounded(lambda: subject.execution(case), deviations - 1, RUNS_MAX, signature=verdict.signature)
    return str(Certificate(deviations, deviations - 1, sum(fewer.runs))) if fewer.exhausted else ""
