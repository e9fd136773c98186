"""``pagecache-fuzz run``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NoReturn

import click
import structlog

from fuzz.campaign import Campaign
from fuzz.commands.keeper import Keeper
from fuzz.commands.options import Chosen, common_options, kernel_option, promise_options
from fuzz.commands.output import answer, leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status
from fuzz.engine.verdict import HELD, Outcome, Verdict
from fuzz.prose import count
from fuzz.report.report import verdict_lines
from fuzz.side_by_side import search
from fuzz.subject import Subject
from pagecache.history import HISTORY_BY_NAME
from pagecache.promises import judged

__all__ = ["run"]

MINUTES_DEFAULT: Final = 1.0

log = structlog.get_logger()


@click.command()
@kernel_option(required=True, help="A name (see 'list kernels') or a Python file that defines KERNEL.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.  [default: 1]")
@click.option("--schedules", type=click.IntRange(min=1), metavar="N", help="Stop after N schedules.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal searches.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes, with seeds of their own from SEED on.  [default: the CPUs there are; with --schedules 1]",
)
@click.option(
    "--corpus",
    "directory",
    type=click.Path(path_type=Path),
    help="Where to keep what is found.  [default: corpus, or FILE-corpus beside FILE.py]",
)
@promise_options
@click.option("--keep-going", is_flag=True, help="Do not stop at the first failure.")
@common_options
def run(
    kernel: Chosen,
    minutes: float | None,
    schedules: int | None,
    seed: int,
    directory: Path | None,
    *,
    jobs: int | None,
    without: tuple[str, ...],
    also: tuple[str, ...],
    keep_going: bool,
    as_json: bool,
) -> NoReturn:
    """Search for a schedule that breaks a promise; shrink it and save it in the corpus.

    A kernel of the museum is searched where its bug is.

    With several processes the first that finds something ends the search.

    Exits with 0 if none was seen, 1 if one was, 3 if the search proves nothing.
    """
    if minutes is not None and schedules is not None:
        raise click.UsageError(f"--minutes {minutes:g} and --schedules {schedules} exclude each other; give one.")
    if schedules is None and minutes is None:
        minutes = MINUTES_DEFAULT
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if schedules is None else 1
    began = time.monotonic()

    def time_is_up() -> bool:
        return minutes is not None and time.monotonic() - began >= minutes * 60

    log.info("campaign", kernel=kernel.kernel.name, seed=seed, jobs=jobs, minutes=minutes, schedules=schedules)
    with progress() as shown:
        keeper = Keeper(kernel, directory or kernel.corpus, shown, quiet=as_json)
        try:
            bug = HISTORY_BY_NAME.get(kernel.kernel.name)
            campaign = search(
                Subject(kernel.kernel, judged(without=without, also=also)),
                seed,
                schedules,
                jobs=jobs,
                focus=bug.focus if bug else None,
                keep_going=keep_going,
                stop=time_is_up,
                progress=keeper,
            )
            keeper(campaign)
        except KeyboardInterrupt:
            keeper.catch_up()
            raise
    _leave(campaign, keeper, range(seed, seed + jobs), time.monotonic() - began, as_json=as_json)


def _leave(campaign: Campaign, keeper: Keeper, seeds: range, seconds: float, *, as_json: bool) -> NoReturn:
    log.info("campaign ended", schedules=campaign.schedules, programs=campaign.programs, found=len(campaign.findings))
    name = keeper.chosen.kernel.name
    seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    effort = f"{count(campaign.schedules, 'schedule')} of {name} ({seconds:.0f} s, {seed})"
    case = path = None
    if keeper.kept:
        finding, path, *_ = keeper.kept[0]
        case, verdict, status = finding.shrunk.case, finding.shrunk.verdict, Status.VIOLATED
        text = f"{len(keeper.kept)} found in {effort}."
    elif campaign.unknown:
        verdict, status = campaign.unknown, Status.INCONCLUSIVE
        text = "\n".join(verdict_lines(verdict))
    elif campaign.missed:
        missed = f"these never occurred: {', '.join(campaign.missed)}"
        verdict, status = Verdict(Outcome.UNKNOWN, "the_search_was_vacuous", missed), Status.INCONCLUSIVE
        text = f"Nothing was tested in {effort}: {missed}."
    else:
        verdict, status = HELD, Status.HELD
        text = "\n".join([f"Not seen in {effort}.", *campaign.left.lines()])
    whole = answer(
        name,
        verdict,
        case,
        schedules=campaign.schedules,
        seconds=seconds,
        entry=path,
        seed=seeds[0],
        jobs=len(seeds),
        programs=campaign.programs,
        reached=sorted(campaign.reached),
        left=campaign.left.as_json(),
        findings=keeper.answers(),
    )
    leave(status, text, whole, as_json=as_json)
