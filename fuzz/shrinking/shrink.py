"""Shrink a failure to the case that a person would have written, and prove that no deviation is left to remove.

Three parts, each of which only ever replaces the best case by a smaller one that fails in the same way, and a
last one:

1. Deviations are left out in ever smaller chunks; then Hypothesis shrinks the case, written as choices.
2. Closing passes edit the case itself: without a task, an operation, a mapping, with simpler pages.  An edit moves
   anchors (a removed call is a visit less), so where the old deviations fail no more, all schedules with as many
   deviations are searched, up to a bound.  And perhaps another order, parameter or page does with fewer deviations.
   Where that is beyond the bound, any two deviations are left out, and one is tried in their place, anywhere; then one
   deviation alone, with every edit; then a few hundred schedules are sampled, since what they find, shortened, may be
   smaller.
3. A certificate: all schedules of the final program with 0, 1, ... deviations fewer than it has are
   exhausted.  If one of them fails it is adopted, and everything starts again.
4. Of all schedules as short the first in the order of the search is taken, so that one bug has one reproducer, wherever
   a campaign came across it.

Smaller is one total order, :func:`measure`: fewer operations, fewer tasks, fewer deviations, fewer failures, simpler
world and program, earlier anchors.  It is well-founded and every step makes it strictly smaller, so this
ends.  A failure with another signature is another bug: it is not followed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from fuzz.engine.verdict import Verdict
from fuzz.prose import count
from fuzz.search.explore import Schedule
from fuzz.shrinking.certificate import Certificate
from fuzz.shrinking.hypothesis_engine import shrink_choices
from fuzz.shrinking.naming import canonical
from fuzz.shrinking.simplify import combined, fewer_deviations, other_mechanisms, simpler, variations
from strategies.anchors import Anchors
from strategies.case import Case
from strategies.cases import case as case_production
from strategies.cases import write
from strategies.grammar import Choice, NotInGrammarError

__all__ = ["Measure", "SearchLimitError", "Shrunk", "measure", "shrink"]

Judge = Callable[[Case], Verdict]
Record = Callable[[Case], Case]
Search = Callable[[Case, int], tuple[Case | None, int]]
Sample = Callable[[Case], tuple[Case | None, int]]

MAX_RUNS: Final = 200_000  # about a minute with the direct driver
HYPOTHESIS_CALLS_MAX: Final = 3_000  # it is done after some hundreds, or stuck
CLOSING_SHARE: Final = 0.5  # of the runs, lest searching for other anchors leaves none for the certificate
# One edit needs some 100 runs to try all schedules with one deviation, and 100 times as many for each one more.
SIMPLER_BOUND: Final = 2
VARIATIONS_BOUND: Final = 1


class SearchLimitError(Exception):
    """A search stopped before it had exhausted its bound; raised by ``search`` and handled here.

    Args:
        runs: how many it had made.
    """

    def __init__(self, runs: int) -> None:
        super().__init__(f"a search stopped at its limit after {runs} runs; raise the limit for a certificate")
        self.runs = runs


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The end of shrinking.

    Args:
        case: the smallest case found.
        verdict: its verdict.
        certificate: what is proved about it.
        calls: how many runs it took altogether.
    """

    case: Case
    verdict: Verdict
    certificate: Certificate
    calls: int


Measure = tuple[int, int, int, int, int, tuple[Choice, ...], tuple[tuple[int, int, str, int], ...]]


def measure(case: Case) -> Measure:
    """How large a case is; what shrinking decreases.  Natural numbers and finite sets throughout: well-founded."""
    number = {task.name: at for at, task in enumerate(case.tasks)}
    try:
        choices = tuple(write(replace(case, schedule=(), failures=())))
    except NotInGrammarError:  # larger than anything that can be written
        choices = (1,) * 10_000
    anchors = [(number[one.task], one.visit, one.at, number[one.run]) for one in case.schedule]
    anchors += [(number[one.task], one.visit, one.at, 0) for one in case.failures]
    return (
        case.program.operations,
        len(case.program.tasks),
        len(case.schedule),
        len(case.failures),
        len(choices),
        choices,
        tuple(anchors),
    )


def shrink(
    case: Case,
    judge: Judge,
    search: Search,
    record: Record = lambda case: case,
    sample: Sample = lambda _: (None, 0),
    *,
    max_runs: int = MAX_RUNS,
) -> Shrunk:
    """Shrink a failing case as far as ``max_runs`` allows.

    Deterministic if its arguments are.  Each case is judged once at most.

    Args:
        case: it must fail.
        judge: runs a case.
        search: exhausts the schedules of a case's program with its deviations and at most so many more, and returns a
            case that fails like the one that is being shrunk, or ``None``, and how many runs it took.  Raises
            SearchLimitError if it cannot exhaust them.
        record: the case with the deviations that its run really used, for the same run.
        sample: tries some schedules of a case's program, and returns what ``search`` returns.
        max_runs: of ``judge`` and ``search`` together.  The limit is looked at between searches.

    Raises:
        ValueError: if ``case`` does not fail, or ``search`` returns what it was not asked for.
    """
    return _Shrinker(case, judge, search, record, sample=sample, max_runs=max_runs).run()


class _Shrinker:
    """The best case so far, and the runs that are left to improve on it."""

    def __init__(
        self, case: Case, judge: Judge, search: Search, record: Record, *, sample: Sample, max_runs: int
    ) -> None:
        self._judge = judge
        self._search = search
        self._record = record
        self._sample = sample
        self._max_runs = max_runs
        self._runs = 0
        self._verdicts: dict[Case, Verdict] = {}
        self._exhausted: dict[tuple[Case, int], int] = {}
        self._given_up: set[tuple[Case, int]] = set()
        self._tried: set[Case] = set()
        verdict = self._verdict(case)
        if not verdict.failed:
            raise ValueError(f"there is nothing to shrink: {case.program} is {verdict.outcome.value}; pass a failure")
        self._signature = verdict.signature
        renamed = canonical(case)
        self._best = renamed if self._fails(renamed) else case
        self._measure = measure(self._best)
        self._offer(self._best)

    def run(self) -> Shrunk:
        """Parts 1 to 3 until nothing gets smaller, then part 4."""
        self._shorten()
        certificate = None
        while certificate is None:
            before = self._measure
            self._hypothesis()
            self._close()
            if self._measure == before:
                certificate = self._certify()
        if certificate.complete:
            self._settle()
        return Shrunk(self._best, self._verdict(self._best), certificate, self._runs)

    # What both the passes and Hypothesis ask

    def _verdict(self, case: Case) -> Verdict:
        if case not in self._verdicts:
            self._runs += 1
            self._verdicts[case] = self._judge(case)
        return self._verdicts[case]

    def _fails(self, case: Case) -> bool:
        return self._verdict(case).signature == self._signature

    def _offer(self, case: Case) -> bool:
        """Adopt ``case`` if it fails in the same way and is smaller; has it been adopted?"""
        if not self._fails(case):
            return False
        recorded = self._record(case)
        for one in dict.fromkeys((recorded, case)):
            size = measure(one)
            if size < self._measure and self._fails(one):
                self._best, self._measure = one, size
                return True
        return False

    # 1. Hypothesis

    def _hypothesis(self) -> None:
        kernel = self._best.kernel
        anchors = Anchors.of(self._best)
        try:
            choices = write(self._best, anchors)
        except NotInGrammarError:
            return  # more than is ever generated: the closing passes first

        def fails(case: Case) -> bool:
            self._offer(case)
            return self._fails(case)

        calls = min(HYPOTHESIS_CALLS_MAX, max(1, self._max_runs - self._runs))
        shrink_choices(choices, lambda draw: case_production(draw, kernel, anchors), fails, calls)

    # 2. Closing passes

    def _close(self) -> None:
        self._shorten()
        while (
            self._replayed()
            or self._exchanged()
            or self._leapt()
            or self._searched(simpler, SIMPLER_BOUND)
            or self._searched(variations, VARIATIONS_BOUND)
            or self._searched(combined, VARIATIONS_BOUND)
            or self._searched(other_mechanisms, VARIATIONS_BOUND)
        ):
            self._shorten()

    def _shorten(self) -> None:
        """Leave out deviations.  First of all, since a random walk has dozens and Hypothesis tries all else before."""
        while any(map(self._offer, fewer_deviations(self._best))):
            pass

    def _replayed(self) -> bool:
        """Adopt an edited case that is smaller and fails with the deviations that it has."""
        return any(map(self._offer, itertools.chain(simpler(self._best), variations(self._best))))

    def _searched(self, edits: Callable[[Case], Iterator[Case]], bound: int) -> bool:
        """Adopt an edited case that is smaller and fails with some deviations, at most ``bound``."""
        deviations = len(self._best.schedule)
        size = measure(replace(self._best, schedule=()))
        for edited in edits(self._best):
            if self._runs >= self._max_runs * CLOSING_SHARE:
                break
            # What is no simpler has to do with fewer deviations.
            allowed = deviations - (measure(replace(edited, schedule=())) >= size)
            if allowed < 0:
                continue
            try:
                found = self._exhaust(edited, min(allowed, bound))
            except SearchLimitError:
                continue
            if found is not None and self._offer(found):
                return True
        return False

    def _exchanged(self) -> bool:
        """Adopt a schedule in which one deviation does what two did, where there are more than are searched for."""
        schedule = self._best.schedule
        if len(schedule) <= SIMPLER_BOUND:
            return False
        for left_out in itertools.combinations(schedule, 2):
            if self._runs >= self._max_runs * CLOSING_SHARE:
                break
            try:
                found = self._exhaust(self._best, 1, tuple(one for one in schedule if one not in left_out))
            except SearchLimitError:
                continue
            if found is not None and self._offer(found):
                return True
        return False

    def _leapt(self) -> bool:
        """Adopt a smaller case in place of one that needs more deviations than are searched for.

        Perhaps there is one near that needs hardly any, which costs less than to sample.
        """
        if len(self._best.schedule) <= SIMPLER_BOUND:
            return False
        near = (simpler, variations, other_mechanisms)
        return any(self._searched(edits, VARIATIONS_BOUND) for edits in near) or self._sampled()

    def _sampled(self) -> bool:
        """Adopt a smaller case, edited or not, that fails with deviations that some runs come across, shortened.

        Each case is sampled once.
        """
        for edited in itertools.chain((self._best,), simpler(self._best), variations(self._best)):
            if self._runs >= self._max_runs * CLOSING_SHARE:
                break
            bare = replace(edited, schedule=())
            if bare in self._tried:
                continue
            self._tried.add(bare)
            found, runs = self._sample(bare)
            self._runs += runs
            if found is not None and self._offer(self._shortened(found)):
                return True
        return False

    def _shortened(self, case: Case) -> Case:
        """``case`` without the deviations that it does not need to fail."""
        shorter: Case | None = self._record(case)
        while shorter is not None:
            case = shorter
            shorter = next(filter(self._fails, fewer_deviations(case)), None)
        return case

    # 3. The certificate

    def _certify(self) -> Certificate | None:
        """Exhaust the schedules with fewer deviations; ``None`` if one of them fails, and is now the best."""
        deviations = len(self._best.schedule)
        runs = 0
        for bound in range(deviations):
            if self._runs >= self._max_runs:
                return Certificate(deviations, bound - 1, runs)
            try:
                found = self._exhaust(self._best, bound)
            except SearchLimitError:
                return Certificate(deviations, bound - 1, runs)
            if found is not None:
                self._offer(found)
                return None
            runs = self._exhausted[replace(self._best, schedule=()), bound]
        return Certificate(deviations, deviations - 1, runs)

    # 4. The first of its kind

    def _settle(self) -> None:
        if self._best.schedule and self._runs < self._max_runs:
            try:
                self._best = self._exhaust(self._best, len(self._best.schedule)) or self._best
            except SearchLimitError:
                return  # the one that we have is as short

    def _exhaust(self, case: Case, bound: int, kept: Schedule = ()) -> Case | None:
        """A failing schedule of the case's program with ``kept`` and at most ``bound`` more, or ``None``; once each."""
        key, most = (replace(case, schedule=kept), bound), len(kept) + bound
        if key in self._exhausted:
            return None
        if key in self._given_up:
            raise SearchLimitError(0)
        try:
            found, runs = self._search(key[0], bound)
        except SearchLimitError as limit:
            self._runs += limit.runs
            self._given_up.add(key)
            raise
        self._runs += runs
        if found is None:
            self._exhausted[key] = runs
        elif replace(found, schedule=kept) != key[0] or len(found.schedule) > most or not self._fails(found):
            raise ValueError(
                f"a search of {case.program} with at most {count(most, 'deviation')} for {self._signature} found "
                f"{found.program} with {count(len(found.schedule), 'deviation')}, {self._verdict(found).signature}; "
                "it must return a schedule of the program that it is given, and the same signature"
            )
        return found
