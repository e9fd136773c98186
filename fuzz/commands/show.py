"""``pagecache-fuzz show``."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import NoReturn

import click

from fuzz.commands.options import Chosen, common_options, entry_argument, kernel_option, open_entry
from fuzz.commands.output import answer, leave
from fuzz.commands.status import Status
from fuzz.corpus.atomic import replace
from fuzz.report.examine import examine, explained
from fuzz.report.page import page
from fuzz.report.report import Report

__all__ = ["show"]


@click.command()
@entry_argument
@kernel_option(required=False, help="Show it on this kernel.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that steps through it.")
@common_options
def show(entry: Path, kernel: Chosen | None, html: Path | None, *, as_json: bool) -> NoReturn:
    """Show what happens in ENTRY: its story, the interleaving, the verdict.  Nothing is compared: see replay."""
    began = time.monotonic()
    kept, chosen = open_entry(entry, kernel)
    run = examine(kept.case, chosen.kernel, kept.broken)
    if html:
        replace(html, page(kept.name, run.case, run.history, run.verdict, run.snapshots))
    command = f"pagecache-fuzz replay {shlex.quote(str(entry))}{chosen.option}"
    why = explained(run.case, chosen.kernel, kept.broken)
    report = Report(run.case, run.history, run.verdict, minimal=kept.minimal, replay=command, why=why).text()
    story = f"{kept.head}\n\n{report}" if kept.head else report
    whole = answer(
        chosen.kernel.name,
        run.verdict,
        run.case,
        schedules=1,
        seconds=time.monotonic() - began,
        entry=entry,
        steps=run.history.lines(),
        html=str(html) if html else None,
        why=why.as_json() if why else None,
    )
    leave(Status.HELD, story, whole, as_json=as_json)
