"""Every kernel, fuzzed: Hypothesis generates worlds and programs, the engine tries schedules of each.

A kernel that is known to be broken must be found to be, promise by promise (strict expected failures, see
:mod:`fuzz.known`).  One that is not must hold, and must have been in danger.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.campaign import SCHEDULES_PER_PROGRAM, missed, schedules_of
from fuzz.corpus.entry import Found
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.keep import Kept, known, known_elsewhere, report
from fuzz.kernel_file import own_corpus
from fuzz.known import KNOWN
from fuzz.prose import count
from fuzz.subject import Subject
from fuzz.violation import Inconclusive, Violation
from pagecache.kernel import Kernel
from pagecache.promises import DEFAULT_PROMISES, Promise, judged
from strategies.case import Case
from strategies.cases import programs_and_worlds

SEEDS = st.integers(0, 2**32 - 1)

THOROUGH = 4
"""How many times as many programs are tried where something must be found: it ends with the first, most at once."""

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")


class _Found(Exception):  # noqa: N818 - leaves @given at the first failure
    """The search can stop."""


def _apart(known: Sequence[str]) -> str:
    return f", apart from {', '.join(known)}" if known else ""


class Search:
    """The schedules of one kernel, until one fails or there are enough."""

    def __init__(self, subject: Subject, most: int | None, corpus: Path, wanted: str, option: str) -> None:
        self.subject = subject
        self.most = most
        self.corpus = corpus
        self.wanted = wanted
        self.option = option
        self.thoroughness = THOROUGH if wanted else 1
        self.known: set[Path] = set()
        self.schedules = 0
        self.programs = 0
        self.reached: set[str] = set()
        self.failure: tuple[Case, Run] | None = None

    def run(self) -> None:
        """Let Hypothesis generate programs, and try schedules of each."""
        per_program = SCHEDULES_PER_PROGRAM + 2
        examples = self.thoroughness * settings().max_examples if self.most is None else -(-self.most // per_program)

        @settings(max_examples=examples)
        @given(case=programs_and_worlds(self.subject.kernel.name), seed=SEEDS)
        def programs(case: Case, seed: int) -> None:
            self._try(case, seed)

        try:
            programs()
        except _Found:
            return

    def _try(self, case: Case, seed: int) -> None:
        if self.failure is None:
            self.programs += 1
            for tried, run in schedules_of(self.subject, case, Random(seed), self.reached):
                self.schedules += 1
                if run.verdict.outcome is not Outcome.HELD:
                    failing = dataclasses.replace(tried, schedule=run.deviations)
                    if not self._is_beside_the_point(failing, run):
                        self.failure = failing, run
                    break
        if self.failure is not None:
            raise _Found

    def _is_beside_the_point(self, failing: Case, run: Run) -> bool:
        """Is it another failure than the one that is wanted; or, if none is, one that the corpus has?"""
        if not run.verdict.failed:
            return False
        if self.wanted:
            return run.verdict.promise != self.wanted
        shrunk = self.subject.shrink(failing)
        path = known(shrunk, self.subject.kernel, self.corpus) or known_elsewhere(shrunk, self.subject, self.corpus)
        if path is not None:
            self.known.add(path)
        return path is not None

    def keep(self) -> Kept:
        """Shrink the failure, save it, report it."""
        assert self.failure is not None
        shrunk = self.subject.shrink(self.failure[0])
        found = Found(0, self.schedules)
        return report(self.subject, shrunk, found, self.corpus, self.option, expected=bool(self.wanted))

    @property
    def effort(self) -> str:
        """What was done, in words."""
        return f"{count(self.schedules, 'schedule')} of {count(self.programs, 'program')}"


def _search(kernel: Kernel, promises: Sequence[Promise], config: pytest.Config, wanted: str = "") -> Search:
    given = config.getoption("--kernel")
    own = own_corpus(given) if given else None
    option = f" --kernel {shlex.quote(given)}" if own else ""
    corpus = own or config.rootpath / "corpus"
    search = Search(Subject(kernel, promises), config.getoption("--schedules"), corpus, wanted, option)
    search.run()
    if search.failure is not None and search.failure[1].verdict.outcome is Outcome.UNKNOWN:
        verdict = search.failure[1].verdict
        raise Inconclusive(f"{kernel.name}: no verdict after {search.effort}: {verdict.promise}\n{verdict.sentence}")
    return search


def test_known_to_be_broken(kernel: Kernel, broken: str, pytestconfig: pytest.Config, say: Callable[..., None]) -> None:
    """The promise is found to be broken, in the way that somebody said."""
    search = _search(kernel, [one for one in DEFAULT_PROMISES if one.name == broken], pytestconfig, wanted=broken)
    if search.failure is None:
        say(f"{kernel.name}: {broken} was NOT found to be broken in {search.effort}")
        return
    kept = search.keep()
    verdict = kept.shrunk.verdict
    case = kept.shrunk.case
    size = f"{count(case.program.operations, 'operation')}, {count(len(case.schedule), 'deviation')}"
    after = count(search.schedules, "schedule")
    say(f"{kernel.name}: {verdict.promise} broken after {after}; {size}; see {kept.path.name}", kept.text)
    raise Violation(kept.text)


def test_holds(kernel: Kernel, pytestconfig: pytest.Config, say: Callable[..., None]) -> None:
    """Nothing that is not known is found, and the search came near everything that could go wrong."""
    broken = KNOWN.get(kernel.name, {})
    search = _search(kernel, judged(without=broken), pytestconfig)
    if search.failure is not None:
        raise Violation(search.keep().text)
    apart = [*broken, *sorted(path.name for path in search.known)]
    say(f"{kernel.name}: not seen in {search.effort}{_apart(apart)}")
    missing = ", ".join(missed(search.schedules, search.reached))
    if missing:
        raise Inconclusive(
            f"{kernel.name}: {search.effort}, but these never occurred, so nothing was tested: {missing}"
        )
