"""A search in several processes is the searches that each of them would have made alone."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from fuzz.campaign import Campaign
from fuzz.engine.execution import Execution
from fuzz.errors import HarnessError
from fuzz.side_by_side import search
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME

BROKEN, SOUND = Subject(KERNELS_BY_NAME["linux-6.2"]), Subject(KERNELS_BY_NAME["linux-2026-mended"])


def test_the_whole_is_the_sum_of_its_processes() -> None:
    alone = [Campaign.search(BROKEN, seed, share, keep_going=True) for seed, share in ((3, 101), (4, 100))]
    told: list[int] = []

    together = search(BROKEN, 3, 201, jobs=2, keep_going=True, progress=lambda one: told.append(one.schedules))

    assert together.schedules == 201
    assert together.programs == sum(one.programs for one in alone)
    assert together.reached == alone[0].reached | alone[1].reached
    assert together.left.programs == sum(one.left.programs for one in alone)
    assert together.left.pairs == alone[0].left.pairs + alone[1].left.pairs
    signatures = [finding.shrunk.verdict.signature for finding in together.findings]
    assert len(signatures) == len(set(signatures)) > 1
    assert set(signatures) == {finding.shrunk.verdict.signature for one in alone for finding in one.findings}
    for finding in together.findings:
        assert finding in alone[finding.seed - 3].findings
    assert told == sorted(told)


def test_one_process_searches_here() -> None:
    assert search(SOUND, 5, 40, jobs=1) == Campaign.search(SOUND, 5, 40)


def test_the_first_finding_ends_the_search() -> None:
    assert search(BROKEN, 0, None, jobs=2).findings


def test_no_more_processes_than_schedules() -> None:
    assert search(SOUND, 0, 2, jobs=4).schedules == 2


def test_it_can_be_stopped() -> None:
    campaign = search(SOUND, 0, None, jobs=2, stop=lambda: True)

    assert not campaign.findings


class Crashing(Subject):
    """Does not get far, in one way or another."""

    def __init__(self, *, killed: bool) -> None:
        super().__init__(SOUND.kernel)
        self.killed = killed

    def execution(self, *_: Any, **__: Any) -> Execution:
        if self.killed:
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("we did not think of this")


def test_what_a_process_raises_is_raised_here_with_where_it_was() -> None:
    with pytest.raises(RuntimeError, match="we did not think of this") as raised:
        search(Crashing(killed=False), 0, None, jobs=2)
    assert "in execution" in raised.value.__notes__[0]


def test_a_process_that_is_killed_is_not_a_pass() -> None:
    with pytest.raises(HarnessError, match=r"process [12] of the search has ended without an answer; look whether"):
        search(Crashing(killed=True), 0, None, jobs=2)
