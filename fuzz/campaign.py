"""The default search: programs from the strategies, many schedules of each from all policies.

Each program gets its sequential run, which tells where its tasks touch the same things, the same once more with one
call failing (:mod:`fuzz.search.failing`), and the sequential run in the other order.  Then two runs of three interrupt
a task where that has hardly been done before (:mod:`fuzz.search.interruptions`), the third leaves all to chance: few if
the program has no such place, more if it has.  Every run counts as one schedule.

The first programs are about a collapse, most of them.  When these are through, it is time to look elsewhere: a third
of the later programs are drawn where real bugs have been (the foci of the museum), a third are of the two kinds of
operations that have met least, the others as before; and of some that are drawn, the one is run whose operations have
met least (:mod:`fuzz.search.meetings`).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from fuzz.engine import direct
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.search.behaviour import reads_of_others
from fuzz.search.draws import RandomDraw
from fuzz.search.estimates import LeftOfMany
from fuzz.search.failing import Failing, can_fail
from fuzz.search.interruptions import Interruption, Interruptions, interruptions
from fuzz.search.meetings import CANDIDATES, Meetings
from fuzz.search.policies import POLICIES, Policy
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile, kinds_of
from fuzz.search.policies.urw import Urw
from fuzz.search.portfolio import Portfolio
from fuzz.shrinking.shrink import Shrunk
from fuzz.subject import Subject
from pagecache.history import HISTORY, Focus
from pagecache.operations import OPERATIONS, Operation
from pagecache.promises.sometimes import SightingsWatcher
from pagecache.world import WorldSpec
from strategies.case import Case
from strategies.cases import focused, paired, swarmed
from strategies.grammar import Draw
from strategies.worlds import ANY, Features

__all__ = ["EXPECTED", "SCHEDULES_PER_PROGRAM", "Campaign", "Counts", "Finding", "missed", "schedules", "schedules_of"]

SIGHTED: Final = 3
FAILURES_SHARE: Final = 0.15  # of the programs: memory is seldom short, and most bugs do not need it to be
SECOND_FAILURE_SHARE: Final = 0.3  # of those

TURNS: Final = (
    "pct_3",
    "mostly_keep_running",
    "urw",
    "pct_3",
    "mostly_keep_running",
    "sampled_deviations",
)
"""Whose turn it is where nobody counts the interruptions.  Measured on five of the kernels, 2,400 runs of each policy:
no policy is best on all of them, PCT of depth 3 and the random walks find half as much again as the others.  The
uniform one finds a quarter more than the plain one, whose place it has taken; SURW, POS and wishes for reads, which are
far ahead on a given program, find no more than PCT where each program gets eight schedules."""

COUNTED: Final = "urw"
"""Whose runs say how much is left: it gives all schedules of a program nearly the same probability."""

SCHEDULES_PER_PROGRAM: Final = len(TURNS)
"""Besides the sequential ones, where nobody does."""

INTERRUPTED: Final = "interrupted"
SAMPLERS: Final = ("urw", "pct_3", "mostly_keep_running")
"""Who has every third turn where somebody does.  Measured from 20 seeds: on ``stevens-v3`` a search finds something
after 296 schedules (median), 1,064 with TURNS; on ``stevens-v2`` after 82, 111; on ``stevens-v5`` after 55, 85.  On the
kernels of the museum, in all worlds and within 6,000 schedules, 27 of 46 searches do, 25 with TURNS."""

SCHEDULES_EARLY: Final = 3
SCHEDULES_MIN: Final = 2
SCHEDULES_MAX: Final = 23
"""Besides the sequential ones: of each of the first programs; of a later one that promises nothing, and of one that
does not stop promising."""

FAIL_EARLY: Final = 10
FAIL: Final = 40
"""So often each place fails that can, of the first programs and of all, before it is left to chance."""

EARLY: Final = 400
"""So many programs are mostly about a collapse."""

WHERE_BUGS_WERE: Final = 0.33
"""The share of the later ones that are drawn from a focus of the museum."""

FOCI: Final = tuple(bug.focus for bug in HISTORY)

PAIRED: Final = 0.5
"""The share of the later ones, foci apart, that are made of the two kinds of operations that have met least."""

ALIKE: Final = 0.3
"""The share of the later ones of one unusual kind: its pages are all in swap, say, or each VMA has fault-around."""

ONE: Final = {"hpage_order": (1,), "huge_pages": (1,)}
TWO: Final = {"hpage_order": (1,), "huge_pages": (2,), "large": (((0, 1),), ((2, 1),), ((0, 1), (2, 1)))}
FOUR: Final = {"hpage_order": (2,), "huge_pages": (1,), "large": (((0, 1),), ((2, 1),), ((0, 1), (2, 1)), ((0, 2),))}
"""A file of four pages, some of them in large folios, through which an operation may cut, or begin in one and end in
another."""

KINDS: Final[tuple[Features, ...]] = (
    *({"backing": ("shmem",), "pages": (state,)} for state in ("swapped", "zeroes", "unwritten")),
    {"vma.around": (True,), "vma.huge": (False, True)},
    {**ONE, "store_buffers": (True,), "backing": ("shmem", "file"), "vmas": (1,)},
    {"backing": ("shmem",), "vma.private": (True,), "vma.huge": (False, True)},
    {**ONE, "vmas": (2, 3), "vma.mm": ("A",), "vma.range": ((0, 2),), "vma.huge": (False, True)},
    *({"backing": ("shmem",), "pages": (state,), **four} for four in (TWO, FOUR) for state in ("data", "swapped")),
    *({"backing": ("file",), "pages": (state,), **four} for four in (TWO, FOUR) for state in ("data", "dirty")),
)

PATIENCE: Final = 2_000
"""Schedules of a program that a focus gives as it is, before the search of it begins again.  Measured on B17, whose
only program fails after three deviations: of ten searches eight find it within 5,000 schedules, five within 600, and
one not within 60,000.  What it has seen first decides what it takes for rare."""

EXPECTED: Final = frozenset({"a_collapse_succeeded", "a_collapse_rolled_back", "a_hole_was_filled_during_the_scan"})
"""What every search of ENOUGH schedules must have reached, or it was vacuous and says nothing."""

ENOUGH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure, as found and as shrunk.

    Args:
        found: the case of the failing run.
        shrunk: the smallest case that fails in the same way.
        schedules: how many had been run when it was found, itself included.
        seed: of the search.
    """

    found: Case
    shrunk: Shrunk
    schedules: int
    seed: int


@dataclass(slots=True)
class Campaign:
    """What a search has come to.

    Args:
        schedules: runs made.
        programs: programs tried.
        findings: one for each distinct signature.
        unknown: the first verdict that was neither a pass nor a finding.
        reached: the SOMETIMES that occurred.
        left: how much is left, by what was tried.
        focused: it looked in some places only, so that nobody expects the others to be reached.
    """

    schedules: int = 0
    programs: int = 0
    findings: list[Finding] = field(default_factory=list)
    unknown: Verdict | None = None
    reached: set[str] = field(default_factory=set)
    left: LeftOfMany = field(default_factory=LeftOfMany)
    focused: bool = False

    @property
    def missed(self) -> list[str]:
        """The rare places that should have been reached by now and were not: then the search was vacuous."""
        return [] if self.findings or self.focused else missed(self.schedules, self.reached)

    @classmethod
    def search(
        cls,
        subject: Subject,
        seed: int,
        schedules_max: int | None,
        *,
        focus: Focus | None = None,
        keep_going: bool = False,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Campaign], None] = lambda _: None,
    ) -> Campaign:
        """Search until something fails, or the limit is reached.

        Args:
            subject: the kernel and its promises.
            seed: the same seed makes the same search.
            schedules_max: how many runs at most; ``None`` for no limit.
            focus: look there only.
            keep_going: after a failure, look for others (with another signature).
            stop: asked after each program.
            progress: told after each program.
        """
        campaign = cls(focused=focus is not None)
        seen = set()
        for case, run in schedules(subject, Random(seed), campaign.reached, focus, campaign.left):
            if run is None:
                campaign.programs += 1
                progress(campaign)
                if stop():
                    break
                continue
            campaign.schedules += 1
            verdict = run.verdict
            if verdict.failed and verdict.signature not in seen:
                failing = dataclasses.replace(case, schedule=run.deviations)
                if subject.is_news(failing, verdict):
                    seen.add(verdict.signature)
                    campaign.findings.append(Finding(failing, subject.shrink(failing), campaign.schedules, seed))
                    if not keep_going:
                        break
            if verdict.outcome is Outcome.UNKNOWN:
                campaign.unknown = verdict
                break
            if schedules_max is not None and campaign.schedules >= schedules_max:
                break
        return campaign


class Counts(NamedTuple):
    """What a search has done so far, and how far it goes with one program.

    Args:
        failing: which calls have failed.
        places: where tasks have been interrupted.
        most: schedules of a program, besides the sequential ones.
        enough: how often a place fails, before it is left to chance.
    """

    failing: Failing
    places: Interruptions
    most: int
    enough: int


def missed(schedules: int, reached: set[str]) -> list[str]:
    """The EXPECTED places that a search of so many schedules should have reached and did not."""
    return sorted(EXPECTED - reached) if schedules >= ENOUGH else []


def schedules(
    subject: Subject,
    random: Random,
    reached: set[str] | None = None,
    focus: Focus | None = None,
    left: LeftOfMany | None = None,
) -> Iterator[tuple[Case, Run | None]]:
    """Runs without end; ``None`` for a run says that the next program begins.

    Args:
        subject: the kernel.
        random: makes everything.
        reached: gets the names of the rare places that some of the runs reached.
        focus: look there only.
        left: gets what the programs show of how much is left.
    """
    draw, name = RandomDraw(random), subject.kernel.name
    met, failing, places = Meetings(), Failing(), Interruptions()
    for number in itertools.count():
        later = focus is None and number >= EARLY
        here = _where_bugs_were(draw) if later else focus
        if here:
            case = focused(draw, name, here)
        elif later:
            case = met.choose([_elsewhere(draw, name, met) for _ in range(CANDIDATES)])
        else:
            case = swarmed(draw, name)
        yield case, None
        if focus and focus.programs:
            portfolio = Portfolio(functools.partial(subject.execution, case, record=True), random)
            yield from ((case, portfolio.next_run()) for _ in range(PATIENCE))
            continue
        shares = (1.0, 0.5) if here and here.failures else (FAILURES_SHARE, SECOND_FAILURE_SHARE)
        limits = (SCHEDULES_MAX, FAIL) if later else (SCHEDULES_EARLY, FAIL_EARLY)
        counts = None if focus else Counts(failing, places, *limits)
        yield from schedules_of(subject, case, random, reached, shares=shares, left=left, counts=counts)


def _where_bugs_were(draw: Draw) -> Focus | None:
    """A focus of the museum; mostly none."""
    return draw.option(FOCI, FOCI[0]) if draw.boolean(WHERE_BUGS_WERE, like=False) else None


def _elsewhere(draw: Draw, kernel: str, met: Meetings) -> Case:
    """A case in any world: of kinds of operations that have hardly met, or of a swarm."""
    features = draw.option(KINDS, KINDS[0]) if draw.boolean(ALIKE, like=False) else ANY
    if draw.boolean(PAIRED, like=False):
        return paired(draw, kernel, lambda world: met.pair(draw, _fitting(world)), features=features)
    return swarmed(draw, kernel, features=features)


def _fitting(world: WorldSpec) -> tuple[type[Operation], ...]:
    """The kinds of operations that make sense in a world, but for those that are about other files."""
    return tuple(one for one in OPERATIONS if one.files == 1 and one.fits(world))


def schedules_of(
    subject: Subject,
    case: Case,
    random: Random,
    reached: set[str] | None = None,
    *,
    shares: tuple[float, float] = (FAILURES_SHARE, SECOND_FAILURE_SHARE),
    left: LeftOfMany | None = None,
    counts: Counts | None = None,
) -> Iterator[tuple[Case, Run]]:
    """The schedules of one program, each with its case (some have an injected failure, and some of those another).

    Args:
        subject: the kernel.
        case: the program.
        random: makes all choices.
        reached: gets the names of the rare places that some of the runs reached.
        shares: how likely it is that a call fails, and then that another one does.
        left: gets what the program shows of how much is left.
        counts: what the search has done so far; ``None``: TURNS, once.
    """
    sightings: list[SightingsWatcher] = []
    execution = subject.execution(case, record=True, sightings=sightings)
    sequential = direct.run(execution, Canonical(execution))
    yield case, sequential
    if sequential.history is None or sequential.verdict.outcome is not Outcome.HELD:
        return
    profile = Profile.of(sequential.history, kinds_of(case.tasks))
    failure = counts.failing.choose(sequential, random, counts.enough) if counts else None
    if failure:
        failed_case = dataclasses.replace(case, failures=(failure,))
        execution = subject.execution(failed_case)
        yield failed_case, direct.run(execution, Canonical(execution))
    if random.random() < shares[0]:
        case = _with_a_failure(case, sequential, random)
        if random.random() < shares[1]:
            # What can fail after the first failure is often reached by no other way: "tried again, and failed again".
            execution = subject.execution(case, record=True)
            failed = direct.run(execution, Canonical(execution))
            yield case, failed
            if failed.history is None or failed.verdict.outcome is not Outcome.HELD:
                return
            case = _with_a_failure(case, failed, random)
    some: list[Interruption] = []
    turns = _turns(random, counts.most) if counts else TURNS
    for number, turn in enumerate(("last_first", *turns)):
        if counts and number > SCHEDULES_MIN and not counts.places.is_promising(some):
            break
        if turn == INTERRUPTED and not some:
            continue
        # To look for rare places costs a little; the first runs of each program tell enough.
        is_counted = left is not None and turn == COUNTED
        shows_places = counts is not None and not number
        watched = sightings if number < SIGHTED else None
        execution = subject.execution(case, record=is_counted or shows_places, sightings=watched)
        policy: Policy
        if counts and turn == INTERRUPTED:
            policy = Canonical(execution, counts.places.choose(some, profile, random))
        else:
            policy = POLICIES[turn](execution, random, profile)
        run = direct.run(execution, policy)
        if run.history is not None and shows_places:
            some = interruptions(sequential.history, run.history, len(case.program.tasks))
        elif run.history is not None and left is not None and isinstance(policy, Urw):
            left.note(reads_of_others(run.history), len(run.names), profile.horizon, policy.log_space)
        yield case, run
    if reached is not None:
        for watcher in sightings:
            reached |= watcher.reached


def _turns(random: Random, most: int) -> tuple[str, ...]:
    """Two interruptions, then one of the SAMPLERS in turn, beginning with any."""
    first = random.randrange(len(SAMPLERS))
    samplers = (*SAMPLERS[first:], *SAMPLERS[:first])
    rounds = itertools.chain.from_iterable((INTERRUPTED, INTERRUPTED, sampler) for sampler in itertools.cycle(samplers))
    return tuple(itertools.islice(rounds, most))


def _with_a_failure(case: Case, sequential: Run, random: Random) -> Case:
    """``case`` with one more of the calls failing that can fail in its sequential run."""
    found = [failure for failure, _ in can_fail(sequential) if failure not in case.failures]
    return dataclasses.replace(case, failures=(*case.failures, random.choice(found))) if found else case
