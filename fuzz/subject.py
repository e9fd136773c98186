"""A kernel under judgement: everything that is asked of it, for one set of promises."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from random import Random
from typing import Final

from fuzz.engine import direct, trio_driver
from fuzz.engine.execution import Execution
from fuzz.engine.prepare import prepare
from fuzz.engine.run import Run
from fuzz.engine.verdict import Verdict
from fuzz.errors import HarnessError
from fuzz.search.explore import deviation_bounded
from fuzz.search.policies.canonical import Canonical
from fuzz.search.portfolio import Portfolio
from fuzz.shrinking.shrink import Sample, Search, SearchLimitError, Shrunk, shrink
from pagecache.evict import evict_inodes
from pagecache.kernel import Kernel
from pagecache.promises import DEFAULT_PROMISES
from pagecache.promises.promise import Promise
from pagecache.promises.sometimes import SightingsWatcher
from pagecache.world import World
from strategies.case import Case

__all__ = ["SEARCH_RUNS_MAX", "Subject"]

SAMPLED: Final = 400
"""Runs of a program that is to show a failure again, with whatever deviations."""

SEARCH_RUNS_MAX = 20_000
"""Runs of one search for a schedule with few deviations: enough for three of them in a small program."""


class Subject:
    """A kernel and the promises by which it is judged.

    Args:
        kernel: the kernel; the name in a case is not looked at.
        promises: by default all but the alternative readings.
    """

    def __init__(self, kernel: Kernel, promises: Sequence[Promise] = DEFAULT_PROMISES) -> None:
        self.kernel = kernel
        self.promises = promises

    def execution(
        self, case: Case, *, record: bool = False, sightings: list[SightingsWatcher] | None = None
    ) -> Execution:
        """A fresh execution of ``case``; its schedule is the policy's business.

        Args:
            case: what to run.
            record: keep the history.
            sightings: note here, too, which rare places the run reaches.
        """
        promises = self.promises
        if sightings is not None:
            promises = (*promises, Promise("sightings", lambda world: _noted(sightings, world), "never objects"))
        return prepare(case, self.kernel, promises, teardown=evict_inodes, record=record)

    def run(self, case: Case, *, record: bool = False) -> Run:
        """Run ``case`` under its own schedule, with the direct driver."""
        execution = self.execution(case, record=record)
        return direct.run(execution, Canonical(execution, case.schedule))

    def reference(self, case: Case) -> Run:
        """The same with the trio driver and a history: what is reported."""
        execution = self.execution(case, record=True)
        return trio_driver.run_alone(execution, Canonical(execution, case.schedule))

    def judge(self, case: Case) -> Verdict:
        """The verdict of ``case``."""
        return self.run(case).verdict

    def is_news(self, failing: Case, verdict: Verdict) -> bool:  # noqa: ARG002 - for who compares two kernels
        """Does this failure count?  Here each does."""
        return True

    def record(self, case: Case) -> Case:
        """``case`` with the deviations that its run really makes."""
        return dataclasses.replace(case, schedule=self.run(case).deviations)

    def searcher(self, signature: tuple[str, str]) -> Search:
        """A search of all schedules with few deviations for one failure, as a shrinker needs it."""

        def search(case: Case, bound: int) -> tuple[Case | None, int]:
            bounded = deviation_bounded(
                lambda: self.execution(case), bound, SEARCH_RUNS_MAX, signature=signature, base=case.schedule
            )
            runs = sum(bounded.runs)
            if bounded.failure is not None and bounded.failure.verdict.signature == signature:
                return dataclasses.replace(case, schedule=bounded.failure.deviations), runs
            if not bounded.exhausted:
                raise SearchLimitError(runs)
            return None, runs

        return search

    def sampler(self, signature: tuple[str, str]) -> Sample:
        """Some runs of a program by all policies, in the hope of one failure, as a shrinker needs it."""

        def sample(case: Case) -> tuple[Case | None, int]:
            portfolio = Portfolio(functools.partial(self.execution, case, record=True), Random(0))
            for runs in range(1, SAMPLED + 1):
                run = portfolio.next_run()
                if run.verdict.signature == signature:
                    return dataclasses.replace(case, schedule=run.deviations), runs
            return None, SAMPLED

        return sample

    def shrink(self, case: Case) -> Shrunk:
        """Shrink a failing case, and let the trio driver confirm what is left.

        Raises:
            ValueError: if the case does not fail.
            HarnessError: if the two drivers disagree.
        """
        signature = self.judge(case).signature
        shrunk = shrink(case, self.judge, self.searcher(signature), self.record, self.sampler(signature))
        confirmed = self.reference(shrunk.case).verdict
        if confirmed != shrunk.verdict:
            raise HarnessError(
                f"the direct driver says {shrunk.verdict.signature} of {shrunk.case.program} and the trio driver "
                f"{confirmed.signature}; the drivers must agree: report this case as a bug of the engine"
            )
        return shrunk


def _noted(sightings: list[SightingsWatcher], world: World) -> SightingsWatcher:
    sightings.append(SightingsWatcher(world))
    return sightings[-1]
