"""A little shared memory: variables and locks by name.  Every read, write, lock and unlock is a step."""

from __future__ import annotations

from collections.abc import Sequence

from pagecache.step import Task, Wait, step


class Mutex:
    """A sleeping lock that anybody may release."""

    __slots__ = ("name", "number", "owner")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.owner: Task | None = None

    def __str__(self) -> str:
        return self.name

    def is_free(self) -> bool:
        return self.owner is None

    def waits_for(self) -> Wait:
        return Wait(f"the lock of {self}", (self.owner,) if self.owner else ())


class Memory:
    """Shared variables by name, all 0 at first, and locks."""

    def __init__(self, locks: Sequence[str] = (), **values: int) -> None:
        self.values = dict(values)
        self.numbers = {name: number for number, name in enumerate(sorted(values))}
        self.locks = {name: Mutex(name, number) for number, name in enumerate(locks)}


async def read(memory: Memory, name: str) -> int:
    await step("read", name, target=("variable", memory.numbers[name]))
    return memory.values[name]


async def write(memory: Memory, name: str, value: int) -> None:
    await step("write", name, value, target=("variable", memory.numbers[name]), writes=True)
    memory.values[name] = value


async def lock(memory: Memory, name: str) -> None:
    mutex = memory.locks[name]
    current = await step(
        "lock", mutex, target=("lock", mutex.number), writes=True, ready=mutex.is_free, waits_for=mutex.waits_for
    )
    mutex.owner = current


async def trylock(memory: Memory, name: str) -> bool:
    mutex = memory.locks[name]
    current = await step("trylock", mutex, target=("lock", mutex.number), writes=True)
    if mutex.owner is not None:
        return False
    mutex.owner = current
    return True


async def unlock(memory: Memory, name: str) -> None:
    mutex = memory.locks[name]
    await step("unlock", mutex, target=("lock", mutex.number), writes=True)
    mutex.owner = None
