"""Saves and shows what a campaign finds, as soon as it has found it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import click
import structlog

from fuzz.campaign import Campaign, Finding
from fuzz.commands.options import Chosen
from fuzz.commands.output import answer, say
from fuzz.commands.progress import Progress
from fuzz.corpus.entry import Found
from fuzz.corpus.entry_writer import entry_text
from fuzz.errors import SaveError
from fuzz.keep import described, kept_as, text_of
from fuzz.report.examine import explained
from fuzz.report.explanation import Explanation

__all__ = ["Keeper", "Kept"]

log = structlog.get_logger()


class Kept(NamedTuple):
    """A finding, its file if it could be saved, why it fails, and how long the search for it took."""

    finding: Finding
    path: Path | None
    why: Explanation | None
    seconds: float


class Keeper:
    """To be told of a campaign's progress; so an interrupted campaign has lost nothing.

    Args:
        chosen: the kernel.
        directory: the corpus.
        shown: where progress is shown.
        quiet: print no reports.
    """

    def __init__(self, chosen: Chosen, directory: Path, shown: Progress, *, quiet: bool) -> None:
        self.chosen = chosen
        self.directory = directory
        self.shown = shown
        self.quiet = quiet
        self.kept: list[Kept] = []
        self._began = time.monotonic()
        self._campaign: Campaign | None = None

    def __call__(self, campaign: Campaign) -> None:
        """Look at the campaign."""
        self._campaign = campaign
        self.catch_up()
        self.shown(
            f"{self.chosen.kernel.name}: {campaign.schedules} schedules of {campaign.programs} programs, "
            f"{len(campaign.findings)} found"
        )

    def catch_up(self) -> None:
        """Keep what was found since the last time."""
        findings = self._campaign.findings if self._campaign else []
        for finding in findings[len(self.kept) :]:
            self.shown.stop()
            path, why = self._keep(finding)
            self.kept.append(Kept(finding, path, why, time.monotonic() - self._began))

    def _keep(self, finding: Finding) -> tuple[Path | None, Explanation | None]:
        kernel = self.chosen.kernel
        entry, seen = described(finding.shrunk, kernel, Found(finding.seed, finding.schedules))
        path: Path | None = None
        try:
            path = kept_as(entry, finding.shrunk, kernel, self.directory)
            log.info("saved", entry=str(path), promise=seen.verdict.promise, schedules=finding.schedules)
        except SaveError as error:
            click.echo(f"{error}  The entry is:\n\n{entry_text(entry)}", err=True)  # it is not to be lost
        why = explained(seen.case, kernel, seen.verdict.promise)
        if not self.quiet:
            say(text_of(seen, why, entry.minimal, path, self.chosen.option))
        return path, why

    def answers(self) -> list[dict[str, Any]]:
        """Each finding as a JSON object."""
        return [
            answer(
                self.chosen.kernel.name,
                kept.finding.shrunk.verdict,
                kept.finding.shrunk.case,
                schedules=kept.finding.schedules,
                seconds=kept.seconds,
                entry=kept.path,
                why=kept.why.as_json() if kept.why else None,
            )
            for kept in self.kept
        ]
