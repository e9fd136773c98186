"""Equal fingerprints mean equal futures; what cannot be compared is refused."""

from __future__ import annotations

import enum
import functools
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytest
import toys
from toys import seeded

from fuzz.engine.execution import Execution
from fuzz.search.fingerprint import Fingerprinter
from fuzz.search.frames import FingerprintError
from fuzz.search.shape import UnfitError
from pagecache.promises.promise import Watcher
from pagecache.step import step
from strategies.case import Failure


def walk_to(make: Callable[[], Execution], choices: list[int]) -> Execution:
    """Make these choices, then go on to the next choice or the end."""
    execution = make()
    left = list(choices)
    while runnable := execution.runnable():
        if len(runnable) == 1:
            execution.resume(runnable[0])
        elif left:
            execution.resume(left.pop(0))
        else:
            break
    return execution


def futures(make: Callable[[], Execution], choices: list[int]) -> dict[tuple[int, ...], Any]:
    """Everything that can follow: for each further way, the steps, the verdict and the final values."""
    found: dict[tuple[int, ...], Any] = {}
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        way = waiting.pop()
        execution = walk_to(make, [*choices, *way])
        if execution.verdict is None:
            waiting += [(*way, number) for number in execution.runnable()]
            found[way] = ([str(pending) for pending in execution.pending], None, None)
        else:
            found[way] = ([], execution.verdict, tuple(execution.world.values.items()))
        execution.close()
    return found


def test_points_with_equal_fingerprints_have_equal_futures() -> None:
    random = seeded(11)
    merged = 0
    for _ in range(60):
        program = [
            [tuple(random.choice(toys.INSTRUCTIONS) for _ in range(random.randint(2, 4)))]
            for _ in range(random.randint(2, 3))
        ]

        def make(program: toys.RandomProgram = program) -> Execution:
            return toys.random_execution(program)

        fingerprinter = Fingerprinter()
        points: defaultdict[bytes, set[tuple[int, ...]]] = defaultdict(set)
        for _ in range(12):
            choices: list[int] = []
            while (execution := walk_to(make, choices)).verdict is None:
                points[fingerprinter.point(execution)].add(tuple(choices))
                choices.append(random.choice(list(execution.runnable())))
                execution.close()
        for equal in points.values():
            if len(equal) > 1:
                first, second = sorted(equal)[:2]
                if len(first) < 3:
                    continue  # too much lies ahead
                merged += 1
                assert futures(make, list(first)) == futures(make, list(second))

    assert merged > 100


# Objects, as digest() sees them.


class Node:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("left", "number", "right")
    __fingerprint_skip__: ClassVar = ("number",)

    def __init__(self, left: Any = None, right: Any = None, number: int = 0) -> None:
        self.left = left
        self.right = right
        self.number = number


class Below(Slotted):
    __slots__ = ("__private", "more")
    __fingerprint_skip__: ClassVar = ("more",)

    def __init__(self, private: Any, more: Any) -> None:
        super().__init__()
        self.__private = private
        self.more = more


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


@dataclass(frozen=True, slots=True)
class Value:
    number: int
    of: Any = None


class Replaced:
    pass


class Replacing:
    """As dataclasses with slots are up to Python 3.11.3."""

    __slots__ = ("number",)
    __weakref__ = vars(Replaced)["__weakref__"]

    def __init__(self, number: int) -> None:
        self.number = number


class Pair(NamedTuple):
    one: Any
    two: Any


class Retry:
    __slots__ = ()


RETRY = Retry()


def digests(*states: Any) -> list[bytes]:
    fingerprinter = Fingerprinter()
    return [fingerprinter.digest([state]) for state in states]


def ring(length: int) -> Node:
    first = last = Node(next=None)
    for _ in range(length - 1):
        last = Node(next=last)
    vars(first)["next"] = last
    return first


def advanced(iterator: Any, times: int) -> Any:
    for _ in range(times):
        next(iterator)
    return iterator


shared: list[int] = []

EQUAL = {
    "the order of allocation": (Slotted(Slotted(1), Slotted(2)), Slotted(right=Slotted(2), left=Slotted(1))),
    "a skipped number": (Slotted(number=1), Slotted(number=2)),
    "a skipped attribute of an ancestor": (Below(1, 2), Below(1, 3)),
    "a dictionary's insertion order": ({1: "a", 2: "b"}, {2: "b", 1: "a"}),
    "a set": ({3, 1, 2}, {2, 3, 1}),
    "circles": (ring(3), ring(3)),
    "values": (Value(1, ("x", None)), Value(1, ("x", None))),
    "what is left of a class that was replaced": (Replacing(1), Replacing(1)),
    "exceptions": (KeyError("x"), KeyError("x")),
    "iterators": (advanced(iter(range(5)), 2), advanced(iter(range(5)), 2)),
    "bound methods": (ring(1).__init__, ring(1).__init__),  # type: ignore[misc]
    "singletons": (RETRY, RETRY),
}

DIFFERENT = {
    "1 and True": (1, True),
    "1 and 1.0": (1, 1.0),
    "text and bytes": ("x", b"x"),
    "bytes and a reference": ([b"0"], [[b"0"]]),
    "a list and a tuple": ([1], (1,)),
    "nesting": ([[1], 2], [[1, 2]]),
    "the same list twice and two equal ones": ([shared, shared], [[], []]),
    "circles of other lengths": (ring(3), ring(4)),
    "an attribute that is not set": (Slotted.__new__(Slotted), Slotted()),
    "a private slot": (Below(1, 2), Below(2, 2)),
    "an attribute more": (Node(x=1), Node(x=1, y=None)),
    "classes": (Slotted(1), Below(1, 1)),
    "members": (Colour.RED, Colour.GREEN),
    "values": (Value(1), Value(2)),
    "a member and text": (Colour.RED, "c0"),
    "kinds of tuples": (Pair(1, 2), (1, 2)),
    "functions": (len, repr),
    "python functions": (ring, advanced),
    "defaults": (lambda x=1: x, lambda x=2: x),
    "classes as values": (int, str),
    "exceptions": (KeyError("x"), KeyError("y")),
    "where an iterator stands": (advanced(iter([1, 1, 1]), 1), advanced(iter([1, 1, 1]), 2)),
    "where an enumeration stands": (advanced(enumerate("aaa"), 1), advanced(enumerate("aaa"), 2)),
    "the end of a range": (advanced(iter(range(5)), 1), advanced(iter(range(6)), 1)),
    "the insertion order of keys without order": ({Colour.RED: 1, Colour.GREEN: 2}, {Colour.GREEN: 2, Colour.RED: 1}),
}


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL)
def test_equal_states_have_equal_digests(pair: tuple[Any, Any]) -> None:
    first, second = digests(*pair)

    assert first == second


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_different_states_have_different_digests(pair: tuple[Any, Any]) -> None:
    first, second = digests(*pair)

    assert first != second


def test_which_of_two_equal_objects_is_referred_to_makes_a_difference() -> None:
    def pointing(at: int) -> list[Any]:
        both = [Slotted(), Slotted()]
        return [*both, both[at]]

    first, second = digests(pointing(0), pointing(1))

    assert first != second


def remembering(seen: list[int] = []) -> list[int]:  # noqa: B006 - that is what is tested
    return seen


def test_a_function_is_not_described_once_and_for_all_if_its_defaults_can_change() -> None:
    fingerprinter = Fingerprinter()
    before = fingerprinter.digest([remembering])
    remembering().append(1)

    assert fingerprinter.digest([remembering]) != before


def test_functions_that_are_made_anew_are_equal() -> None:
    def make() -> Callable[[], int]:
        return lambda: 1

    first, second = digests([make(), len], [make(), len])

    assert first == second


def closure_over(value: int) -> Callable[[], int]:
    return lambda: value


class Singletons:
    __slots__ = ()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ((number for number in range(3)), "out of Python's sight"),
        (closure_over(1), "is a closure"),
        (threading.Lock(), "out of Python's sight"),
        (functools.partial(len), "out of Python's sight"),
        ({Slotted()}, "cannot be sorted"),
        ({1, "x"}, "cannot be sorted"),
        ({frozenset({1}), frozenset({2})}, "cannot be sorted"),
        (type("Text", (str,), {})("x"), "out of Python's sight"),
        (defaultdict(list), "out of Python's sight"),
        ([Singletons(), Singletons()], "more than one instance"),
        (object(), ""),
    ],
)
def test_what_has_no_description_is_refused(state: Any, reason: str) -> None:
    if type(state) is object:
        digests(state)  # the only one: a module's sentinel
        state = [state, object()]
        reason = "more than one instance"

    with pytest.raises(UnfitError, match=reason):
        digests(state)


# Points.


def at_first_step(body: toys.Body, **options: Any) -> Execution:
    return toys.Toy(lambda: toys.Memory(x=0, y=0), [("a", [body]), ("b", [body])]).execution(**options)


def test_a_refusal_names_the_variable_the_function_and_the_remedy() -> None:
    async def searching(memory: toys.Memory) -> None:
        names = (name for name in memory.values)
        await toys.read(memory, next(names))
        await toys.read(memory, next(names))

    with pytest.raises(FingerprintError) as caught:
        Fingerprinter().point(at_first_step(searching))

    assert str(caught.value).startswith(
        "the variable 'names' of test_a_refusal_names_the_variable_the_function_and_the_remedy.<locals>.searching(), "
        "which a runs: generator cannot be compared between runs: "
    )


def test_a_refusal_names_the_object_that_holds_what_is_refused() -> None:
    async def hiding(memory: toys.Memory) -> None:
        memory.values["x"] = (number for number in range(3))  # type: ignore[assignment]
        await toys.read(memory, "x")

    with pytest.raises(FingerprintError, match="an attribute or item of a dict: generator"):
        Fingerprinter().point(at_first_step(hiding))


def test_what_a_watcher_remembers_is_part_of_the_point() -> None:
    class Counting(Watcher):
        count = 0

        def after(self, task: Any, step: Any) -> None:
            del task, step
            self.count += 1

    class Keyed(Counting):
        def key(self) -> int:
            return self.count % 2

    async def reading(memory: toys.Memory) -> None:
        for _ in range(4):
            await toys.read(memory, "x")

    def point(fingerprinter: Fingerprinter, watcher: type[Watcher], count: int) -> bytes:
        made = watcher(None)  # type: ignore[arg-type]
        made.count = count  # type: ignore[attr-defined]
        return fingerprinter.point(at_first_step(reading, watchers=[("watcher", made)]))

    fingerprinter = Fingerprinter()

    assert point(fingerprinter, Counting, 2) != point(fingerprinter, Counting, 4)
    assert point(fingerprinter, Counting, 2) == point(fingerprinter, Counting, 2)
    assert point(fingerprinter, Keyed, 2) == point(fingerprinter, Keyed, 4)
    assert point(fingerprinter, Keyed, 2) != point(fingerprinter, Keyed, 3)


# What hides on the value stack: two points that differ there only.


async def adding(memory: toys.Memory) -> None:
    total = (await toys.read(memory, "x")) + (await toys.read(memory, "y"))
    toys.check(total < 3, f"the total is {total}")


async def looping(memory: toys.Memory) -> None:
    for name in ["x", "x", "y"]:
        await toys.read(memory, name)


async def handling(memory: toys.Memory) -> None:
    x = await toys.read(memory, "x")
    try:
        raise KeyError(x)
    except KeyError:
        x = 0
        await toys.read(memory, "y")
        raise


async def finishing(memory: toys.Memory) -> int:
    x = await toys.read(memory, "x")
    try:
        return x
    finally:
        x = 0
        await toys.read(memory, "y")


@pytest.mark.parametrize(("body", "x"), [(adding, 1), (handling, 1), (finishing, 1)])
def test_temporaries_and_exceptions_are_part_of_the_point(body: toys.Body, x: int) -> None:
    def after_reading(value: int) -> Execution:
        execution = at_first_step(body)
        execution.runnable()
        execution.world.values["x"] = value
        execution.resume(0)
        execution.world.values["x"] = 0
        return execution

    fingerprinter = Fingerprinter()
    executions = [after_reading(value) for value in (0, 0, x)]
    first, same, other = (fingerprinter.point(execution) for execution in executions)
    for execution in executions:
        execution.close()

    assert first == same
    assert first != other


def test_the_position_of_a_loop_is_part_of_the_point() -> None:
    assert len(set(points_of(at_first_step(looping), 3))) == 3


def points_of(execution: Execution, steps: int) -> list[bytes]:
    """The points of the first steps of task a."""
    fingerprinter = Fingerprinter()
    points = []
    for _ in range(steps):
        execution.runnable()
        points.append(fingerprinter.point(execution))
        execution.resume(0)
    return points


async def reading_once(memory: toys.Memory) -> None:
    await toys.read(memory, "x")


async def reading_again(memory: toys.Memory) -> None:
    while True:
        await toys.read(memory, "x")


def test_which_operation_of_the_task_it_is_is_part_of_the_point() -> None:
    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [reading_once] * 4), ("b", [reading_once])])

    assert len(set(points_of(toy.execution(), 4))) == 4


def test_whether_the_operation_has_been_called_is_part_of_the_point() -> None:
    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [reading_again]), ("b", [reading_once])])

    assert len(set(points_of(toy.execution(), 4))) == 2


@pytest.mark.parametrize(("visit", "equal"), [(1, True), (2, False), (3, False), (4, False)])
def test_how_far_a_failure_is_away_is_part_of_the_point(visit: int, equal: bool) -> None:
    """Two ways to the same place, with one call or two made; after both of them the first visit is over."""

    async def allocating(memory: toys.Memory) -> None:
        seen = await toys.read(memory, "x")
        await step("alloc", target=("memory", 0), fails="ENOMEM")
        if seen:
            await step("alloc", target=("memory", 0), fails="ENOMEM")
        del seen
        await toys.write(memory, "x", 0)

    async def writing(memory: toys.Memory) -> None:
        for _ in range(2):
            await toys.write(memory, "x", 1)

    toy = toys.Toy(lambda: toys.Memory(x=0), [("a", [allocating]), ("b", [writing])])
    fingerprinter = Fingerprinter()

    def point(*choices: int) -> bytes:
        execution = walk_to(lambda: toy.execution(failures=[Failure("a", "alloc", visit)]), list(choices))
        return fingerprinter.point(execution)

    assert (point(0, 0, 1) == point(1, 0, 0, 0)) == equal


def test_a_variable_without_a_value_differs_from_none() -> None:
    async def sometimes(memory: toys.Memory) -> None:
        x = await toys.read(memory, "x")
        if x:
            seen = None
        x = 0
        await toys.read(memory, "y")
        del seen

    def after_reading(value: int) -> bytes:
        execution = at_first_step(sometimes)
        execution.runnable()
        execution.world.values["x"] = value
        execution.resume(0)
        execution.world.values["x"] = 0
        return fingerprinter.point(execution)

    fingerprinter = Fingerprinter()

    assert after_reading(0) != after_reading(1)


def test_a_closure_inside_of_a_pending_step_is_no_obstacle() -> None:
    async def waiting(memory: toys.Memory) -> None:
        limit = 3
        await step("wait", target=("x", 0), ready=lambda: memory.values["x"] < limit)

    Fingerprinter().point(at_first_step(waiting))


def test_awaiting_anything_else_is_refused() -> None:
    class Wrapped:
        def __await__(self) -> Any:
            return step("wrapped", target=("x", 0)).__await__()

    class Hiding:
        def __await__(self) -> Any:
            for _ in range(2):
                yield step("hidden", target=("x", 0))

    async def wrapped(_: toys.Memory) -> None:
        await Wrapped()

    async def hiding(_: toys.Memory) -> None:
        await Hiding()

    Fingerprinter().point(at_first_step(wrapped))
    with pytest.raises(FingerprintError, match="whose state is hidden"):
        Fingerprinter().point(at_first_step(hiding))
