"""What is only ever drawn: swarms of operations, and programs and worlds in a focus."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest

from fuzz.search.draws import RandomDraw
from pagecache.history import HISTORY, Bug, Focus
from pagecache.operations import OPERATIONS, Collapse, Load, Operation, SeekHole, Store
from pagecache.world import WorldSpec
from strategies.case import Case
from strategies.cases import case, focused, swarmed, write

SAMPLE = 2_000


def kinds(value: Case) -> set[type[Operation]]:
    return {type(operation) for task in value.program.tasks for operation in task.operations}


def swarms() -> list[Case]:
    draw = RandomDraw(Random(0))
    return [swarmed(draw, "k") for _ in range(SAMPLE)]


def test_a_swarm_has_few_kinds_mostly_a_collapse() -> None:
    values = swarms()

    assert max(len(kinds(value)) for value in values) <= 4
    assert 0.6 * SAMPLE < sum(Collapse in kinds(value) for value in values) < 0.8 * SAMPLE


def test_every_kind_appears() -> None:
    assert set().union(*map(kinds, swarms())) == set(OPERATIONS)


def test_the_same_kind_meets_itself_more_often_than_without() -> None:
    def repeated(values: list[Case]) -> int:
        counts = [
            Counter(type(operation) for task in value.program.tasks for operation in task.operations)
            for value in values
        ]
        return sum(any(n > 1 for kind, n in count.items() if kind is not Collapse) for count in counts)

    draw = RandomDraw(Random(0))

    assert repeated(swarms()) > 1.5 * repeated([case(draw, "k") for _ in range(SAMPLE)])


def test_what_a_swarm_makes_can_be_written() -> None:
    for value in swarms()[:300]:
        assert write(value)


def test_a_focus_has_its_operations_and_features_only() -> None:
    focus = Focus(
        (Collapse, Load, Store),
        {"hpage_order": (2,), "pages": ("hole", "data"), "huge_pages": (2,), "vmas": (2, 3), "vma.missing": (True,)},
    )
    draw = RandomDraw(Random(0))
    for _ in range(300):
        value = focused(draw, "k", focus)

        assert kinds(value) <= {Collapse, Load, Store}
        assert value.world.hpage_order == 2
        assert len(value.world.pages) == 8
        assert set(value.world.pages) <= {"hole", "data"}
        assert len(value.world.vmas) in (2, 3)
        assert all(vma.missing for vma in value.world.vmas)


def test_as_many_huge_pages_as_fit_into_a_world() -> None:
    draw = RandomDraw(Random(0))
    focus = Focus((Load,), {"huge_pages": (2, 4), "hpage_order": (1, 2, 3)})

    worlds = {
        (world.hpage_order, len(world.pages) >> world.hpage_order)
        for world in (focused(draw, "k", focus).world for _ in range(300))
    }

    assert worlds == {(1, 2), (1, 4), (2, 2), (3, 1)}


def test_a_focus_can_have_operations_with_all_their_arguments() -> None:
    world = WorldSpec(("hole", "data", "hole", "data"), size=4)
    draw = RandomDraw(Random(0))
    focus = Focus((Collapse(0), Collapse(2), SeekHole, Load(1)), worlds=(world,))
    drawn = {
        operation
        for _ in range(200)
        for task in focused(draw, "k", focus).program.tasks
        for operation in task.operations
    }

    assert drawn == {Collapse(0), Collapse(2), Load(1), *(SeekHole(index) for index in range(4))}


def test_a_focus_can_name_its_worlds() -> None:
    worlds = (WorldSpec(("hole", "data")), WorldSpec(("data", "hole")))
    draw = RandomDraw(Random(0))

    drawn = {focused(draw, "k", Focus((SeekHole,), worlds=worlds)).world for _ in range(50)}

    assert drawn == set(worlds)


def test_a_focus_can_name_its_programs() -> None:
    programs = (((Collapse(0),), (Load(1), Store(1))), ((SeekHole(0),),))
    draw = RandomDraw(Random(0))

    drawn = {focused(draw, "k", Focus(programs=programs)).program for _ in range(50)}

    assert {tuple(task.operations for task in one.tasks) for one in drawn} == set(programs)


@pytest.mark.parametrize("bug", HISTORY, ids=lambda bug: bug.kernel.name)
def test_each_focus_of_the_museum_gives_cases_that_can_be_shrunk(bug: Bug) -> None:
    draw = RandomDraw(Random(0))
    for _ in range(100):
        value = focused(draw, bug.kernel.name, bug.focus)

        made = [*bug.focus.operations, *itertools.chain.from_iterable(itertools.chain(*bug.focus.programs))]
        assert kinds(value) <= {one if isinstance(one, type) else type(one) for one in made}
        assert write(value)


def test_every_feature_of_a_world_that_a_focus_may_ask_for_is_drawn_as_asked() -> None:
    pairs = itertools.combinations(("data", "hole", "unwritten"), 2)
    draw = RandomDraw(Random(0))
    for states in pairs:
        seen = {state for _ in range(50) for state in focused(draw, "k", Focus((Load,), {"pages": states})).world.pages}

        assert seen == set(states)
