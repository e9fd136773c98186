"""The parts of the portfolio, and what they do together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

import pytest
import toys
from every_schedule import every_schedule
from reference_programs import REFERENCE_PROGRAMS, reorder, three_windows, twostage
from toys import seeded

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.program import Program
from fuzz.search.behaviour import Behaviours, end_of
from fuzz.search.classes import Access, accesses, class_of
from fuzz.search.near import Near
from fuzz.search.neighbours import Following
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import kinds_of
from fuzz.search.policies.random_walk import RandomWalk
from fuzz.search.policies.turns import Turns
from fuzz.search.portfolio import MEMBERS, Portfolio


def random_program(random: toys.Random, tasks: int = 0) -> Callable[[], Execution]:
    program = [
        [tuple(random.choice(toys.INSTRUCTIONS) for _ in range(random.randint(1, 3)))]
        for _ in range(tasks or random.randint(2, 3))
    ]
    return partial(toys.random_execution, program, record=True)


def made_by(run: Run) -> list[Access]:
    assert run.history is not None
    return accesses(run.history)


def conflicts(made: Sequence[Access]) -> frozenset[object]:
    """Which of two conflicting steps came first, for all of them: the definition."""
    return frozenset(
        (one[:2], other[:2])
        for one, other in combinations(made, 2)
        if one.task == other.task or (one.target == other.target and (one.writes or other.writes))
    )


def test_runs_are_of_one_class_if_they_order_what_conflicts_alike() -> None:
    random = seeded(3)
    compared = 0
    for _ in range(20):
        named: dict[int, object] = {}
        for run, _ in every_schedule(random_program(random)):
            made = made_by(run)
            steps = frozenset(access[:2] for access in made)
            assert named.setdefault(class_of(made), (steps, conflicts(made))) == (steps, conflicts(made))
            compared += 1
        assert len(set(named.values())) == len(named)
    assert compared > 500


def test_near_begins_with_the_sequential_runs_and_ends_with_every_class() -> None:
    """Where no two tasks do the same, one of each class of deviations is all of them."""
    random = seeded(5)
    for _ in range(30):
        make = random_program(random, 2)
        kinds = kinds_of(make().specs)
        if len(set(kinds)) < len(kinds):
            continue
        every = {class_of(made_by(run)) for run, _ in every_schedule(make)}
        near = Near(kinds)
        seen = []
        while not near.is_exhausted:
            execution = make()
            made = made_by(direct.run(execution, near.policy(execution)))
            seen.append(class_of(made))
            near.learn(made)

        assert set(seen) == every


def test_a_hundred_equal_tasks_are_no_more_than_two() -> None:
    def deviations(setters: int) -> int:
        near = Near(kinds_of(reorder(setters).execution().specs))
        for runs in range(100):
            execution = reorder(setters).execution(record=True)
            run = direct.run(execution, near.policy(execution))
            if run.verdict.failed:
                return runs
            near.learn(made_by(run))
        return 100

    assert deviations(3) == deviations(99) == 2


def test_the_first_deviation_is_between_two_accesses_to_what_both_touch() -> None:
    async def looking(memory: toys.Memory) -> None:
        for name in ("own", "shared", "own", "shared", "own"):
            await toys.read(memory, name)

    async def changing(memory: toys.Memory) -> None:
        await toys.write(memory, "shared", 1)

    toy = toys.Toy(lambda: toys.Memory(own=0, shared=0), [("a", [looking]), ("b", [changing])])
    make = partial(toy.execution, record=True)

    near = Near(kinds_of(make().specs))
    found = []
    while not near.is_exhausted:
        execution = make()
        run = direct.run(execution, near.policy(execution))
        found.append([str(deviation) for deviation in run.deviations])
        near.learn(made_by(run))

    begin, in_order, *between = found[:4]
    assert [begin, in_order] == [[], ["a at read#1: run b"]]
    assert between == [["a at read#3: run b"], ["a at read#4: run b"]]


def test_the_first_runs_cost_nobody_a_turn() -> None:
    portfolio = Portfolio(lambda: twostage().execution(record=True), seeded(0))
    turns = []
    for _ in range(4):
        portfolio.next_run()
        turns.append((portfolio.last, [member.runs for member in portfolio.members]))

    nobody = [0] * len(MEMBERS)
    assert turns == [("turns", nobody), ("near", nobody), ("near", nobody), ("near", [1, *nobody[1:]])]


@pytest.mark.parametrize("make", [REFERENCE_PROGRAMS[name] for name in ("account", "wronglock", "wronglock_3")])
def test_what_any_overlap_shows_is_found_in_the_first_run(make: Callable[[], Program]) -> None:
    assert Portfolio(lambda: make().execution(record=True), seeded(0)).next_run().verdict.failed


def test_turns_go_downwards_and_begin_again() -> None:
    async def work(memory: toys.Memory) -> None:
        for _ in range(2):
            await toys.write(memory, "shared", 0)

    toy = toys.Toy(lambda: toys.Memory(shared=0), [(name, [work]) for name in ("a", "b", "c")])

    run = direct.run(toy.execution(record=True), Turns())

    assert run.history is not None
    assert [event.task for event in run.history.events if event.step] == [2, 1, 0, 2, 1, 0]


def test_a_recorded_run_is_followed() -> None:
    random = seeded(1)
    for make in REFERENCE_PROGRAMS.values():
        if len(make().tasks) > 20:
            continue
        run = direct.run(make().execution(record=True), RandomWalk(random))
        execution = make().execution(record=True)
        again = direct.run(execution, Following(execution, made_by(run)))

        assert again.deviations == run.deviations
        assert again.verdict == run.verdict


def test_behaviours_are_reads_hand_overs_and_ends() -> None:
    def shown(behaviours: Behaviours, tasks: int) -> int:
        execution = reorder(tasks).execution(record=True)
        run = direct.run(execution, Canonical(execution))
        return len(behaviours.note(run, end_of()(execution)).new)

    behaviours = Behaviours((0, 0, 2))

    assert shown(behaviours, 2) == len(behaviours) == behaviours.counts.count(1)
    assert shown(behaviours, 2) == 0
    assert set(behaviours.counts) == {2}
    assert shown(Behaviours((0,) * 50 + (50,)), 50) == shown(Behaviours((0, 0, 2)), 2)


def test_a_portfolio_is_deterministic_and_everybody_has_turns() -> None:
    def runs() -> tuple[list[object], Counter[str]]:
        portfolio = Portfolio(lambda: twostage(2, 2).execution(record=True), seeded(4))
        made = [portfolio.next_run() for _ in range(120)]
        return [run.deviations for run in made], Counter({one.name: one.runs for one in portfolio.members})

    first, turns = runs()

    assert runs() == (first, turns)
    assert set(turns) == set(MEMBERS)
    assert min(turns.values()) > 120 / len(MEMBERS) * 0.33
    assert turns.total() == 120 - 3  # the first ones are everybody's


@pytest.mark.parametrize("toy", [toys.opposite_locks(), toys.waiting_for_godot(), toys.account()])
def test_what_a_portfolio_runs_can_be_replayed(toy: toys.Toy) -> None:
    portfolio = Portfolio(lambda: toy.execution(record=True), seeded(0))
    for _ in range(30):
        run = portfolio.next_run()
        execution = toy.execution()
        again = direct.run(execution, Canonical(execution, run.deviations))

        assert again.verdict == run.verdict
        assert again.deviations == run.deviations


def test_a_program_of_one_task_is_soon_exhausted_and_goes_on() -> None:
    portfolio = Portfolio(lambda: reorder(1, 0).execution(record=True), seeded(0))

    for _ in range(20):
        assert portfolio.next_run().verdict.outcome.value == "held"
    assert len(portfolio.classes) == 1


@pytest.mark.parametrize("seed", range(3))
def test_one_window_after_the_other(seed: int) -> None:
    """One of 720 schedules fails, and a blind search needs as many; what was rare is what is gone on with."""
    portfolio = Portfolio(lambda: three_windows().execution(record=True), seeded(seed))

    assert any(portfolio.next_run().verdict.failed for _ in range(400))
