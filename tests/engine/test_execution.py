"""One run: points, deviations, calls and returns, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import toys

from fuzz.engine import direct
from fuzz.engine.deadlock import waits_for_user_space
from fuzz.engine.execution import Execution
from fuzz.engine.limits import FAIR_STEPS_MAX, STEPS_MAX
from fuzz.engine.run import Run
from fuzz.engine.verdict import Outcome
from fuzz.errors import HarnessError
from fuzz.search.policies.canonical import Canonical
from pagecache.operations import Operation
from pagecache.promises.promise import Watcher
from pagecache.step import KernelBug, Oops, Task, UseAfterFree, Wait, step
from strategies.case import Deviation, Failure


def memory() -> toys.Memory:
    return toys.Memory(("m",), x=0)


def one(*bodies: toys.Body) -> toys.Toy:
    """Tasks a, b, ... with one operation each."""
    return toys.Toy(memory, [(name, [body]) for name, body in zip("abcdef", bodies, strict=False)])


def carry_out(toy: toys.Toy, *schedule: Deviation, **options: Any) -> Run:
    execution = toy.execution(record=True, **options)
    return direct.run(execution, Canonical(execution, schedule))


def lines(run: Run) -> list[str]:
    assert run.history is not None
    return run.history.lines()


async def writing(memory: toys.Memory) -> int:
    await toys.write(memory, "x", 1)
    return 7


async def pausing_then_writing(memory: toys.Memory) -> None:
    await step("pause")
    await toys.write(memory, "x", 2)
    await step("pause")


# Points.


class Asked:
    """Notes at which steps there was a choice; follows the canonical schedule."""

    def __init__(self) -> None:
        self.at: list[str] = []

    def next_task(self, runnable: Any, current: Any, canonical: int, pending: Any) -> int:
        self.at.append(f"{canonical} {pending[canonical]}")
        return canonical


def choices(toy: toys.Toy) -> list[str]:
    asked = Asked()
    direct.run(toy.execution(), asked)
    return asked.at


def test_an_invisible_step_of_the_current_task_is_no_choice() -> None:
    assert choices(one(pausing_then_writing, writing)) == ["0 pause()", "0 write(x, 2)"]


def test_the_first_step_of_an_operation_is_a_choice_even_if_it_is_invisible() -> None:
    """Else b could not return before a's second operation is called."""
    toy = toys.Toy(memory, [("a", [writing, pausing_then_writing]), ("b", [writing])])

    assert choices(toy) == ["0 write(x, 1)", "0 pause()", "0 write(x, 2)"]


def test_a_task_that_is_alone_has_no_choices() -> None:
    assert choices(one(writing)) == []


def test_nothing_takes_effect_before_the_first_step_is_taken() -> None:
    execution = one(writing, writing).execution(record=True)

    assert [str(pending) for pending in execution.pending] == ["write(x, 1)", "write(x, 1)"]
    assert execution.world.values == {"x": 0}
    assert execution._history is not None
    assert execution._history.events == []


def test_a_visit_counts_all_calls_of_a_task_also_invisible_ones() -> None:
    async def twice(memory: toys.Memory) -> None:
        for _ in range(2):
            await step("pause")
        await toys.write(memory, "x", 1)
        await step("pause", target=("pause", 0))

    run = carry_out(one(twice, writing), Deviation("a", "pause", 3, "b"))

    assert lines(run)[:-2] == [
        "a Do(twice)",
        "a pause()",
        "a pause()",
        "a write(x, 1)",
        "b Do(writing)",
        "b write(x, 1)",
        "b Do(writing) = 7",
    ]


# History.


def test_a_call_is_noted_before_its_first_step_and_a_return_after_its_last() -> None:
    toy = toys.Toy(memory, [("a", [writing, pausing_then_writing]), ("b", [writing])])

    run = carry_out(toy, Deviation("a", "pause", 1, "b"))

    assert lines(run) == [
        "a Do(writing)",
        "a write(x, 1)",
        "a Do(writing) = 7",
        "b Do(writing)",
        "b write(x, 1)",
        "b Do(writing) = 7",
        "a Do(pausing_then_writing)",
        "a pause()",
        "a write(x, 2)",
        "a pause()",
        "a Do(pausing_then_writing) = None",
    ]
    assert run.history is not None
    assert [event.deviates for event in run.history.events if event.kind == "step"] == [False, True, *[False] * 3]


def test_an_operation_without_steps_is_called_and_returns_at_once() -> None:
    async def nothing(_: toys.Memory) -> int:
        return 3

    toy = toys.Toy(memory, [("a", [nothing, writing, nothing])])

    assert lines(carry_out(toy)) == [
        "a Do(nothing)",
        "a Do(nothing) = 3",
        "a Do(writing)",
        "a write(x, 1)",
        "a Do(writing) = 7",
        "a Do(nothing)",
        "a Do(nothing) = 3",
    ]


def test_without_record_there_is_no_history() -> None:
    execution = one(writing).execution()

    assert direct.run(execution, Canonical(execution)).history is None


# Watchers.


class Log(Watcher):
    def __init__(self, log: list[str]) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.log = log

    def before(self, task: Task, step: Any) -> None:
        self.log.append(f"before {task} {step}")

    def after(self, task: Task, step: Any) -> None:
        self.log.append(f"after {task} {step}")

    def called(self, task: Task, number: int, operation: Operation) -> None:
        self.log.append(f"called {task} {number} {operation}")

    def returned(self, task: Task, number: int, operation: Operation, result: Any) -> None:
        self.log.append(f"returned {task} {number} {operation} {result}")

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> None:
        self.log.append(f"ended {pending}")


def test_watchers_are_told_in_this_order() -> None:
    log: list[str] = []
    carry_out(one(writing), watchers=[("log", Log(log))])

    assert log == [
        "called a 0 Do(writing)",
        "before a write(x, 1)",
        "after a write(x, 1)",
        "returned a 0 Do(writing) 7",
        "ended []",
    ]


@pytest.mark.parametrize("method", ["before", "after", "called", "returned", "ended"])
def test_a_watcher_that_objects_ends_the_run_and_one_that_raises_makes_it_unknown(method: str) -> None:
    def objecting(*_: object) -> str:
        return "I object"

    def crashing(*_: object) -> str:
        return str(1 // 0)

    def watcher(what: Callable[..., str]) -> Watcher:
        return type("Odd", (Watcher,), {method: what})(None)  # type: ignore[no-any-return]

    objected = carry_out(one(writing, writing), watchers=[("fine", Log([])), ("odd", watcher(objecting))])
    crashed = carry_out(one(writing, writing), watchers=[("odd", watcher(crashing))])

    assert objected.verdict.signature == ("violated", "odd")
    assert objected.verdict.sentence == "I object"
    assert crashed.verdict.signature == ("unknown", "an_oracle_crashed")
    assert "the watcher of odd raised" in crashed.verdict.sentence
    assert crashed.verdict.sentence.endswith("ZeroDivisionError: integer division or modulo by zero")
    assert not crashed.verdict.failed


# Verdicts.


@pytest.mark.parametrize(
    ("error", "signature"),
    [
        (KernelBug("locked twice"), ("violated", "no_kernel_assertion_fails")),
        (UseAfterFree("locked twice"), ("violated", "no_freed_memory_is_used")),
        (Oops("locked twice"), ("violated", "the_kernel_does_not_oops")),
        (ValueError("locked twice"), ("unknown", "the_model_crashed")),
    ],
)
def test_what_an_exception_out_of_a_step_means(error: Exception, signature: tuple[str, str]) -> None:
    async def raising(memory: toys.Memory) -> None:
        await toys.write(memory, "x", 1)
        raise error

    verdict = carry_out(one(raising, writing)).verdict

    assert verdict.signature == signature
    assert verdict.sentence.startswith("a at write(x, 1):")
    assert "locked twice" in verdict.sentence


def test_an_exception_before_the_first_step_is_judged_too() -> None:
    async def raising(memory: toys.Memory) -> None:
        memory.values["nothing"] += 1
        await toys.write(memory, "x", 1)

    verdict = carry_out(one(raising)).verdict

    assert verdict.signature == ("unknown", "the_model_crashed")
    assert verdict.sentence.startswith("a before the first step of Do(raising):")
    assert verdict.sentence.endswith("KeyError: 'nothing'")


@pytest.mark.parametrize("attribute", ["ready", "waits_for"])
def test_an_exception_when_asked_who_can_run_or_why_not_is_judged_too(attribute: str) -> None:
    def crashing() -> Any:
        return 1 // 0

    async def waiting(_: toys.Memory) -> None:
        await step("wait", **({"ready": lambda: False} | {attribute: crashing}))

    assert carry_out(one(waiting)).verdict.signature == ("unknown", "the_model_crashed")


def test_awaiting_what_is_no_step_is_the_models_fault() -> None:
    class Foreign:
        def __await__(self) -> Any:
            yield self

    async def foreign(_: toys.Memory) -> None:
        await Foreign()

    verdict = carry_out(one(foreign)).verdict

    assert verdict.signature == ("unknown", "the_model_crashed")
    assert "which is not a Step" in verdict.sentence


def test_a_deadlock_is_a_table_of_who_waits_for_whom() -> None:
    run = carry_out(toys.opposite_locks(), Deviation("P0", "lock", 2, "P1"))

    assert run.verdict.signature == ("deadlock", "no_deadlock")
    assert run.verdict.sentence.splitlines() == [
        "Nobody can run any more:",
        "  P0  at lock(F1)  waits for the lock of F1, held by P1",
        "  P1  at lock(F0)  waits for the lock of F0, held by P0",
    ]


def test_waiting_for_a_task_that_has_ended_is_a_deadlock() -> None:
    async def leaking(memory: toys.Memory) -> None:
        await toys.lock(memory, "m")

    run = carry_out(one(leaking, leaking))

    assert run.verdict.sentence.splitlines()[1:] == [
        "  b  at lock(m)  waits for the lock of m, held by a, which has ended"
    ]


def test_waiting_for_nothing_in_particular_is_a_deadlock() -> None:
    async def hanging(_: toys.Memory) -> None:
        await step("hang", ready=lambda: False)

    run = carry_out(one(hanging))

    assert run.verdict.sentence.splitlines()[1:] == ["  a  at hang()  waits for something that it does not name"]


async def faulting(memory: toys.Memory) -> None:
    """Waits for user space with the lock held."""
    await toys.lock(memory, "m")
    await step("schedule", ready=lambda: False, waits_for=lambda: Wait("user space to fill index 0", user=True))


async def locking(memory: toys.Memory) -> None:
    await toys.lock(memory, "m")


async def looking_then_locking(memory: toys.Memory) -> None:
    await toys.read(memory, "x")
    await toys.lock(memory, "m")


def test_waiting_for_user_space_also_by_way_of_others_is_an_end() -> None:
    log: list[str] = []

    run = carry_out(one(faulting, locking, looking_then_locking), watchers=[("log", Log(log))])

    assert run.verdict.outcome is Outcome.HELD
    assert log[-1] == "ended [(Task('a', 0), Do(faulting)), (Task('c', 2), Do(looking_then_locking))]"


def test_waiting_for_user_space_does_not_excuse_the_others() -> None:
    async def hanging(_: toys.Memory) -> None:
        await step("hang", ready=lambda: False)

    assert carry_out(one(faulting, hanging)).verdict.outcome is Outcome.DEADLOCK


def test_who_waits_for_several_needs_all_of_them() -> None:
    asleep, stuck, waiting = Task("asleep", 0), Task("stuck", 1), Task("waiting", 2)
    user = Wait("user space", user=True)

    assert waits_for_user_space({asleep: user, waiting: Wait("both", (asleep,))})
    assert not waits_for_user_space({asleep: user, stuck: Wait("itself", (stuck,))})
    assert not waits_for_user_space(
        {asleep: user, stuck: Wait("that", (waiting,)), waiting: Wait("all", (asleep, stuck))}
    )


def test_a_loop_that_no_fair_scheduler_ends_is_a_livelock() -> None:
    run = carry_out(toys.waiting_for_godot(), Deviation("poll", "write", 1, "wake"))

    assert run.verdict.signature == ("livelock", "no_livelock")
    assert run.verdict.sentence.endswith("no end in sight:\n  poll at read(seen)")
    assert run.steps == STEPS_MAX + FAIR_STEPS_MAX


class Alternate:
    def next_task(self, runnable: Any, current: Any, canonical: int, pending: Any) -> int:
        return next((number for number in runnable if number != current), canonical)


def test_a_loop_that_only_this_schedule_keeps_going_is_not() -> None:
    """In lock step the two never get both locks; turns that grow let one of them finish."""
    run = direct.run(toys.polite_pair().execution(), Alternate())

    assert run.fair_suffix
    assert run.verdict.outcome is Outcome.HELD
    assert STEPS_MAX < run.steps < STEPS_MAX + 100


def test_the_fair_suffix_is_replayed_from_the_deviations_alone() -> None:
    run = direct.run(toys.polite_pair().execution(record=True), Alternate())

    assert lines(carry_out(toys.polite_pair(), *run.deviations)) == lines(run)


# Failures.


async def allocating(_: toys.Memory) -> str:
    current = await step("alloc", target=("memory", 0), fails="ENOMEM")
    if current.failing:
        return "ENOMEM"
    current = await step("alloc", target=("memory", 0))
    return f"failing is {current.failing}"


def test_a_failure_hits_its_visit_only_and_only_what_can_fail() -> None:
    toy = toys.Toy(memory, [("a", [allocating] * 2), ("b", [allocating])])

    def results(*failures: Failure) -> list[str]:
        return [line.partition(" = ")[2] for line in lines(carry_out(toy, failures=failures)) if " = " in line]

    assert results() == ["failing is False"] * 3
    assert results(Failure("a", "alloc", 1)) == ["ENOMEM", *["failing is False"] * 2]
    assert results(Failure("a", "alloc", 3)) == ["failing is False", "ENOMEM", "failing is False"]
    assert results(Failure("a", "alloc", 2)) == ["failing is False"] * 3
    assert results(Failure("nobody", "alloc", 1)) == ["failing is False"] * 3


# Teardown.


def torn_down(cleanup: Callable[[toys.Memory], Any], *bodies: toys.Body) -> Run:
    execution: Execution
    execution = one(*bodies).execution(teardown=lambda: cleanup(execution.world))
    return direct.run(execution, Canonical(execution))


async def checks_x(memory: toys.Memory) -> None:
    x = await toys.read(memory, "x")
    toys.check(x == 0, f"x is {x} in the end")


async def reads_for_ever(memory: toys.Memory) -> None:
    while True:
        await toys.read(memory, "x")


def test_the_teardown_runs_when_all_have_finished_and_is_judged() -> None:
    async def idle(memory: toys.Memory) -> None:
        await toys.read(memory, "x")

    assert torn_down(checks_x, idle).verdict.outcome is Outcome.HELD
    assert torn_down(checks_x, writing).verdict.signature == ("violated", "no_kernel_assertion_fails")
    assert torn_down(checks_x, writing).verdict.sentence == "eviction at read(x): x is 1 in the end"
    assert torn_down(checks_x, writing, faulting).verdict.outcome is Outcome.HELD
    assert torn_down(locking, locking).verdict.sentence.splitlines()[1:] == [
        "  eviction  at lock(m)  waits for the lock of m, held by a, which has ended"
    ]
    assert torn_down(reads_for_ever, idle).verdict.outcome is Outcome.LIVELOCK


# Drivers.


def test_the_result_of_a_run_that_goes_on_is_refused() -> None:
    with pytest.raises(HarnessError, match="the run has not ended after 0 steps"):
        one(writing).execution().result()


def test_resuming_who_has_ended_is_refused() -> None:
    execution = one(writing, writing).execution()
    execution.runnable()
    execution.resume(0)

    with pytest.raises(HarnessError, match="task a was resumed, but it has ended"):
        execution.resume(0)
