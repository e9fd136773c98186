"""Every program of a stated size: all of them, and none twice."""

from __future__ import annotations

from collections import Counter

import pytest

from pagecache.operations import OPERATIONS
from pagecache.world import WorldSpec
from strategies.case import Program
from strategies.enumeration import LEFT_OUT, WORLDS, every_operation, every_program, without_an_operation


def test_an_operation_is_listed_or_left_out_for_a_reason() -> None:
    listed = {type(operation) for world in WORLDS for operation in every_operation(world)}

    assert listed | set(LEFT_OUT) == set(OPERATIONS)
    assert not listed & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


def test_the_worlds_are_all_of_two_pages() -> None:
    assert len(set(WORLDS)) == len(WORLDS) == 3 * 3 * 2


@pytest.mark.parametrize("world", WORLDS[:3], ids=str)
def test_every_program_makes_sense_and_is_listed_once(world: WorldSpec) -> None:
    programs = list(every_program(world))
    number = len(every_operation(world))

    assert len(programs) == len(set(programs)) == 1 + number + number**2 + number * (number + 1) // 2
    assert all(
        not operation.problem(world)
        for program in programs[:300]
        for task in program.tasks
        for operation in task.operations
    )


def test_programs_that_mirror_each_other_are_listed_once() -> None:
    def mirrored(program: Program) -> Counter[object]:
        return Counter(task.operations for task in program.tasks)

    seen = Counter(frozenset(mirrored(program).items()) for program in every_program(WORLDS[0]))

    assert set(seen.values()) == {1}


def test_what_is_smaller_by_an_operation_is_listed_too() -> None:
    programs = list(every_program(WORLDS[2]))
    listed = set(programs)

    assert not list(without_an_operation(programs[0]))
    assert all(smaller in listed for program in programs for smaller in without_an_operation(program))
    assert len(list(without_an_operation(programs[-1]))) == 2
