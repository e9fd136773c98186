"""fuzz.explore: from a program to the shortest schedule that fails, or to how much is left."""

from __future__ import annotations

import pytest
from memory import Memory, read, write
from reference_programs import REFERENCE_PROGRAMS

from fuzz import Program, explore
from fuzz.errors import HarnessError
from fuzz.exploring import Exploration

DEVIATIONS = {
    "account": 2,
    "bluetooth_driver": 2,
    "reorder_3": 1,
    "reorder_20": 1,
    "twostage": 1,
    "twostage_20": 1,
    "wronglock": 1,
    "WorkStealQueue": 2,
    "run_far_ahead": 1,
    "three_windows": 3,
}
"""What is published, or counted by hand."""


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_reference_program_ends_as_its_shortest_schedule(name: str) -> None:
    found = explore(REFERENCE_PROGRAMS[name], seed=1, schedules_max=400).found

    assert found is not None
    assert len(found.run.deviations) == DEVIATIONS[name]
    assert found.certificate.complete
    assert found.run.verdict.signature == found.first.verdict.signature


async def increment(memory: Memory) -> None:
    x = await read(memory, "x")
    await write(memory, "x", x + 1)


def counted(memory: Memory) -> str | None:
    return None if memory.values["x"] == 2 else f"x is {memory.values['x']}"


def lost_update() -> Program:
    return Program(Memory(x=0), {"one": [increment], "two": [increment]}, check=counted)


def test_what_a_person_reads() -> None:
    assert str(explore(lost_update, seed=0)) == (
        "step   | one           | two\n"
        "   1   | increment()   |\n"
        "   2   |   read(x)     |\n"
        "   3 > |               | increment()\n"
        "   4   |               |   read(x)\n"
        "   5   |               |   write(x, 1)\n"
        "   6   |               |   = None\n"
        "   7   |   write(x, 1) |\n"
        "   8   |   = None      |\n"
        "\n"
        "Broken promise: The check passes.\n"
        "x is 1\n"
        "\n"
        "Why: It fails if two runs after one's read(x) (step 2) and before one's write(x, 1) (step 7). one\n"
        "looks at variable 0 (read(x), step 2) before two changes it (write(x, 1), step 5). two changes\n"
        "variable 0 (write(x, 1), step 5) before one does (write(x, 1), step 7). The nearest schedule that\n"
        "passes has 'one at read#1: run two' instead.\n"
        "\n"
        "Schedule: one at write#1: run two\n"
        "Minimal: no schedule with fewer than 1 deviation fails (exhausted, 1 run).\n"
        "\n"
        "Found by turns after 1 schedule, 4 steps, 6 behaviours."
    )


def test_equal_seeds_make_equal_searches() -> None:
    def search(seed: int) -> Exploration:
        return explore(REFERENCE_PROGRAMS["three_windows"], seed=seed, schedules_max=50)

    assert search(3).as_json() == search(3).as_json()
    assert search(3).as_json() != search(4).as_json()


def test_a_program_that_holds_says_how_much_is_left() -> None:
    async def one_more(memory: Memory) -> None:
        x = await read(memory, "x")
        await write(memory, "y", x)

    found = explore(lambda: Program(Memory(x=0, y=0), {"a": [one_more], "b": [one_more]}), schedules_max=60)

    assert found.found is None
    assert found.schedules == 60
    assert found.steps == 240
    assert found.as_json()["verdict"] == "held"
    assert found.left.schedules == pytest.approx(6)
    assert found.left.classes == 2
    assert found.left.new_class == 0
    assert str(found).splitlines()[0].startswith("Not seen in 60 schedules, 240 steps, ")


def test_a_program_that_does_not_work_is_no_finding() -> None:
    async def broken(memory: Memory) -> None:
        await read(memory, "nothing")

    found = explore(lambda: Program(Memory(x=0), {"a": [broken]}))

    assert found.found is None
    assert found.unknown is not None
    assert found.as_json()["verdict"] == "unknown"
    assert "KeyError" in str(found)


def test_a_program_that_remembers_is_found_out() -> None:
    calls = []

    async def forgetful(memory: Memory) -> None:
        await read(memory, "x")
        calls.append(1)
        assert len(calls) != 1

    with pytest.raises(HarnessError, match="make it fresh"):
        explore(lambda: Program(Memory(x=0), {"a": [forgetful]}))
