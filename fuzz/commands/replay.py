"""``pagecache-fuzz replay``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from fuzz.commands.options import CORPUS, Chosen, common_options, kernel_option, open_entry
from fuzz.commands.output import answer, leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status, status_of, worst
from fuzz.corpus.entry import Entry
from fuzz.corpus.replay import Difference, Mode, compare
from fuzz.corpus.store import entry_paths
from fuzz.errors import EntryError, ReplayMismatch
from fuzz.report.examine import Examined, examine, explained
from fuzz.report.explanation import Explanation
from fuzz.report.ladder import ladder
from fuzz.report.report import Report

__all__ = ["replay"]


@dataclass(frozen=True, slots=True)
class _Replayed:
    """An entry, its run now, and where the two differ."""

    path: Path
    entry: Entry
    chosen: Chosen
    run: Examined
    mismatch: ReplayMismatch | None

    @property
    def status(self) -> Status:
        return Status.DIFFERS if self.mismatch else status_of(self.run.verdict.outcome)

    @property
    def why(self) -> Explanation | None:
        """Why it fails, if it does; some dozens of runs."""
        return explained(self.run.case, self.chosen.kernel, self.entry.broken)

    def answer(self, seconds: float, *, explain: bool) -> dict[str, Any]:
        """The JSON object; with ``explain`` it says why."""
        explanation = self.why if explain else None
        mismatch = self.mismatch
        difference = mismatch and {
            "step": mismatch.step,
            "recorded": mismatch.recorded,
            "happened": mismatch.happened,
        }
        return answer(
            self.chosen.kernel.name,
            self.run.verdict,
            self.run.case,
            schedules=1,
            seconds=seconds,
            entry=self.path,
            recorded=self.entry.outcome.value,
            difference=difference,
            why=explanation.as_json() if explanation else None,
        )

    def report(self, until: int | None) -> str:
        """What a person reads: all of it, or the beginning of the interleaving."""
        run = self.run
        if until is not None:
            text = "\n".join(ladder(run.history, run.case.failures, until)) + "\n"
        else:
            text = Report(run.case, run.history, run.verdict, minimal=self.entry.minimal, why=self.why).text()
        return f"{text}\n{self.mismatch}\n" if self.mismatch else text

    def line(self) -> str:
        """One line for a list."""
        verdict = self.run.verdict
        happened = f"{verdict.outcome.value}: {verdict.promise}" if verdict.promise else verdict.outcome.value
        line = f"{self.path}  {self.chosen.kernel.name}: {happened}"
        return f"{line}\n{self.mismatch}" if self.mismatch else line


def _replay(path: Path, kernel: Chosen | None, mode: Mode) -> _Replayed:
    """Run an entry again, and compare if it runs on the kernel on which it was recorded."""
    entry, chosen = open_entry(path, kernel)
    run = examine(entry.case, chosen.kernel, entry.broken)
    difference = _difference(entry, run, mode) if chosen.kernel.name == entry.case.kernel else None
    mismatch = None
    if difference:
        mismatch = ReplayMismatch(str(path), difference.step, difference.recorded, difference.happened, chosen.option)
    return _Replayed(path, entry, chosen, run, mismatch)


def _difference(entry: Entry, run: Examined, mode: Mode) -> Difference | None:
    lines = run.history.lines()
    difference = compare(entry.steps, lines, mode)
    now = (run.verdict.outcome, run.verdict.promise)
    if difference is None and mode is not Mode.CONTINUE and now != (entry.outcome, entry.broken):
        recorded = f"{entry.outcome.value} {entry.broken}"
        return Difference(len(lines), recorded.strip(), f"{run.verdict.outcome.value} {run.verdict.promise}".strip())
    return difference


@click.command()
@click.argument("entry", type=click.Path(path_type=Path), default=CORPUS)
@kernel_option(required=False, help="Run on this kernel instead; then only the verdict counts, not the steps.")
@click.option("--until", type=click.IntRange(min=1), metavar="N", help="Show the interleaving up to step N.")
@click.option("--lenient", is_flag=True, help="Compare what user space sees, not every step.")
@click.option("--continue", "go_on", is_flag=True, help="The run may go on after the recording ends.")
@common_options
def replay(
    entry: Path, kernel: Chosen | None, until: int | None, *, lenient: bool, go_on: bool, as_json: bool
) -> NoReturn:
    """Run ENTRY, or every entry of a directory, exactly as recorded.

    Exits with 0 if all promises held, 1 if one was broken (as recorded: a reproduced failure is one), 3 if there is
    no verdict, 4 if the run differs from the recording.
    """
    if lenient and go_on:
        raise click.UsageError("--lenient and --continue exclude each other; give one.")
    mode = Mode.LENIENT if lenient else Mode.CONTINUE if go_on else Mode.STRICT
    began = time.monotonic()
    paths = entry_paths(entry)
    if not paths:
        raise EntryError(f"{entry}: there are no entries; name another directory, or find some: pagecache-fuzz run")
    replayed = []
    with progress() as shown:
        for number, path in enumerate(paths):
            shown(f"{number} of {len(paths)} entries")
            replayed.append(_replay(path, kernel, mode))
    seconds = time.monotonic() - began
    if entry.is_dir():
        _leave_with_all(entry, replayed, seconds, as_json=as_json)
    only = replayed[0]
    text = "" if as_json else only.report(until)
    leave(only.status, text, only.answer(seconds, explain=as_json), as_json=as_json)


def _leave_with_all(directory: Path, replayed: Sequence[_Replayed], seconds: float, *, as_json: bool) -> NoReturn:
    status = worst(one.status for one in replayed)
    decisive = next(one for one in replayed if one.status == status)
    whole = answer(
        decisive.chosen.kernel.name,
        decisive.run.verdict,
        schedules=len(replayed),
        seconds=seconds,
        entry=directory,
        entries=[one.answer(0, explain=as_json) for one in replayed],
    )
    leave(status, "\n".join(one.line() for one in replayed), whole, as_json=as_json)
