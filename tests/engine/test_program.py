"""A program of one's own, and the reference programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from every_schedule import every_schedule
from memory import Memory, lock, read, unlock, write
from reference_programs import REFERENCE_PROGRAMS, Make

from fuzz import Program, explore, verify
from fuzz.engine import direct
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.search.explore import deviation_bounded
from fuzz.search.policies.canonical import Canonical
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task, step


def sequential(program: Program) -> Run:
    execution = program.execution(record=True)
    return direct.run(execution, Canonical(execution))


async def increment(memory: Memory, by: int = 1) -> int:
    x = await read(memory, "x")
    await write(memory, "x", x + by)
    return x


def test_tasks_do_their_bodies_in_turn_and_say_so() -> None:
    run = sequential(Program(Memory(x=0), {"one": [increment, partial(increment, by=2)], "two": [increment]}))

    assert run.verdict.outcome is Outcome.HELD
    assert run.history is not None
    assert run.history.lines() == [
        "one increment()",
        "one read(x)",
        "one write(x, 1)",
        "one increment() = 0",
        "one increment(by=2)",
        "one read(x)",
        "one write(x, 3)",
        "one increment(by=2) = 1",
        "two increment()",
        "two read(x)",
        "two write(x, 4)",
        "two increment() = 3",
    ]


def test_a_program_has_a_task() -> None:
    with pytest.raises(ValueError, match=r"^tasks is empty, so there is nothing to run; give at least one, by name$"):
        Program(Memory(x=0), {})


def test_the_check_is_asked_at_the_end() -> None:
    def check(memory: Memory) -> str | None:
        return f"x is {memory.values['x']}"

    run = sequential(Program(Memory(x=0), {"one": [increment]}, check=check))

    assert run.verdict.signature == ("violated", "the_check_passes")
    assert run.verdict.sentence == "x is 1"


def test_an_assertion_is_a_failure_and_another_exception_is_none() -> None:
    async def wrong(memory: Memory) -> None:
        x = await read(memory, "x")
        assert x == 1

    async def broken(memory: Memory) -> None:
        await read(memory, "y")

    asserted = sequential(Program(Memory(x=0), {"one": [wrong]})).verdict
    crashed = sequential(Program(Memory(x=0), {"one": [broken]})).verdict

    assert asserted.signature == ("violated", "no_assertion_fails")
    assert asserted.sentence.startswith("one at read(x): assert ")
    assert crashed.signature == ("unknown", "the_model_crashed")


@pytest.mark.parametrize("target", ["tail", ("tail", 0), ("cell", 1, 2)])
def test_a_target_is_anything_that_has_a_hash(target: Any) -> None:
    async def racing(memory: Memory) -> None:
        await step("load", target=target)
        seen = memory.values["x"]
        await step("store", target=target, writes=True)
        memory.values["x"] = seen + 1

    def lost(memory: Memory) -> str | None:
        return None if memory.values["x"] == 2 else "one is lost"

    def make() -> Program:
        return Program(Memory(x=0), {"one": [racing], "two": [racing]}, check=lost)

    assert explore(make, seed=0).found is not None
    assert verify(make).counterexample is not None
    assert verify(make, classes=True).counterexample is not None


@pytest.mark.parametrize("search", [explore, partial(verify, classes=True)])
def test_a_target_without_a_hash_is_a_mistake_of_the_program(search: Callable[[Callable[[], Program]], object]) -> None:
    async def wrong(_memory: Memory) -> None:
        await step("load", "x", target=["x"])  # type: ignore[arg-type]

    with pytest.raises(
        TypeError, match=r"^the target of load\(x\) is \['x'\], which has no hash; give a text, or a tuple"
    ):
        search(lambda: Program(Memory(x=0), {"one": [wrong], "two": [wrong]}))


def test_nobody_asks_the_check_after_a_deadlock() -> None:
    async def twice(memory: Memory) -> None:
        await lock(memory, "m")
        await lock(memory, "m")
        await unlock(memory, "m")

    def check(memory: Memory) -> str | None:
        raise NotImplementedError

    assert sequential(Program(Memory(("m",)), {"one": [twice]}, check=check)).verdict.outcome is Outcome.DEADLOCK


def test_watchers_look_on() -> None:
    class NeverTwo(Watcher):
        def after(self, task: Task, step: Step) -> str | None:
            memory: Any = self.world
            return "x is 2" if memory.values["x"] == 2 else None

    memory = Memory(x=0)
    program = Program(memory, {"one": [increment] * 3}, watchers=[("x_is_never_2", NeverTwo(memory))])  # type: ignore[arg-type]

    assert sequential(program).verdict.signature == ("violated", "x_is_never_2")


@pytest.mark.parametrize("make", REFERENCE_PROGRAMS.values(), ids=REFERENCE_PROGRAMS)
def test_a_reference_program_holds_in_its_order_and_fails_in_another(make: Make) -> None:
    assert sequential(make()).verdict.outcome is Outcome.HELD

    found = deviation_bounded(lambda: make().execution(), 3)

    assert found.failure is not None
    assert found.failure.verdict.outcome is Outcome.VIOLATED


def test_three_windows_fails_in_one_of_720_schedules() -> None:
    runs = every_schedule(lambda: REFERENCE_PROGRAMS["three_windows"]().execution())
    outcomes = [run.verdict.outcome for run, _ in runs]

    assert len(outcomes) == 720
    assert outcomes.count(Outcome.VIOLATED) == 1
