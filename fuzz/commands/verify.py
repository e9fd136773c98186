"""``pagecache-fuzz verify``."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from fuzz.census import Census, FailingAlike, programs_of_census, world_name
from fuzz.commands.options import Chosen, common_options, kernel_option, open_entry, promise_options
from fuzz.commands.output import answer, leave
from fuzz.commands.progress import Progress, progress
from fuzz.commands.status import Status, status_of
from fuzz.corpus.program_reader import load_program
from fuzz.engine.execution import Execution
from fuzz.engine.verdict import HELD, Outcome, Verdict
from fuzz.prose import count, promise_sentence
from fuzz.report.examine import examine, explained
from fuzz.report.report import Report
from fuzz.search.proof import Bound, Proof, effort_of, prove
from fuzz.shrinking.certificate import how_minimal
from fuzz.subject import Subject
from pagecache.promises import Promise, judged
from strategies.case import Case
from strategies.enumeration import WORLDS

__all__ = ["verify"]


@click.command()
@kernel_option(required=True, help="A name (see 'list kernels') or a Python file that defines KERNEL.")
@click.option("--entry", type=click.Path(path_type=Path), help="Its world, program and failures.")
@click.option("--program", type=click.Path(path_type=Path), help="A TOML file with the [world] and the [[task]]s.")
@click.option("--all-programs", is_flag=True, help="Every program of one collapse and two more operations.")
@click.option(
    "--tasks", type=click.IntRange(2, 3), default=3, help="Of all programs, those with at most so many tasks."
)
@click.option(
    "--operations", type=click.IntRange(1, 3), default=3, help="Of all programs, those with at most so many operations."
)
@click.option(
    "--world",
    "worlds",
    multiple=True,
    metavar="WORLD",
    type=click.Choice([world_name(world) for world in WORLDS]),
    help="Of all programs, those in this world, for example 'data hole; registered'; may be repeated.",
)
@click.option("--dpor", is_flag=True, help="One schedule of each class instead of each state once.")
@click.option("--deviations", type=click.IntRange(min=0), metavar="N", help="Only schedules with up to N deviations.")
@click.option("--preemptions", type=click.IntRange(min=0), metavar="N", help="Only schedules with up to N preemptions.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes for --all-programs.")
@click.option("--state", type=click.Path(path_type=Path), help="Where --all-programs keeps how far it is, to go on.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so long, without a proof.")
@promise_options
@common_options
def verify(
    kernel: Chosen,
    entry: Path | None,
    program: Path | None,
    *,
    all_programs: bool,
    tasks: int,
    operations: int,
    worlds: tuple[str, ...],
    dpor: bool,
    deviations: int | None,
    preemptions: int | None,
    jobs: int,
    state: Path | None,
    minutes: float | None,
    without: tuple[str, ...],
    also: tuple[str, ...],
    as_json: bool,
) -> NoReturn:
    """Try every schedule of a program: of an entry, of a file, or of every program of a stated size.

    Exits with 0 if none breaks a promise, which is a proof for these programs, 1 if one does, 3 if not all were tried.
    """
    given = [one for one in (entry, program, all_programs) if one]
    if len(given) != 1:
        raise click.UsageError("Give one of --entry, --program and --all-programs: what is to be verified.")
    if sum((dpor, deviations is not None, preemptions is not None)) > 1:
        raise click.UsageError("--dpor, --deviations and --preemptions exclude each other; give one.")
    began = time.monotonic()
    bound = Bound(dpor, deviations, preemptions)

    def time_is_up() -> bool:
        return minutes is not None and time.monotonic() - began >= minutes * 60

    promises = judged(without=without, also=also)
    if all_programs:
        cases = programs_of_census(kernel.kernel.name, tasks, operations, worlds)
        census = Census(Subject(kernel.kernel, _judging(promises, bound)), cases, bound, state)
        with progress() as shown:
            _take(census, jobs, time_is_up, shown)
        _leave_census(census, time.monotonic() - began, as_json=as_json)
    if entry is not None:
        kept, chosen = open_entry(entry, kernel)
        case = dataclasses.replace(kept.case, kernel=chosen.kernel.name, schedule=())
        promises = judged(without=without, also=(*also, kept.broken))
    else:
        assert program is not None
        case = load_program(program, kernel.kernel.name)
    subject = Subject(kernel.kernel, _judging(promises, bound))
    aside = [promise.name for promise in promises if promise not in subject.promises]
    runs = itertools.count(1)
    with progress() as shown:

        def make() -> Execution:
            shown(f"{case.kernel}: {count(next(runs), 'run')}")
            return subject.execution(case)

        proof = prove(make, bound, out_of_time=time_is_up)
    _leave_proof(subject, case, proof, time.monotonic() - began, aside=aside, entry=entry, as_json=as_json)


def _judging(promises: list[Promise], bound: Bound) -> list[Promise]:
    """Of each class one schedule is run: who looks at the world between two steps must not judge then."""
    return [one for one in promises if not bound.classes or one.watcher.sees_classes]  # type: ignore[attr-defined]


def _leave_proof(
    subject: Subject, case: Case, proof: Proof, seconds: float, *, aside: list[str], entry: Path | None, as_json: bool
) -> NoReturn:
    effort, why = proof.effort, None
    if proof.failure is not None:
        case = dataclasses.replace(case, schedule=proof.failure.deviations)
        seen = examine(case, subject.kernel, proof.failure.verdict.promise)
        verdict, status = seen.verdict, status_of(seen.verdict.outcome)
        minimal = how_minimal(len(case.schedule), proved=proof.shortest)
        why = explained(case, subject.kernel, verdict.promise)
        text = f"{Report(case, seen.history, verdict, minimal, why=why).text()}\nFound after {effort}."
    elif proof.exhausted:
        verdict, status = HELD, Status.HELD
        text = f"Never: {proof.bound} of {case.program} on {case.kernel} are exhausted ({effort})."
    else:
        verdict, status = Verdict(Outcome.UNKNOWN, "the_search_was_not_exhausted", proof.limit), Status.INCONCLUSIVE
        text = f"Not seen in {effort}; not exhausted: {proof.limit}."
    if aside:
        text += f"\nNot judged with --dpor, because they look at the world between two steps: {', '.join(aside)}."
    whole = answer(
        case.kernel,
        verdict,
        case,
        schedules=proof.runs,
        seconds=seconds,
        entry=entry,
        states=proof.states,
        runs=proof.runs,
        classes=proof.classes,
        bound=str(proof.bound),
        exhausted=proof.exhausted and proof.failure is None,
        why=why.as_json() if why else None,
    )
    leave(status, text, whole, as_json=as_json)


def _take(census: Census, jobs: int, stop: Any, shown: Progress) -> None:
    def show(census: Census) -> None:
        shown(
            f"{census.subject.kernel.name}: {len(census.lines):,} of {len(census.cases):,} programs, "
            f"{census.total('states'):,} states"
        )

    census.take(jobs=jobs, stop=stop, progress=show)


def _leave_census(census: Census, seconds: float, *, as_json: bool) -> NoReturn:
    name = census.subject.kernel.name
    failing, limits = census.failing(), census.limits()
    effort = effort_of(
        census.total("runs"), states=census.total("states") or None, classes=census.total("classes") or None
    )
    looked_at = f"{len(census.lines):,} of {len(census.cases):,} programs"
    if failing:
        status, verdict = Status.VIOLATED, Verdict(Outcome.VIOLATED, failing[0].signature[1], "see failures")
        text = f"{_list_of(failing)}\n\n{looked_at} on {name}: {len(failing)} different failures ({effort})."
    elif limits or not census.complete:
        why = f"{limits[0][0].program}: {limits[0][1]}" if limits else f"{looked_at} were looked at"
        status, verdict = Status.INCONCLUSIVE, Verdict(Outcome.UNKNOWN, "the_search_was_not_exhausted", why)
        text = f"Not seen in {looked_at} on {name} ({effort}); not exhausted: {why}."
    else:
        status, verdict = Status.HELD, HELD
        text = f"Never: {census.bound} of {len(census.cases):,} programs on {name} are exhausted ({effort})."
    whole = answer(
        name,
        verdict,
        schedules=census.total("runs"),
        seconds=seconds,
        programs=len(census.lines),
        programs_in_all=len(census.cases),
        states=census.total("states"),
        runs=census.total("runs"),
        classes=census.total("classes"),
        bound=str(census.bound),
        exhausted=census.complete and not limits and not failing,
        failures=[
            {
                "verdict": one.signature[0],
                "promise": one.signature[1],
                "operations": one.shape,
                "programs": one.programs,
                "world": " ".join(one.case.world.pages),
                "registered": one.case.world.vmas[0].missing,
                "program": str(one.case.program),
            }
            for one in failing
        ],
    )
    leave(status, text, whole, as_json=as_json)


def _list_of(failing: list[FailingAlike]) -> str:
    """A heading for each promise, below it a line for each shape."""
    lines: list[str] = []
    for signature, group in itertools.groupby(failing, lambda one: one.signature):
        lines += ["", f"{signature[0].capitalize()}: {promise_sentence(signature[1])}"]
        for one in group:
            where = world_name(one.case.world)
            lines.append(f"  {one.shape:<40} {one.programs:>5}, for example in {where}: {one.case.program}")
    return "\n".join(lines[1:])
