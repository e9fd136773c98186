"""Toy kernels: the reference programs that separate scheduling algorithms, on a little shared memory.

Every shared read, write, lock and unlock is a step.  A toy's assertion is a KernelBug.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from memory import Memory, lock, read, trylock, unlock, write

from fuzz.engine.execution import Execution
from pagecache.operations import Operation
from pagecache.step import KernelBug, step
from strategies.case import TaskSpec


def seeded(seed: int) -> Random:
    return Random(seed)


Body = Callable[[Memory], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True, repr=False)
class Do(Operation):
    """An operation of a toy: any coroutine function of the memory."""

    body: Body

    def __repr__(self) -> str:
        return f"Do({self.body.__name__})"

    def run(self, world: Any, tag: str) -> Coroutine[Any, Any, Any]:
        del tag
        return self.body(world)


@dataclass(frozen=True)
class Toy:
    """A program, and how to make its memory.

    Args:
        memory: makes it afresh.
        tasks: by name, the operations.
    """

    memory: Callable[[], Memory]
    tasks: Sequence[tuple[str, Sequence[Body]]]

    def execution(self, **options: Any) -> Execution:
        specs = [TaskSpec(name, tuple(Do(body) for body in bodies)) for name, bodies in self.tasks]
        return Execution(specs, self.memory(), **options)

    def but(self, **changes: Any) -> Toy:
        return dataclasses.replace(self, **changes)


def check(condition: bool, sentence: str) -> None:
    if not condition:
        raise KernelBug(sentence)


def reorder(setters: int, checkers: int = 1) -> Toy:
    """The checker must act between the two writes of the first setter."""

    async def setter(memory: Memory) -> None:
        await write(memory, "a", 1)
        await write(memory, "b", -1)

    async def checker(memory: Memory) -> None:
        a = await read(memory, "a")
        if a == 0:
            b = await read(memory, "b")
            if b == 0:
                return
        a = await read(memory, "a")
        if a == 1:
            b = await read(memory, "b")
            if b == -1:
                return
        raise KernelBug("a and b do not belong together")

    return Toy(
        lambda: Memory(a=0, b=0),
        [(f"setter{n}", [setter]) for n in range(setters)] + [(f"checker{n}", [checker]) for n in range(checkers)],
    )


def twostage(writers: int = 1, readers: int = 1) -> Toy:
    async def writer(memory: Memory) -> None:
        await lock(memory, "m1")
        await write(memory, "d1", 1)
        await unlock(memory, "m1")
        await lock(memory, "m2")
        d1 = await read(memory, "d1")
        await write(memory, "d2", d1 + 1)
        await unlock(memory, "m2")

    async def reader(memory: Memory) -> None:
        await lock(memory, "m1")
        t1 = await read(memory, "d1")
        await unlock(memory, "m1")
        if t1 == 0:
            return
        await lock(memory, "m2")
        t2 = await read(memory, "d2")
        await unlock(memory, "m2")
        check(t2 == t1 + 1, f"t1 = {t1}, t2 = {t2}")

    return Toy(
        lambda: Memory(("m1", "m2"), d1=0, d2=0),
        [(f"writer{n}", [writer]) for n in range(writers)] + [(f"reader{n}", [reader]) for n in range(readers)],
    )


def wronglock(others: int = 3) -> Toy:
    async def right(memory: Memory) -> None:
        await lock(memory, "data")
        x = await read(memory, "v")
        before = await read(memory, "v")
        await write(memory, "v", before + 1)
        after = await read(memory, "v")
        check(after == x + 1, f"v went from {x} to {after}")
        await unlock(memory, "data")

    async def wrong(memory: Memory) -> None:
        await lock(memory, "other")
        before = await read(memory, "v")
        await write(memory, "v", before + 1)
        await unlock(memory, "other")

    return Toy(
        lambda: Memory(("data", "other"), v=0), [("right", [right])] + [(f"wrong{n}", [wrong]) for n in range(others)]
    )


def bluetooth() -> Toy:
    async def dec(memory: Memory) -> None:
        await lock(memory, "A")
        pending = await read(memory, "pending")
        await write(memory, "pending", pending - 1)
        await unlock(memory, "A")
        if pending == 1:
            await write(memory, "event", 1)

    async def stop(memory: Memory) -> None:
        await write(memory, "stopping", 1)
        await dec(memory)
        event = await read(memory, "event")
        if event:
            await write(memory, "stopped", 1)

    async def add(memory: Memory) -> None:
        stopping = await read(memory, "stopping")
        if stopping:
            return
        await lock(memory, "A")
        pending = await read(memory, "pending")
        await write(memory, "pending", pending + 1)
        await unlock(memory, "A")
        stopped = await read(memory, "stopped")
        check(not stopped, "the driver works although it has been stopped")
        await dec(memory)

    return Toy(lambda: Memory(("A",), pending=1, stopping=0, event=0, stopped=0), [("stop", [stop]), ("add", [add])])


def account() -> Toy:
    async def checker(memory: Memory) -> None:
        await lock(memory, "m")
        deposited = await read(memory, "dep")
        withdrawn = await read(memory, "wd")
        balance = await read(memory, "balance")
        check(not (deposited and withdrawn) or balance == (1 - 2) - 4, f"the balance is {balance}")
        await unlock(memory, "m")

    def change(flag: str, amount: int) -> Body:
        async def changer(memory: Memory) -> None:
            await lock(memory, "m")
            balance = await read(memory, "balance")
            await write(memory, "balance", balance + amount)
            await write(memory, flag, 1)
            await unlock(memory, "m")

        return changer

    return Toy(
        lambda: Memory(("m",), balance=1, dep=0, wd=0),
        [("check", [checker]), ("deposit", [change("dep", 2)]), ("withdraw", [change("wd", -4)])],
    )


def opposite_locks() -> Toy:
    """AB/BA."""

    def take(first: str, second: str) -> Body:
        async def take_both(memory: Memory) -> None:
            await lock(memory, first)
            await lock(memory, second)
            await unlock(memory, second)
            await unlock(memory, first)

        return take_both

    return Toy(lambda: Memory(("F0", "F1")), [("P0", [take("F0", "F1")]), ("P1", [take("F1", "F0")])])


def polite_pair() -> Toy:
    """Each holds its own lock, tries the other's, lets go and tries again: a livelock in lock step."""

    def insist(mine: str, other: str) -> Body:
        async def insisting(memory: Memory) -> None:
            while True:
                await lock(memory, mine)
                got = await trylock(memory, other)
                if got:
                    break
                await unlock(memory, mine)
            await unlock(memory, other)
            await unlock(memory, mine)

        return insisting

    return Toy(lambda: Memory(("A", "B")), [("P0", [insist("A", "B")]), ("P1", [insist("B", "A")])])


def waiting_for_godot() -> Toy:
    """Polls a variable that nobody writes, if the other task came first: no schedule ends it then."""

    async def polling(memory: Memory) -> None:
        await write(memory, "waiting", 1)
        seen = await read(memory, "seen")
        while not seen:
            seen = await read(memory, "seen")

    async def waking(memory: Memory) -> None:
        waiting = await read(memory, "waiting")
        if waiting:
            await write(memory, "seen", 1)

    return Toy(lambda: Memory(waiting=0, seen=0), [("poll", [polling]), ("wake", [waking])])


Instruction = tuple[str, str]


async def interpret(memory: Memory, instructions: Sequence[Instruction]) -> int:
    """Runs a little program, so that random programs are data; the accumulator is its result."""
    accumulator = 0
    for what, name in instructions:
        if what == "load":
            accumulator = await read(memory, name)
        elif what == "add":
            accumulator += await read(memory, name)
        elif what == "store":
            await write(memory, name, accumulator)
        elif what == "set":
            await write(memory, name, 1)
        elif what == "increment":
            await write(memory, name, (await read(memory, name)) + 1)
        elif what == "lock":
            await lock(memory, name)
        elif what == "unlock":
            await unlock(memory, name)
        elif what == "trylock":
            got = await trylock(memory, name)
            if not got:
                return -1
        elif what == "wait":
            variable = memory.numbers[name]
            await step("wait", name, target=("variable", variable), ready=lambda: memory.values[name] > 0)  # noqa: B023
        elif what == "check":
            value = await read(memory, name)
            check(value == 0, f"{name} is {value}")
        else:
            await step("pause")
    return accumulator


@dataclass(frozen=True, slots=True)
class Interpret(Operation):
    """An operation of a random program."""

    instructions: tuple[Instruction, ...]

    def run(self, world: Any, tag: str) -> Coroutine[Any, Any, Any]:
        del tag
        return interpret(world, self.instructions)


VARIABLES = ("x", "y")
LOCKS = ("m", "n")
INSTRUCTIONS: tuple[Instruction, ...] = (
    *((what, name) for name in VARIABLES for what in ("load", "add", "store", "set", "increment", "wait", "check")),
    *((what, name) for name in LOCKS for what in ("lock", "unlock", "trylock")),
    ("pause", ""),
)

RandomProgram = Sequence[Sequence[tuple[Instruction, ...]]]
"""By task, its operations."""


def random_execution(program: RandomProgram, **options: Any) -> Execution:
    specs = [
        TaskSpec(f"t{number}", tuple(Interpret(instructions) for instructions in operations))
        for number, operations in enumerate(program)
    ]
    return Execution(specs, Memory(LOCKS, **dict.fromkeys(VARIABLES, 0)), **options)
