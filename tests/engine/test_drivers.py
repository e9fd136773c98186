"""The two drivers do the same, and nothing but the policy decides."""

from __future__ import annotations

from typing import Any

import pytest
import toys
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import seeded

from fuzz.engine import direct, trio_driver
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.errors import HarnessError
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.random_walk import RandomWalk

programs = st.lists(
    st.lists(st.lists(st.sampled_from(toys.INSTRUCTIONS), max_size=4).map(tuple), max_size=2), min_size=1, max_size=3
)


def everything(run: Run) -> Any:
    assert run.history is not None
    return (run.history.lines(), run.deviations, run.verdict, run.steps, run.preemptions)


@given(programs, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_both_drivers_agree(program: toys.RandomProgram, seed: int) -> None:
    direct_run = direct.run(toys.random_execution(program, record=True), RandomWalk(seeded(seed)))
    trio_run = trio_driver.run_alone(toys.random_execution(program, record=True), RandomWalk(seeded(seed)))

    assert everything(direct_run) == everything(trio_run)


def test_several_runs_share_an_event_loop() -> None:
    async def several() -> list[Any]:
        runs = []
        for seed in range(20):
            execution = toys.bluetooth().execution(record=True)
            runs.append(everything(await trio_driver.run(execution, RandomWalk(seeded(seed)))))
        return runs

    expected = [
        everything(direct.run(toys.bluetooth().execution(record=True), RandomWalk(seeded(seed)))) for seed in range(20)
    ]

    assert expected == trio.run(several)


def walk_of_trio(*, gated: bool) -> list[str]:
    """The order of the steps of three tasks, if trio is asked to choose, or not."""
    toy = toys.reorder(3, 0)
    execution = toy.execution(record=True)
    if gated:
        run = trio_driver.run_alone(execution, Canonical(execution))
    else:

        async def carry_out(number: int) -> None:
            while execution.pending[number] is not None:
                await trio.lowlevel.checkpoint()
                execution.runnable()
                execution.resume(number)

        async def all_of_them() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(carry_out, number)

        trio.run(all_of_them)
        execution.runnable()
        run = execution.result()
    assert run.history is not None
    return run.history.lines()


def test_trio_alone_is_not_deterministic() -> None:
    assert len({tuple(walk_of_trio(gated=False)) for _ in range(60)}) > 1


def test_trio_behind_gates_is_deterministic() -> None:
    assert len({tuple(walk_of_trio(gated=True)) for _ in range(60)}) == 1


class Stubborn:
    """Chooses a task that waits for a lock."""

    def next_task(self, runnable: Any, current: Any, canonical: int, pending: Any) -> int:
        return next(number for number, step in enumerate(pending) if number not in runnable and step is not None)


@pytest.mark.parametrize("drive", [direct.run, trio_driver.run_alone])
def test_a_policy_that_chooses_who_cannot_run_is_our_error_and_no_finding(drive: Any) -> None:
    async def holds(memory: toys.Memory) -> None:
        await toys.lock(memory, "m")
        await toys.write(memory, "x", 1)

    toy = toys.Toy(lambda: toys.Memory(("m",), x=0), [("a", [holds]), ("b", [holds]), ("c", [holds])])

    class First(Stubborn):
        def next_task(self, runnable: Any, current: Any, canonical: int, pending: Any) -> int:
            if current is None:
                return 0
            return super().next_task(runnable, current, canonical, pending)

    async def free(memory: toys.Memory) -> None:
        await toys.write(memory, "x", 2)

    toy = toy.but(tasks=[*toy.tasks, ("d", [free])])

    with pytest.raises(HarnessError, match="task b was resumed at lock"):
        drive(toy.execution(), First())


@pytest.mark.parametrize("drive", [direct.run, trio_driver.run_alone])
def test_an_error_of_the_policy_comes_out_as_it_is(drive: Any) -> None:
    class Broken:
        def next_task(self, *_: object) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(toys.twostage().execution(), Broken())


@pytest.mark.parametrize("drive", [direct.run, trio_driver.run_alone])
def test_a_program_without_tasks_holds(drive: Any) -> None:
    execution = Execution([], None)

    assert drive(execution, Canonical(execution)).verdict.outcome.value == "held"
