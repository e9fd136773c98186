"""A failure ends as the case that a person would have written, wherever it came from."""

from __future__ import annotations

import pytest
from reproducers import REPRODUCERS, Reproducer

from fuzz.campaign import Campaign
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.promises import PROMISES_BY_NAME
from strategies.case import Case

SEED = 0
SCHEDULES_MAX = 20_000  # of 32 searches for the rarest, the tail that stevens-v3 forgets, the longest took 9,387

each = pytest.mark.parametrize("bug", REPRODUCERS, ids=str)


def accepted(kernel: str, promise: str) -> list[Case]:
    return [
        situation.on(kernel)
        for bug in REPRODUCERS
        if (bug.kernel, bug.promise) == (kernel, promise)
        for situation in (bug.minimal, *bug.others)
    ]


@each
def test_a_large_case_shrinks_to_the_minimal_one(bug: Reproducer) -> None:
    subject = Subject(KERNELS_BY_NAME[bug.kernel])
    large = bug.large.on(bug.kernel)
    assert (len(large.program.tasks), large.program.operations) == (3, 6)
    run = subject.run(large)
    assert run.verdict.promise == bug.promise
    assert run.deviations == large.schedule

    shrunk = subject.shrink(large)

    assert shrunk.case == bug.minimal.on(bug.kernel)
    assert shrunk.verdict.signature == run.verdict.signature
    assert shrunk.certificate.complete


@each
def test_the_minimal_one_is_left_as_it_is(bug: Reproducer) -> None:
    subject = Subject(KERNELS_BY_NAME[bug.kernel])
    case = bug.minimal.on(bug.kernel)

    shrunk = subject.shrink(case)

    assert (shrunk.case, shrunk.verdict.promise) == (case, bug.promise)


@each
def test_the_others_break_the_same_promise(bug: Reproducer) -> None:
    subject = Subject(KERNELS_BY_NAME[bug.kernel])
    for situation in (bug.minimal, *bug.others):
        run = subject.run(situation.on(bug.kernel))
        assert run.verdict.promise == bug.promise
        assert run.deviations == situation.on(bug.kernel).schedule


@pytest.mark.parametrize("bug", [bug for bug in REPRODUCERS if bug.promise in PROMISES_BY_NAME], ids=str)
def test_a_campaign_ends_there(bug: Reproducer) -> None:
    subject = Subject(KERNELS_BY_NAME[bug.kernel], [PROMISES_BY_NAME[bug.promise]])

    found: list[Case] = []

    def look(campaign: Campaign) -> None:
        # What the engine judges by itself, a deadlock for example, may come first.
        found[:] = [one.shrunk.case for one in campaign.findings if one.shrunk.verdict.promise == bug.promise]

    Campaign.search(subject, SEED, SCHEDULES_MAX, keep_going=True, stop=lambda: bool(found), progress=look)

    (case,) = found
    assert case in accepted(bug.kernel, bug.promise)


def test_a_campaign_that_keeps_going_finds_all() -> None:
    subject = Subject(KERNELS_BY_NAME["linux-6.2"])

    campaign = Campaign.search(subject, SEED, 1_000, keep_going=True)

    found = {finding.shrunk.verdict.promise: finding.shrunk.case for finding in campaign.findings}
    regular = found.pop("locks_are_taken_in_order")  # reads with folios locked: what all collapses of regular files do
    assert regular.world.backing == "file"
    assert sorted(found) == sorted(bug.promise for bug in REPRODUCERS if bug.kernel == "linux-6.2")
    for promise, case in found.items():
        assert case in accepted("linux-6.2", promise)
