"""The bounded search: fewest deviations first, each schedule once."""

from __future__ import annotations

from functools import partial

import pytest
import toys
from every_schedule import every_schedule
from toys import seeded

from fuzz.search.explore import deviation_bounded


@pytest.mark.parametrize(
    ("toy", "deviations"),
    [
        pytest.param(toys.reorder(2), 1, id="reorder_3"),
        pytest.param(toys.reorder(4), 1, id="reorder_5"),
        pytest.param(toys.reorder(9), 1, id="reorder_10"),
        pytest.param(toys.reorder(19), 1, id="reorder_20"),
        pytest.param(toys.twostage(), 1, id="twostage"),
        pytest.param(toys.twostage(10, 10), 1, id="twostage_20"),
        pytest.param(toys.wronglock(3), 1, id="wronglock_3"),
        pytest.param(toys.wronglock(7), 1, id="wronglock"),
        pytest.param(toys.bluetooth(), 2, id="bluetooth"),
        pytest.param(toys.account(), 2, id="account"),
        pytest.param(toys.opposite_locks(), 1, id="opposite_locks"),
    ],
)
def test_the_published_numbers_of_deviations_are_enough(toy: toys.Toy, deviations: int) -> None:
    found = deviation_bounded(toy.execution, 3)

    assert found.failure is not None
    assert found.failure.verdict.failed
    assert len(found.failure.deviations) == deviations
    assert found.fully_explored == deviations


def test_a_bounded_search_meets_every_schedule_once() -> None:
    random = seeded(1)
    compared = 0
    while compared < 40:
        program = [
            [tuple(random.choice(toys.INSTRUCTIONS) for _ in range(random.randint(1, 3)))]
            for _ in range(random.randint(2, 3))
        ]
        make = partial(toys.random_execution, program)
        schedules = [run for run, _ in every_schedule(make)]
        if any(run.verdict.outcome.value != "held" for run in schedules):
            continue
        compared += 1

        found = deviation_bounded(make, 99)

        assert found.exhausted
        assert sum(found.runs) == len(schedules)
        for deviations, runs in enumerate(found.runs):
            assert runs == sum(len(run.deviations) == deviations for run in schedules)


@pytest.mark.parametrize("toy", [toys.bluetooth(), toys.account()], ids=["bluetooth", "account"])
def test_one_more_deviation_may_come_before_those_that_are_given_or_after(toy: toys.Toy) -> None:
    shortest = deviation_bounded(toy.execution, 2).failure
    assert shortest is not None
    assert len(shortest.deviations) == 2

    for given in shortest.deviations:
        found = deviation_bounded(toy.execution, 1, base=(given,))

        assert found.failure is not None
        assert len(found.failure.deviations) == 2
        assert given in found.failure.deviations


def test_a_limit_is_not_exhaustion() -> None:
    async def idle(memory: toys.Memory) -> None:
        for _ in range(3):
            await toys.write(memory, "x", 0)

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [idle]), ("b", [idle])])

    limited = deviation_bounded(toy.execution, 2, runs_max=3)
    complete = deviation_bounded(toy.execution, 1)

    assert (limited.runs, limited.exhausted, limited.failure, limited.fully_explored) == ((1, 2), False, None, 1)
    assert (complete.runs, complete.exhausted, complete.fully_explored) == ((1, 3), True, 2)


def test_another_failure_than_the_one_looked_for_does_not_end_the_search() -> None:
    toy = toys.opposite_locks()

    assert deviation_bounded(toy.execution, 2, signature=("violated", "something")).failure is None
    assert deviation_bounded(toy.execution, 2, signature=("deadlock", "no_deadlock")).failure is not None


def test_a_run_that_says_nothing_ends_the_search() -> None:
    async def crashing(memory: toys.Memory) -> None:
        await toys.read(memory, "nothing")

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [crashing])])

    found = deviation_bounded(toy.execution, 2, signature=("violated", "something"))

    assert found.failure is not None
    assert not found.exhausted
