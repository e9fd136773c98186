"""One run of each class: as many as brute force finds, and no outcome less."""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import Any

import pytest
import toys
from classes import class_of
from every_schedule import every_schedule
from test_exhaustive import outcome, small_program
from toys import seeded

from fuzz.engine.execution import Execution
from fuzz.search.dpor import explore_classes

PROGRAMS = 300
SCHEDULES_MAX = 600


def compared(program: toys.RandomProgram, *, calls: bool, random: Random | None) -> tuple[int, int, set[str]] | None:
    """Compare the two searches.  How many schedules and classes there are, and the words of the verdicts."""

    def make(*, record: bool = False) -> Execution:
        return toys.random_execution(program, record=record)

    outcomes: set[Any] = set()
    classes: set[Hashable] = set()
    for number, (run, end) in enumerate(every_schedule(lambda: make(record=True), outcome)):
        outcomes.add(end)
        classes.add(class_of(run, calls=calls))
        if number > SCHEDULES_MAX:
            return None
    found = explore_classes(make, outcome=outcome, calls=calls, stop_at_failure=False, random=random)

    assert found.exhausted
    assert found.outcomes == outcomes
    assert found.classes == len(classes)
    assert (found.failure is not None) == any(end[0][0] != "held" for end in outcomes)
    return number + 1, found.classes, {end[0][0] for end in outcomes}


@pytest.mark.parametrize("calls", [False, True])
def test_there_are_as_many_classes_as_brute_force_finds(calls: bool) -> None:
    random = seeded(2014)
    seen = {"violated": 0, "deadlock": 0, "held": 0}
    programs = schedules = classes = 0
    while programs < PROGRAMS // 2:
        counts = compared(small_program(random), calls=calls, random=random if random.random() < 0.5 else None)
        if counts is None:
            continue
        programs += 1
        schedules += counts[0]
        classes += counts[1]
        for word in counts[2]:
            seen[word] += 1

    assert min(seen.values()) > 10  # the programs are no trivial ones
    assert schedules > 2 * classes  # and there was something to reduce


async def checks_nothing(memory: toys.Memory) -> None:
    """The checker of reorder, without the check: a run that ends early is a class of its own."""
    a = await toys.read(memory, "a")
    if a == 0:
        b = await toys.read(memory, "b")
        if b == 0:
            return
    a = await toys.read(memory, "a")
    if a == 1:
        await toys.read(memory, "b")


def reorder(setters: int) -> toys.Toy:
    toy = toys.reorder(setters)
    return toy.but(tasks=[*toy.tasks[:-1], ("checker", [checks_nothing])])


@pytest.mark.parametrize(
    ("toy", "classes"),
    [
        (toys.twostage(), 3),
        (toys.account(), 6),
        (reorder(2), 56),
        (reorder(3), 1248),
        (toys.opposite_locks(), 3),
    ],
    ids=["twostage", "account", "reorder_3", "reorder_4", "opposite_locks"],
)
def test_the_reference_programs(toy: toys.Toy, classes: int) -> None:
    found = explore_classes(toy.execution, calls=False, stop_at_failure=False)

    assert found.exhausted
    assert found.classes == classes
    assert found.runs < 2 * classes


def test_the_classes_of_bluetooth_are_those_that_brute_force_finds() -> None:
    toy = toys.bluetooth()
    runs = [run for run, _ in every_schedule(lambda: toy.execution(record=True), lambda _: None)]

    assert len({class_of(run, calls=False) for run in runs}) == 8
    assert explore_classes(toy.execution, calls=False, stop_at_failure=False).classes == 8


def test_independent_tasks_are_one_class() -> None:
    def counting(name: str) -> toys.Body:
        async def counter(memory: toys.Memory) -> None:
            for value in range(5):
                await toys.write(memory, name, value)

        return counter

    toy = toys.Toy(lambda: toys.Memory(x=0, y=0, z=0), [(name, [counting(name)]) for name in "xyz"])

    assert explore_classes(toy.execution, calls=False).runs == 1
    assert explore_classes(toy.execution, calls=True).runs > 1  # who returned before who was called


def test_the_order_of_the_choices_makes_no_difference_to_what_is_covered() -> None:
    toy = reorder(2)
    counts = {
        explore_classes(toy.execution, calls=False, stop_at_failure=False, random=seeded(seed)).classes
        for seed in range(20)
    }

    assert counts == {56}


def test_a_random_choice_finds_sooner_what_a_fixed_order_finds_late() -> None:
    toy = toys.reorder(4)
    in_order = explore_classes(toy.execution, calls=False)
    drawn = sorted(explore_classes(toy.execution, calls=False, random=seeded(seed)).runs for seed in range(5))

    assert in_order.failure is not None
    assert drawn[2] < in_order.runs


def test_a_limit_is_not_exhaustion() -> None:
    found = explore_classes(toys.reorder(3).execution, stop_at_failure=False, runs_max=10)

    assert not found.exhausted
    assert found.limit == "runs_max"
