"""What every policy must do, and what each is there for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
import toys
from toys import seeded

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.search.policies import POLICIES, Policy
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.pct import Pct
from fuzz.search.policies.pos import Pos
from fuzz.search.policies.profile import Pair, Profile, Site, kinds_of
from fuzz.search.policies.random_walk import MostlyKeepRunning, RandomWalk
from fuzz.search.policies.reads_from import ReadsFrom, Wish, draw_wish
from fuzz.search.policies.sampled_deviations import sample_deviations
from fuzz.search.policies.surw import Surw
from fuzz.search.policies.urw import Urw
from pagecache.step import Step, step
from strategies.case import Deviation

TOYS = {
    "reorder": toys.reorder(2),
    "twostage": toys.twostage(2, 1),
    "wronglock": toys.wronglock(2),
    "bluetooth": toys.bluetooth(),
    "account": toys.account(),
    "opposite_locks": toys.opposite_locks(),
    "polite_pair": toys.polite_pair(),
    "waiting_for_godot": toys.waiting_for_godot(),
}


def sequential(toy: toys.Toy, schedule: tuple[Deviation, ...] = ()) -> Run:
    execution = toy.execution(record=True)
    return direct.run(execution, Canonical(execution, schedule))


def profile_of(toy: toys.Toy) -> Profile:
    history = sequential(toy).history
    assert history is not None
    return Profile.of(history)


def lines(run: Run) -> list[str]:
    assert run.history is not None
    return run.history.lines()


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
@pytest.mark.parametrize("name", POLICIES)
def test_the_recorded_deviations_give_the_same_run(name: str, toy: toys.Toy) -> None:
    profile = profile_of(toy)
    for seed in range(12):
        execution = toy.execution(record=True)
        run = direct.run(execution, POLICIES[name](execution, seeded(seed), profile))

        again = sequential(toy, run.deviations)

        assert lines(run) == lines(again)
        assert run.deviations == again.deviations
        assert run.verdict == again.verdict
        assert run.preemptions == again.preemptions
        assert again.unused(run.deviations) == ()


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_random_numbers_give_the_same_run(name: str) -> None:
    toy = toys.bluetooth()
    profile = profile_of(toy)

    def once() -> list[str]:
        execution = toy.execution(record=True)
        return lines(direct.run(execution, POLICIES[name](execution, seeded(7), profile)))

    assert once() == once()


class Strict:
    """A policy around another that checks what both sides promise."""

    def __init__(self, execution: Execution, inner: Policy) -> None:
        self.execution = execution
        self.inner = inner

    def next_task(
        self, runnable: Sequence[int], current: int | None, canonical: int, pending: Sequence[Step | None]
    ) -> int:
        assert list(runnable) == sorted(runnable)
        assert len(runnable) >= 2
        assert canonical == (current if current in runnable else min(runnable))
        for number, pending_step in enumerate(pending):
            is_ready = pending_step is not None and (pending_step.ready is None or pending_step.ready())
            assert is_ready == (number in runnable)
        chosen = self.inner.next_task(runnable, current, canonical, pending)
        assert chosen in runnable
        return chosen


@pytest.mark.parametrize("toy", TOYS.values(), ids=TOYS)
@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_asked_only_where_there_is_a_choice_and_chooses_who_can_run(name: str, toy: toys.Toy) -> None:
    profile = profile_of(toy)
    for seed in range(10):
        execution = toy.execution()
        direct.run(execution, Strict(execution, POLICIES[name](execution, seeded(seed), profile)))


def bystander(tasks: int, steps: int) -> toys.Toy:
    """Tasks that only write, so that nothing ever blocks."""

    async def writing(memory: toys.Memory) -> None:
        for _ in range(steps):
            await toys.write(memory, "x", 0)

    return toys.Toy(lambda: toys.Memory(x=0), [(f"t{number}", [writing]) for number in range(tasks)])


def test_canonical_runs_each_task_to_its_end() -> None:
    assert [line.split()[0] for line in lines(sequential(bystander(3, 2))) if "write(" in line] == [
        *["t0"] * 2,
        *["t1"] * 2,
        *["t2"] * 2,
    ]


def test_an_unreached_deviation_is_unused_and_the_others_apply() -> None:
    never = Deviation("t0", "write", 9, "t1")
    no_such_task = Deviation("nobody", "write", 1, "t1")
    applies = Deviation("t0", "write", 2, "t1")

    run = sequential(bystander(2, 3), (never, no_such_task, applies))

    assert run.deviations == (applies,)
    assert run.unused((never, no_such_task, applies)) == (never, no_such_task)
    assert run.preemptions == 1


def test_several_deviations_at_one_place_apply_in_their_order() -> None:
    first = Deviation("t0", "write", 1, "t2")
    second = Deviation("t0", "write", 1, "t1")

    run = sequential(bystander(3, 1), (first, second))

    assert [line.split()[0] for line in lines(run) if "write(" in line] == ["t2", "t1", "t0"]
    assert run.deviations == (first, second)
    assert run.preemptions == 0


def test_a_deviation_to_a_blocked_task_is_left_for_later() -> None:
    """P1 waits for F0 until P0 has released it; P0 passes the anchor before, so it stays unused."""
    blocked = Deviation("P0", "lock", 2, "P1")
    toy = toys.opposite_locks()
    same_order = toy.but(tasks=[toy.tasks[0], ("P1", toy.tasks[0][1])])

    run = sequential(same_order, (blocked,))

    assert run.verdict.outcome.value == "held"
    assert run.unused((blocked,)) == (blocked,)


def resume_order_toy() -> toys.Toy:
    """Three tasks of four steps each."""

    async def four(memory: toys.Memory) -> None:
        for _ in range(4):
            await toys.write(memory, "x", 0)

    return toys.Toy(lambda: toys.Memory(x=0), [(name, [four]) for name in "ABC"])


def resumed(run: Run) -> tuple[str, ...]:
    """The tasks in the order in which they run, a name for each turn."""
    turns: list[str] = []
    for line in lines(run):
        name, _, what = line.partition(" ")
        if what.startswith("write(") and turns[-1:] != [name]:
            turns.append(name)
    return tuple(turns)


def test_pct_reaches_both_orders_of_resuming() -> None:
    """A is interrupted, then B, then C runs to its end: who goes on first?

    With two change points, A, B, C must be in this order of priority (1/6), the change points must fall on A's first
    three steps and the following three of B (9 of 78 pairs), and the labels must be right (1/2): about one
    run in a hundred for each order.  Demotion to the lowest place would never let B go on before A.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for seed in range(3000):
        execution = resume_order_toy().execution(record=True)
        counts[resumed(direct.run(execution, Pct(seeded(seed), 3, 3, 12)))] += 1

    last_in_first_out, first_in_first_out = counts["A", "B", "C", "B", "A"], counts["A", "B", "C", "A", "B"]

    assert last_in_first_out > 10
    assert first_in_first_out > 10


def test_pct_2_finds_a_bug_of_depth_2_as_often_as_the_theorem_says() -> None:
    """reorder with one setter: 2 tasks, 4 choices: at least one run in 2 * 4."""
    toy = toys.reorder(1)
    horizon = profile_of(toy).horizon
    failed = 0
    for seed in range(1000):
        execution = toy.execution()
        failed += direct.run(execution, Pct(seeded(seed), 2, 2, horizon)).verdict.failed

    assert failed > 1000 / (2 * horizon) * 0.8


def test_a_horizon_shorter_than_the_change_points_is_no_error() -> None:
    execution = bystander(2, 1).execution()

    assert direct.run(execution, Pct(seeded(0), 2, 9, 2)).verdict.outcome.value == "held"


def test_mostly_keep_running_preempts_less_than_a_random_walk() -> None:
    toy = bystander(3, 10)

    def preemptions(policy: type[RandomWalk | MostlyKeepRunning]) -> int:
        return sum(direct.run(toy.execution(), policy(seeded(seed))).preemptions for seed in range(100))

    assert preemptions(MostlyKeepRunning) < preemptions(RandomWalk) / 2


def contested_toy() -> toys.Toy:
    async def alone(memory: toys.Memory) -> None:
        for _ in range(6):
            await toys.write(memory, "mine", 1)
        await toys.read(memory, "ours")
        await step("spin_unlock")

    async def other(memory: toys.Memory) -> None:
        await toys.write(memory, "ours", 1)

    return toys.Toy(lambda: toys.Memory(mine=0, ours=0), [("a", [alone]), ("b", [other])])


def test_the_profile_has_the_visible_steps_and_prefers_the_contested() -> None:
    profile = profile_of(contested_toy())

    assert [f"{anchor.task} {anchor.at} {anchor.visit}" for anchor in profile.anchors] == [
        *[f"a write {visit}" for visit in range(1, 7)],
        "a read 1",
        "b write 1",
    ]
    assert profile.weights == (1, 2, 3, 4, 5, 6, 22, 38)
    assert profile.horizon == 8


def test_sampled_deviations_are_few_and_mostly_where_tasks_meet() -> None:
    profile = profile_of(contested_toy())
    samples = [sample_deviations(seeded(seed), profile) for seed in range(500)]
    drawn = Counter(deviation for sample in samples for deviation in sample)

    assert {len(sample) for sample in samples} == {1, 2, 3, 4}
    assert {(one.task, one.run) for one in drawn} == {("a", "b"), ("b", "a")}
    assert drawn[Deviation("a", "read", 1, "b")] > 5 * drawn[Deviation("a", "write", 1, "b")]


def test_sampled_deviations_of_a_single_task_are_none() -> None:
    assert sample_deviations(seeded(0), profile_of(bystander(1, 3))) == ()


def of_lengths(*lengths: int) -> toys.Toy:
    """A task for each length, which writes to the same variable so often."""

    def writer(length: int) -> toys.Body:
        async def writing(memory: toys.Memory) -> None:
            for _ in range(length):
                await toys.write(memory, "x", 0)

        return writing

    return toys.Toy(lambda: toys.Memory(x=0), [(f"t{n}", [writer(length)]) for n, length in enumerate(lengths)])


def chi_square(counts: Counter[object], ways: int) -> float:
    expected = sum(counts.values()) / ways
    return sum((counts[one] - expected) ** 2 / expected for one in counts) + (ways - len(counts)) * expected


def order(run: Run, name: str = "x") -> str:
    return "".join(line[1] for line in lines(run) if f"write({name}" in line)


def test_urw_is_uniform_over_the_interleavings() -> None:
    """Of 4, 2 and 1 steps: 105 interleavings.  Chi-square with 104 degrees of freedom exceeds 150 once in 400 times."""
    toy = of_lengths(4, 2, 1)
    profile = profile_of(toy)
    random = seeded(0)
    counts: Counter[object] = Counter()
    walked: Counter[object] = Counter()
    for _ in range(4200):
        execution = toy.execution(record=True)
        policy = Urw(execution, random, profile)
        counts[order(direct.run(execution, policy))] += 1
        assert math.exp(policy.log_space) == pytest.approx(105)
        walked[order(direct.run(toy.execution(record=True), RandomWalk(random)))] += 1

    assert len(counts) == 105
    assert chi_square(counts, 105) < 150
    assert chi_square(walked, 105) > 1000


def noisy_toy() -> toys.Toy:
    """Two accesses to x each, one task with much to do in between."""

    def writer(noise: int) -> toys.Body:
        async def writing(memory: toys.Memory) -> None:
            await toys.write(memory, "x", 0)
            for _ in range(noise):
                await toys.write(memory, "y", 0)
            await toys.write(memory, "x", 0)

        return writing

    async def reader(memory: toys.Memory) -> None:
        await toys.read(memory, "y")

    tasks = [("t0", [writer(0)]), ("t1", [writer(5)]), ("t2", [reader])]
    return toys.Toy(lambda: toys.Memory(x=0, y=0), tasks)


def test_surw_is_uniform_over_the_orders_of_one_object() -> None:
    """Six orders of the accesses to x.  Chi-square with 5 degrees of freedom exceeds 17 once in 200 times."""
    toy = noisy_toy()
    profile = profile_of(toy)
    random = seeded(0)
    counts: Counter[object] = Counter()
    drawn: Counter[object] = Counter()
    for _ in range(2400):
        execution = toy.execution(record=True)
        policy = Surw(execution, random, profile)
        run = direct.run(execution, policy)
        drawn[policy.target] += 1
        if policy.target == ("variable", 0):
            counts[order(run)] += 1

    assert drawn[("variable", 0)] / drawn.total() == pytest.approx(4 / 10, abs=0.03)
    assert chi_square(counts, 6) < 17


def test_surw_of_tasks_that_share_nothing_is_no_error() -> None:
    toy = bystander(1, 3)

    assert (
        direct.run(toy.execution(), Surw(toy.execution(), seeded(0), profile_of(toy))).verdict.outcome.value == "held"
    )


def test_pos_lets_a_task_run_ahead_of_what_it_does_not_conflict_with() -> None:
    """t0 takes eight steps of its own before it writes x, t1 writes x at once.

    t0 is first if each of its steps has a higher priority than t1's only one: 1 in 10.  In a random walk: 1 in 512.
    """

    async def late(memory: toys.Memory) -> None:
        for _ in range(8):
            await toys.write(memory, "own", 0)
        await toys.write(memory, "x", 0)

    async def early(memory: toys.Memory) -> None:
        await toys.write(memory, "x", 0)

    toy = toys.Toy(lambda: toys.Memory(own=0, x=0), [("t0", [late]), ("t1", [early])])
    random = seeded(0)
    counts = Counter(order(direct.run(toy.execution(record=True), Pos(random, 2))) for _ in range(1000))

    assert counts["01"] == pytest.approx(100, abs=30)


def test_pos_draws_again_where_steps_conflict() -> None:
    """Two tasks of three conflicting writes: without another draw t0 would need to win three times over one number."""
    toy = of_lengths(3, 3)
    random = seeded(0)
    counts = Counter(order(direct.run(toy.execution(record=True), Pos(random, 2))) for _ in range(1600))

    assert counts["000111"] == pytest.approx(200, abs=40)  # three coins


@pytest.mark.parametrize(
    ("name", "share"), [("reorder", 0.7), ("twostage", 0.25), ("wronglock", 0.4), ("bluetooth", 0.4)]
)
def test_many_wishes_are_granted(name: str, share: float) -> None:
    """Not all can be: nobody finds a lock as somebody else has taken it, and a branch may not be taken."""
    toy = TOYS[name]
    profile = profile_of(toy)
    granted = wished = 0
    for pair in profile.pairs:
        for seed in range(20):
            execution = toy.execution(record=True)
            wish = draw_wish(seeded(seed), profile, pair)
            run = direct.run(execution, ReadsFrom(execution, seeded(seed), [wish], goes_on=False))
            wished += 1
            granted += wish in read_from(run)

    assert granted / wished > share


def read_from(run: Run) -> set[Wish]:
    """Who has read from whom, as wishes that were granted."""
    assert run.history is not None
    visits: Counter[tuple[int, str]] = Counter()
    written: dict[object, tuple[int, Site]] = {}
    seen = set()
    for event in run.history.events:
        step = event.step
        if step is None or step.target is None:
            continue
        visits[event.task, step.call] += 1
        here = (event.task, Site(event.task, step.call, visits[event.task, step.call]))
        seen.add(Wish(written.get(step.target), here, step.target))
        if step.writes:
            written[step.target] = here
    return seen


def test_a_profile_counts_what_is_left_and_who_does_the_same() -> None:
    toy = toys.reorder(2)
    execution = toy.execution(record=True)
    history = direct.run(execution, Canonical(execution)).history
    assert history is not None
    profile = Profile.of(history, kinds_of(execution.specs))

    assert profile.kinds == (0, 0, 2)
    assert profile.left == [[2, 2, 1], [2, 2, 1], [3, 3, 2, 1]]
    assert profile.contested == {("variable", 0): 4, ("variable", 1): 3}
    assert profile.accesses_left(("variable", 1)) == [[1, 1, 1], [1, 1, 1], [1, 1, 1, 1]]
    assert Pair(Site(0, "write", 1), Site(2, "read", 1), ("variable", 0)) in profile.pairs
    assert Pair(None, Site(2, "read", 3), ("variable", 1)) in profile.pairs
    assert len(profile.pairs) == 10
