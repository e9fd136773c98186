"""Each place that can fail does so now and then."""

from __future__ import annotations

import itertools
from random import Random

from fuzz.campaign import schedules
from fuzz.engine import direct
from fuzz.engine.run import Run
from fuzz.search.failing import Failing, Place, can_fail
from fuzz.search.policies.canonical import Canonical
from fuzz.subject import Subject
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Fallocate, Operation
from pagecache.world import WorldSpec
from strategies.case import Case, Failure
from strategies.programs import named

SUBJECT = Subject(LINUX_2026_MENDED)


def sequential(*operations: Operation) -> Run:
    case = Case(SUBJECT.kernel.name, WorldSpec(("hole", "data")), named([operations]))
    execution = SUBJECT.execution(case, record=True)
    return direct.run(execution, Canonical(execution))


def test_the_same_call_of_two_operations_is_two_places() -> None:
    found = dict(can_fail(sequential(Fallocate(0, 1), Collapse(0))))

    assert found[Failure("fallocate", "folio_alloc", 1)] == Place("Fallocate", "folio_alloc")
    assert found[Failure("fallocate", "folio_alloc", 2)] == Place("Collapse", "folio_alloc")


def test_the_place_that_has_failed_least_is_next() -> None:
    run, failing = sequential(Collapse(0)), Failing()
    places = dict(can_fail(run))

    chosen = [failing.choose(run, Random(seed), 3) for seed in range(3 * len(set(places.values())))]

    counts = [
        sum(failure is not None and places[failure] == place for failure in chosen) for place in set(places.values())
    ]
    assert len(counts) > 2
    assert set(counts) == {3}


def test_what_has_failed_often_is_left_alone() -> None:
    run, failing = sequential(Collapse(0)), Failing()
    for _ in range(2 * len(set(dict(can_fail(run)).values()))):
        assert failing.choose(run, Random(0), 2) is not None

    assert failing.choose(run, Random(0), 2) is None
    assert failing.choose(run, Random(0), 3) is not None


def test_a_search_makes_one_call_of_each_program_fail() -> None:
    failed = programs = 0
    for case, run in itertools.islice(schedules(SUBJECT, Random(0)), 600):
        programs += run is None
        failed += run is not None and len(case.failures) == 1 and not run.deviations

    assert failed > 0.6 * programs
