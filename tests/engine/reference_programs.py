"""The programs by which schedulers are compared, ported: CS and Chess of SCTBench, and two of our own.

The convention: everything is set up, the tasks are started in the order in which they stand here, all are joined.
Every read and write of something shared is a step, every lock and unlock too.

``REFERENCE_PROGRAMS`` are functions that make a fresh :class:`fuzz.program.Program`; each has exactly one bug.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from memory import Memory, Mutex, lock, read, unlock, write

from fuzz.program import Body, Program
from pagecache.step import step

Make = Callable[[], Program]


def many(name: str, body: Body, count: int) -> dict[str, list[Body]]:
    """``count`` tasks that do the same."""
    return {f"{name}{number}": [body] for number in range(count)}


# CS/account


async def check_balance(memory: Memory) -> None:
    """Wrong: 1 + 2 - 4 is -1."""
    await lock(memory, "m")
    deposited = await read(memory, "deposited")
    withdrawn = deposited and await read(memory, "withdrawn")
    if deposited and withdrawn:
        balance = await read(memory, "balance")
        assert balance == (1 - 2) - 4, f"the balance is {balance}"
    await unlock(memory, "m")


async def change_balance(memory: Memory, amount: int, done: str) -> None:
    await lock(memory, "m")
    balance = await read(memory, "balance")
    await write(memory, "balance", balance + amount)
    await write(memory, done, 1)
    await unlock(memory, "m")


def account() -> Program:
    """Whenever the check comes last."""
    return Program(
        Memory(("m",), balance=1, deposited=0, withdrawn=0),
        {
            "check": [check_balance],
            "deposit": [partial(change_balance, amount=2, done="deposited")],
            "withdraw": [partial(change_balance, amount=-4, done="withdrawn")],
        },
    )


# CS/bluetooth_driver


async def release(memory: Memory) -> None:
    await lock(memory, "A")
    pending = await read(memory, "pending")
    await write(memory, "pending", pending - 1)
    await unlock(memory, "A")
    if pending == 1:
        await write(memory, "event", 1)


async def stop(memory: Memory) -> None:
    await write(memory, "stopping", 1)
    await release(memory)
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
    assert not stopped, "the driver works although it has been stopped"
    await release(memory)


def bluetooth_driver() -> Program:
    """``add`` reads that nobody is stopping, then ``stop`` runs to its end."""
    return Program(Memory(("A",), pending=1, stopping=0, event=0, stopped=0), {"stop": [stop], "add": [add]})


# CS/twostage


async def write_in_two_stages(memory: Memory) -> None:
    await lock(memory, "m1")
    await write(memory, "d1", 1)
    await unlock(memory, "m1")
    await lock(memory, "m2")
    d1 = await read(memory, "d1")
    await write(memory, "d2", d1 + 1)
    await unlock(memory, "m2")


async def read_both_stages(memory: Memory) -> None:
    await lock(memory, "m1")
    t1 = await read(memory, "d1")
    await unlock(memory, "m1")
    if t1 == 0:
        return
    await lock(memory, "m2")
    t2 = await read(memory, "d2")
    await unlock(memory, "m2")
    assert t2 == t1 + 1, f"read {t1}, then {t2}"


def twostage(writers: int = 1, readers: int = 1) -> Program:
    """A reader comes between the two stages of the first writer."""
    return Program(
        Memory(("m1", "m2"), d1=0, d2=0),
        many("writer", write_in_two_stages, writers) | many("reader", read_both_stages, readers),
    )


# CS/reorder


async def set_a_and_b(memory: Memory) -> None:
    await write(memory, "a", 1)
    await write(memory, "b", -1)


async def check_a_and_b(memory: Memory) -> None:
    a = await read(memory, "a")
    if a == 0:
        b = await read(memory, "b")
        if b == 0:
            return
    a = await read(memory, "a")
    assert a == 1
    b = await read(memory, "b")
    assert b == -1


def reorder(setters: int, checkers: int = 1) -> Program:
    """A checker comes between the two writes of the first setter, and before any other setter has ended."""
    return Program(Memory(a=0, b=0), many("setter", set_a_and_b, setters) | many("checker", check_a_and_b, checkers))


# CS/wronglock


async def increment_alone(memory: Memory) -> None:
    await lock(memory, "data")
    x = await read(memory, "v")
    before = await read(memory, "v")
    await write(memory, "v", before + 1)
    after = await read(memory, "v")
    assert after == x + 1, f"went from {x} to {after}"
    await unlock(memory, "data")


async def increment_under_another_lock(memory: Memory) -> None:
    await lock(memory, "other")
    before = await read(memory, "v")
    await write(memory, "v", before + 1)
    await unlock(memory, "other")


def wronglock(right: int = 1, wrong: int = 7) -> Program:
    """Somebody increments under the wrong lock while somebody else relies on the right one."""
    return Program(
        Memory(("data", "other"), v=0),
        many("right", increment_alone, right) | many("wrong", increment_under_another_lock, wrong),
    )


# Chess/WorkStealQueue


class Queue(Memory):
    """A deque whose owner works at the tail and whose thieves take from the head (the THE protocol)."""

    def __init__(self) -> None:
        super().__init__(("lock",), head=0, tail=0, mask=1)
        self.items: list[int] = [-1, -1]
        self.taken = [0, 0, 0, 0]
        self.lock = Mutex("lock", 0)


async def set_item(queue: Queue, index: int, item: int) -> None:
    await step("set_item", index, item, target=("item", index), writes=True)
    queue.items[index] = item


async def take(queue: Queue, index: int) -> None:
    await step("take", index, target=("item", index))
    item = queue.items[index]
    assert item >= 0, f"place {index} is empty"
    queue.taken[item] += 1


async def push(queue: Queue, item: int) -> None:
    tail = await read(queue, "tail")
    head = await read(queue, "head")
    mask = await read(queue, "mask")
    if tail < head + mask + 1:  # the bug: one place must stay free, so it should be head + mask
        await set_item(queue, tail & mask, item)
        await write(queue, "tail", tail + 1)
        return
    await lock(queue, "lock")
    head = await read(queue, "head")
    tail = await read(queue, "tail")
    count = tail - head
    await write(queue, "head", head & mask)
    await write(queue, "tail", (head & mask) + count)
    if count >= mask:
        await step("grow", target=("items", 0), writes=True)
        queue.items = [queue.items[(head + number) & mask] for number in range(count)] + [-1] * (2 * (mask + 1) - count)
        mask = 2 * (mask + 1) - 1
        await write(queue, "mask", mask)
        await write(queue, "head", 0)
        await write(queue, "tail", count)
    tail = await read(queue, "tail")
    await set_item(queue, tail & mask, item)
    await write(queue, "tail", tail + 1)
    await unlock(queue, "lock")


async def pop(queue: Queue) -> None:
    tail = await read(queue, "tail")
    tail -= 1
    await write(queue, "tail", tail)
    head = await read(queue, "head")
    if head <= tail:
        mask = await read(queue, "mask")
        await take(queue, tail & mask)
        return
    await write(queue, "tail", tail + 1)
    await lock(queue, "lock")
    tail = await read(queue, "tail")
    tail -= 1
    await write(queue, "tail", tail)
    head = await read(queue, "head")
    if head <= tail:
        mask = await read(queue, "mask")
        await take(queue, tail & mask)
    else:
        await write(queue, "tail", tail + 1)
    head = await read(queue, "head")
    if head > tail:
        await write(queue, "head", 0)
        await write(queue, "tail", 0)
    await unlock(queue, "lock")


async def steal(queue: Queue) -> None:
    await lock(queue, "lock")
    head = await read(queue, "head")
    await write(queue, "head", head + 1)
    tail = await read(queue, "tail")
    if head < tail:
        mask = await read(queue, "mask")
        await take(queue, head & mask)
    else:
        await write(queue, "head", head)
    await unlock(queue, "lock")


def once_each(queue: Queue) -> str | None:
    return None if queue.taken == [1, 1, 1, 1] else f"the items were taken {queue.taken} times"


def work_steal_queue() -> Program:
    """An item is overwritten before it is taken, or taken twice."""
    owner = [partial(push, item=0), partial(push, item=1), pop, partial(push, item=2), partial(push, item=3)]
    return Program(Queue(), {"owner": [*owner, pop, pop, pop], "thief": [steal, steal]}, check=once_each)


# Two that no single algorithm does well


async def walk_and_check(memory: Memory) -> None:
    for _ in range(6):
        await read(memory, "own")
    await check_a_and_b(memory)


def run_far_ahead() -> Program:
    """The last to start must make seven steps of its own while a setter waits between two."""
    return Program(Memory(a=0, b=0, own=0), many("setter", set_a_and_b, 3) | {"checker": [walk_and_check]})


WINDOWS: Final = (1, 2, 3)


async def open_windows(memory: Memory) -> None:
    await write(memory, "window", 0)
    for window in WINDOWS:
        await write(memory, "window", window)
        await write(memory, "window", 0)


async def look_into(memory: Memory, window: int) -> None:
    await step("read", "window", target=("variable", memory.numbers["window"]))
    memory.values[f"saw{window}"] = memory.values["window"] == window


def not_all(memory: Memory) -> str | None:
    return "each looked when its own window was open" if all(memory.values[f"saw{n}"] for n in WINDOWS) else None


def three_windows() -> Program:
    """Exactly one of 720 interleavings fails: each of three observers, who look once, must hit its own window."""
    memory = Memory(window=0, saw1=0, saw2=0, saw3=0)
    observers: dict[str, list[Body]] = {f"observer{n}": [partial(look_into, window=n)] for n in WINDOWS}
    return Program(memory, {"writer": [open_windows]} | observers, check=not_all)


REFERENCE_PROGRAMS: Final[Mapping[str, Make]] = MappingProxyType(
    {
        "account": account,
        "bluetooth_driver": bluetooth_driver,
        "reorder_3": lambda: reorder(2),
        "reorder_4": lambda: reorder(3),
        "reorder_5": lambda: reorder(4),
        "reorder_10": lambda: reorder(9),
        "reorder_20": lambda: reorder(10, 10),
        "reorder_50": lambda: reorder(40, 10),
        "reorder_100": lambda: reorder(99),
        "twostage": twostage,
        "twostage_20": lambda: twostage(10, 10),
        "twostage_50": lambda: twostage(40, 10),
        "twostage_100": lambda: twostage(99),
        "wronglock_3": lambda: wronglock(1, 3),
        "wronglock": wronglock,
        "WorkStealQueue": work_steal_queue,
        "run_far_ahead": run_far_ahead,
        "three_windows": three_windows,
    }
)
