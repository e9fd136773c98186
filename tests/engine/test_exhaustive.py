"""The exhaustive search says what brute force says."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import toys
from every_schedule import every_schedule
from toys import seeded

from fuzz.engine.execution import Execution
from fuzz.engine.verdict import Outcome
from fuzz.search.exhaustive import search
from pagecache.operations import Operation
from pagecache.promises.promise import Watcher
from pagecache.step import Task

PROGRAMS = 300
SCHEDULES_MAX = 2000


class Results(Watcher):
    """Remembers what was returned, so that it is part of the state, and can be part of the outcome."""

    def __init__(self) -> None:
        self.results: dict[tuple[str, int], Any] = {}

    def returned(self, task: Task, number: int, operation: Operation, result: Any) -> None:
        del operation
        self.results[task.name, number] = result

    def key(self) -> Any:
        return tuple(sorted(self.results.items()))


def outcome(execution: Execution) -> Any:
    """The verdict, the final state, and all results."""
    assert execution.verdict is not None
    memory = execution.world
    results = tuple(watcher.key() for _, watcher in execution.watchers)
    owners = tuple(str(mutex.owner) for mutex in memory.locks.values())
    return (execution.verdict.signature, tuple(sorted(memory.values.items())), owners, results)


def small_program(random: Random) -> toys.RandomProgram:
    tasks = random.randint(2, 3)
    return [
        [
            tuple(random.choice(toys.INSTRUCTIONS) for _ in range(random.randint(1, 4 if tasks == 2 else 2)))
            for _ in range(random.randint(1, 2 if tasks == 2 else 1))
        ]
        for _ in range(tasks)
    ]


def test_pruning_loses_no_outcome() -> None:
    random = seeded(2023)
    seen = {"violated": 0, "deadlock": 0, "held": 0}
    schedules = states = compared = 0
    while compared < PROGRAMS:
        program = small_program(random)
        watched = random.random() < 0.5

        def make(program: toys.RandomProgram = program, watched: bool = watched) -> Execution:
            return toys.random_execution(program, watchers=[("results", Results())] if watched else [])

        expected = set()
        for number, (_, end) in enumerate(every_schedule(make, outcome)):
            expected.add(end)
            if number > SCHEDULES_MAX:
                break
        else:
            found = search(make, outcome=outcome, stop_at_failure=False)

            assert found.exhausted
            assert found.outcomes == expected
            assert (found.failure is not None) == any(end[0][0] != "held" for end in expected)
            compared += 1
            schedules += number + 1
            states += found.states
            for word in {end[0][0] for end in expected}:
                seen[word] += 1

    assert min(seen.values()) > 20  # the programs are no trivial ones
    assert schedules > 5 * states  # and there was something to prune


@pytest.mark.parametrize(
    ("toy", "failure"),
    [
        (toys.reorder(3), Outcome.VIOLATED),
        (toys.twostage(2, 1), Outcome.VIOLATED),
        (toys.wronglock(2), Outcome.VIOLATED),
        (toys.bluetooth(), Outcome.VIOLATED),
        (toys.account(), Outcome.VIOLATED),
        (toys.opposite_locks(), Outcome.DEADLOCK),
        (toys.waiting_for_godot(), Outcome.LIVELOCK),
        (toys.polite_pair(), None),
    ],
    ids=["reorder", "twostage", "wronglock", "bluetooth", "account", "opposite_locks", "godot", "polite_pair"],
)
def test_the_reference_programs(toy: toys.Toy, failure: Outcome | None) -> None:
    first = search(toy.execution)
    everything = search(toy.execution, stop_at_failure=False)

    assert (first.failure and first.failure.verdict.outcome) == failure
    assert (everything.failure and everything.failure.verdict.outcome) == failure
    assert first.exhausted == (failure is None)
    assert everything.exhausted


def counters(steps: int) -> toys.Toy:
    """Two tasks, of which neither touches what the other does."""

    def counter(name: str) -> toys.Body:
        async def counting(memory: toys.Memory) -> None:
            for _ in range(steps):
                await toys.write(memory, name, 1)

        return counting

    return toys.Toy(lambda: toys.Memory(x=0, y=0), [("a", [counter("x")]), ("b", [counter("y")])])


def test_the_number_of_states_of_two_counters_is_a_grid() -> None:
    """4 x 4 positions, apart from those in which one task has ended and there is no choice."""
    assert search(counters(3).execution).states == 3 * 3


def test_a_run_goes_on_where_the_state_is_known_but_not_every_choice_tried() -> None:
    found = search(counters(20).execution)

    assert found.states == 20 * 20
    assert found.runs <= 2 * 20


def test_a_circle_without_a_way_out_is_a_livelock() -> None:
    """No single run notices: each is cut off where it comes back to a state that it has been in."""

    async def polling(memory: toys.Memory) -> None:
        seen = 0
        while not seen:
            seen = await toys.read(memory, "x")

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [polling]), ("b", [polling])])

    found = search(toy.execution)

    assert found.exhausted
    assert found.steps < 100
    assert found.failure is not None
    assert found.failure.verdict.signature == ("livelock", "no_livelock")
    assert found.outcomes == {("livelock", "no_livelock")}


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        ("states_max", {"states_max": 10}),
        ("runs_max", {"runs_max": 5}),
        ("time", {"out_of_time": lambda: True}),
    ],
)
def test_a_limit_is_not_exhaustion(limit: str, options: dict[str, Any]) -> None:
    found = search(toys.reorder(4).execution, stop_at_failure=False, **options)

    assert not found.exhausted
    assert found.limit == limit


def test_a_run_that_uses_up_its_steps_ends_the_claim() -> None:
    async def counting(memory: toys.Memory) -> None:
        for value in range(30):
            await toys.write(memory, "x", value)

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [counting]), ("b", [counting])])

    found = search(lambda: toy.execution(steps_max=20))

    assert not found.exhausted
    assert found.limit == "steps_max"
    assert found.failure is None


def test_a_run_that_says_nothing_ends_the_claim() -> None:
    async def crashing(memory: toys.Memory) -> None:
        x = await toys.read(memory, "x")
        if x:
            await toys.read(memory, "nothing")

    async def writing(memory: toys.Memory) -> None:
        await toys.write(memory, "x", 1)

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [crashing]), ("b", [writing])])

    for stop_at_failure in (True, False):
        found = search(toy.execution, stop_at_failure=stop_at_failure)

        assert not found.exhausted
        assert found.failure is not None
        assert found.failure.verdict.signature == ("unknown", "the_model_crashed")
