"""Four ways to exhaust the schedules of a program, and brute force."""

from __future__ import annotations

from typing import Any

import pytest
import toys
from every_schedule import every_schedule
from test_exhaustive import outcome, small_program
from toys import seeded

from fuzz.engine.execution import Execution
from fuzz.engine.verdict import Outcome
from fuzz.search.exhaustive import search
from fuzz.search.proof import ALL, Bound, prove

BOUNDS = [ALL, Bound(classes=True), Bound(deviations=9), Bound(preemptions=9)]


def test_a_bound_on_preemptions_loses_no_outcome_within_it() -> None:
    random = seeded(2007)
    compared = bounded = 0
    while compared < 60:
        program = small_program(random)

        def make(program: toys.RandomProgram = program) -> Execution:
            return toys.random_execution(program)

        ends: list[tuple[int, Any]] = []
        for run, end in every_schedule(make, outcome):
            ends.append((run.preemptions, end))
            if len(ends) > 300:
                break
        else:
            for preemptions in range(3):
                expected = {end for number, end in ends if number <= preemptions}
                found = search(make, outcome=outcome, stop_at_failure=False, preemptions=preemptions)

                assert found.exhausted
                assert found.outcomes == expected
                bounded += expected != {end for _, end in ends}
            compared += 1

    assert bounded > 5  # the bound bound


@pytest.mark.parametrize("bound", BOUNDS, ids=["states", "classes", "deviations", "preemptions"])
def test_the_shortest_counterexample_has_the_fewest_deviations(bound: Bound) -> None:
    proof = prove(toys.reorder(2).execution, bound)

    assert proof.failure is not None
    assert proof.failure.verdict.outcome is Outcome.VIOLATED
    assert len(proof.failure.deviations) == 1
    assert proof.shortest


@pytest.mark.parametrize("bound", BOUNDS, ids=["states", "classes", "deviations", "preemptions"])
def test_what_never_fails_is_exhausted(bound: Bound) -> None:
    toy = toys.polite_pair() if bound == ALL else toys.twostage(1, 0)
    proof = prove(toy.execution, bound)

    assert proof.failure is None
    assert proof.exhausted
    assert proof.effort.startswith(f"{proof.runs} run")


def test_what_is_not_exhausted_says_why() -> None:
    for bound in (ALL, Bound(classes=True)):
        proof = prove(toys.reorder(3).execution, bound, stop_at_failure=False, out_of_time=lambda: True)

        assert (proof.exhausted, proof.limit) == (False, "time")


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (ALL, "all schedules"),
        (Bound(deviations=1), "all schedules with at most 1 deviation"),
        (Bound(preemptions=2), "all schedules with at most 2 preemptions"),
    ],
)
def test_a_bound_in_words(bound: Bound, words: str) -> None:
    assert str(bound) == words
