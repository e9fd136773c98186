"""The museum: each real bug is found where it was, as what it was (``pytest fuzz/ --history``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from fuzz.museum import SCHEDULES, keep, search
from fuzz.violation import Inconclusive
from pagecache.history import Bug

SEED: Final = 0


def test_it_is_found(bug: Bug, pytestconfig: pytest.Config, say: Callable[..., None]) -> None:
    """The default search, in the bug's worlds and with its operations, breaks one of its promises.

    A bug that has no reproducer in corpus/history/ gets this one.
    """
    name = bug.kernel.name
    campaign = search(bug, SEED, pytestconfig.getoption("--schedules") or SCHEDULES)
    if campaign.unknown is not None:
        raise Inconclusive(f"{name}: {campaign.unknown.promise}\n{campaign.unknown.sentence}")
    if not campaign.findings:
        raise AssertionError(f"{name}: not found in {campaign.schedules} schedules; see {bug.fix}")
    found = campaign.findings[0]
    verdict, case = found.shrunk.verdict, found.shrunk.case
    size = f"{len(case.program.tasks)} / {case.program.operations} / {len(case.schedule)}"
    say(f"{name}: {verdict.promise} after {found.schedules} schedules; {size}")
    assert verdict.promise in bug.breaks, verdict.sentence
    keep(bug, found, SEED, pytestconfig.rootpath / "corpus")
