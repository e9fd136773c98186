"""The default search: programs from the strategies, many schedules of each from all policies.

A program costs more to generate than to run, and its sequential run tells where its tasks touch the same
things; so each gets its sequential run, and then SCHEDULES_PER_PROGRAM more, by the policies in
turn.  Every run counts as one schedule.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from fuzz import direct
from fuzz.draws import RandomDraw
from fuzz.policies import POLICIES
from fuzz.policies.canonical import Canonical
from fuzz.policies.profile import Profile
from fuzz.run import Run
from fuzz.shrink import Shrunk
from fuzz.subject import Subject
from fuzz.verdict import Outcome, Verdict
from strategies.case import Case, Failure
from strategies.cases import case as draw_case

__all__ = ["SCHEDULES_PER_PROGRAM", "Campaign", "Finding", "schedules"]

SCHEDULES_PER_PROGRAM: Final = 40
FAILURES_SHARE: Final = 0.15  # of the programs: memory is seldom short, and most bugs do not need it to be

TURNS: Final = (
    "sampled_deviations",
    "pct_2",
    "sampled_deviations",
    "mostly_keep_running",
    "sampled_deviations",
    "pct_3",
    "sampled_deviations",
    "random_walk",
)
"""Whose turn it is: few deviations where steps conflict find most, and every other policy what they cannot."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure, as found and as shrunk.

    Args:
        found: the case of the failing run.
        shrunk: the smallest case that fails in the same way.
        schedules: how many had been run when it was found, itself included.
    """

    found: Case
    shrunk: Shrunk
    schedules: int


@dataclass(slots=True)
class Campaign:
    """What a search has come to.

    Args:
        schedules: runs made.
        programs: programs tried.
        findings: one for each distinct signature.
        unknown: the first verdict that was neither a pass nor a finding.
        reached: the SOMETIMES that occurred.
    """

    schedules: int = 0
    programs: int = 0
    findings: list[Finding] = field(default_factory=list)
    unknown: Verdict | None = None
    reached: set[str] = field(default_factory=set)

    @classmethod
    def search(
        cls,
        subject: Subject,
        seed: int,
        schedules_max: int | None,
        *,
        keep_going: bool = False,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Campaign], None] = lambda campaign: None,
    ) -> Campaign:
        """Search until something fails, or the limit is reached.

        Args:
            subject: the kernel and its promises.
            seed: the same seed makes the same search.
            schedules_max: how many runs at most; ``None`` for no limit.
            keep_going: after a failure, look for others (with another signature).
            stop: asked after each program.
            progress: told after each program.
        """
        campaign = cls()
        seen = set()
        for case, run in schedules(subject, Random(seed)):
            if run is None:
                campaign.programs += 1
                progress(campaign)
                if stop():
                    break
                continue
            campaign.schedules += 1
            verdict = run.verdict
            if verdict.failed and verdict.signature not in seen:
                seen.add(verdict.signature)
                failing = dataclasses.replace(case, schedule=run.deviations)
                campaign.findings.append(Finding(failing, subject.shrink(failing), campaign.schedules))
                if not keep_going:
                    break
            if verdict.outcome is Outcome.UNKNOWN:
                campaign.unknown = verdict
                break
            if schedules_max is not None and campaign.schedules >= schedules_max:
                break
        return campaign


def schedules(subject: Subject, random: Random) -> Iterator[tuple[Case, Run | None]]:
    """Runs without end; ``None`` for a run says that the next program begins."""
    while True:
        case = draw_case(RandomDraw(random), subject.kernel.name)
        yield case, None
        execution = subject.execution(case, record=True)
        sequential = direct.run(execution, Canonical(execution))
        yield case, sequential
        if sequential.history is None or sequential.verdict.outcome is not Outcome.HELD:
            continue
        profile = Profile.of(sequential.history)
        if random.random() < FAILURES_SHARE:
            case = _with_a_failure(case, sequential, random)
        for number in range(SCHEDULES_PER_PROGRAM):
            execution = subject.execution(case)
            policy = POLICIES[TURNS[number % len(TURNS)]](execution, random, profile)
            yield case, direct.run(execution, policy)


def _with_a_failure(case: Case, sequential: Run, random: Random) -> Case:
    """``case`` with one of the calls failing that can fail in its sequential run."""
    assert sequential.history is not None
    visits: dict[tuple[str, str], int] = {}
    can_fail: list[Failure] = []
    for event in sequential.history.events:
        if event.step is None:
            continue
        name, call = sequential.names[event.task], event.step.call
        visits[name, call] = visits.get((name, call), 0) + 1
        if event.step.fails:
            can_fail.append(Failure(name, call, visits[name, call]))
    if not can_fail:
        return case
    return dataclasses.replace(case, failures=(random.choice(can_fail),))
