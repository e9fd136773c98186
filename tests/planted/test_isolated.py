"""Each promise is needed: a fault that it reports and that all others together miss."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from isolated import ISOLATED, Isolated

from fuzz.cli import main
from fuzz.engine.verdict import HELD, Outcome
from fuzz.subject import Subject
from pagecache.promises import DEFAULT_PROMISES, PROMISES_BY_NAME, judged

IDS = [one.promise for one in ISOLATED]

each = pytest.mark.parametrize("one", ISOLATED, ids=IDS)


def judging(one: Isolated) -> Subject:
    """By all promises that are judged by default, and by the fault's own."""
    return Subject(one.kernel, judged(also=(one.promise,)))


def test_every_promise_has_one() -> None:
    listed = json.loads(CliRunner().invoke(main, ["list", "promises", "--json"]).stdout)["promises"]

    assert sorted(IDS) == sorted(listed)


@each
def test_it_is_reported(one: Isolated) -> None:
    verdict = judging(one).judge(one.case)

    assert verdict.failed, verdict
    assert verdict.promise == one.promise, verdict.sentence


@each
def test_nobody_else_reports_it(one: Isolated) -> None:
    if one.promise in PROMISES_BY_NAME:
        others = [promise for promise in DEFAULT_PROMISES if promise.name != one.promise]
        assert Subject(one.kernel, others).judge(one.case) == HELD
    else:  # the engine's cannot be switched off: but it sees it without any watcher, and as the first of all
        alone = Subject(one.kernel, ()).judge(one.case)
        assert alone.promise == one.promise
        assert judging(one).judge(one.case) == alone


@each
def test_it_is_the_fault_that_is_reported(one: Isolated) -> None:
    assert Subject(one.sound, DEFAULT_PROMISES).judge(one.case) == HELD


@each
def test_its_schedule_is_followed(one: Isolated) -> None:
    run = judging(one).run(one.case)

    assert run.deviations == one.case.schedule


@each
def test_both_drivers_report_it(one: Isolated) -> None:
    subject = judging(one)

    assert subject.reference(one.case).verdict == subject.judge(one.case)


OUTCOMES = {"no_deadlock": Outcome.DEADLOCK, "no_livelock": Outcome.LIVELOCK}


@each
def test_the_outcome_has_its_word(one: Isolated) -> None:
    expected = OUTCOMES.get(one.promise, Outcome.VIOLATED)

    assert judging(one).judge(one.case).outcome is expected
