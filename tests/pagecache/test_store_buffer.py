"""Store buffers: the litmus tests of the memory model, and what they make of the page cache."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from fuzz.corpus.entry import Found
from fuzz.corpus.entry_reader import read_entry
from fuzz.corpus.entry_writer import entry_text
from fuzz.corpus.vocabulary import vocabulary
from fuzz.engine.execution import Execution
from fuzz.engine.prepare import run_with_store_buffers
from fuzz.keep import described
from fuzz.search.exhaustive import search
from fuzz.subject import Subject
from pagecache.history import EVERY_KERNEL
from pagecache.locks import RwSemaphore, SpinLock, down_read, spin_lock, spin_unlock, up_read
from pagecache.operations import (
    Collapse,
    Load,
    Operation,
    PunchHole,
    Read,
    SeekHole,
    Store,
    Touch,
    Truncate,
    UffdRegister,
    Write,
)
from pagecache.step import step
from pagecache.store_buffer import Store as Kept
from pagecache.store_buffer import StoreBuffer, as_seen_by, smp_mb, store
from pagecache.world import WorldSpec
from strategies.case import Case, Deviation, TaskSpec, stores_of, with_stores
from strategies.programs import named


class Memory:
    """Two variables, x and y, and what each task has read."""

    def __init__(self, tasks: int) -> None:
        self.values = [0, 0]
        self.read: list[tuple[int, ...]] = [()] * tasks
        self.lock = SpinLock("lock", "i_pages")
        self.sem = RwSemaphore("sem", "mmap_lock")
        self.unpublished: tuple[Kept, ...] = ()
        self.store_buffers = [StoreBuffer(number) for number in range(tasks)]


X, Y = 0, 1


async def write_once(memory: Memory, variable: int, value: int) -> None:
    current = await step("xas_store", target=("slot", variable), writes=True)
    store(current, memory, (memory.values, variable), memory.values[variable], ("slot", variable))
    memory.values[variable] = value


async def read_once(memory: Memory, variable: int) -> None:
    current = await step("xas_load", target=("slot", variable))
    seen = as_seen_by(current, memory, (memory.values, variable), memory.values[variable])
    memory.read[current.number] += (seen,)


Body = Callable[[Memory], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True, repr=False)
class Do(Operation):
    body: Body

    def run(self, world: Any, tag: str) -> Coroutine[Any, Any, Any]:
        del tag
        return self.body(world)


def body(*actions: Any) -> Body:
    """What a task does: (X, 1) writes, X reads, anything else is called with the memory."""

    async def run(memory: Memory) -> int:
        for position in range(len(actions)):
            action = actions[position]
            if isinstance(action, tuple):
                await write_once(memory, *action)
            elif isinstance(action, int):
                await read_once(memory, action)
            else:
                await action(memory)
        return 0

    return run


def execution(*tasks: Sequence[Any]) -> Execution:
    """Each task is its system calls, and each of those its actions."""
    memory = Memory(len(tasks))
    specs = [TaskSpec(f"P{number}", tuple(Do(body(*call)) for call in calls)) for number, calls in enumerate(tasks)]
    made = Execution(with_stores(tuple(specs)), memory, run=functools.partial(run_with_store_buffers, memory))
    for task, stores in zip(made.tasks, memory.store_buffers, strict=False):
        task.stores = stores
    return made


def outcomes(*tasks: Sequence[Any]) -> set[Any]:
    """What the tasks can have read, one after the other."""

    def end(execution: Execution) -> Any:
        memory = execution.world
        assert memory.unpublished == ()
        assert [stores.pending for stores in memory.store_buffers] == [[]] * len(tasks)
        return tuple(value for read in memory.read for value in read)

    found = search(lambda: execution(*tasks), outcome=end)
    assert found.exhausted
    return found.outcomes


async def mb(memory: Memory) -> None:
    del memory
    await smp_mb()


async def lock(memory: Memory) -> None:
    await spin_lock(memory.lock)


async def unlock(memory: Memory) -> None:
    await spin_unlock(memory.lock)


async def atomic(memory: Memory) -> None:
    """Any atomic operation: a semaphore that nobody else wants."""
    await down_read(memory.sem)
    await up_read(memory.sem)


@pytest.mark.parametrize(
    ("between", "sometimes"),
    [
        ((), True),
        ((mb,), False),
        ((atomic,), False),
        ((lock, unlock), False),  # taking a lock is a full barrier on x86
    ],
    ids=["SB", "SB+mbs", "SB+atomics", "SB+locks"],
)
def test_a_load_may_overtake_a_store(between: Sequence[Any], sometimes: bool) -> None:
    seen = outcomes([((X, 1), *between, Y)], [((Y, 1), *between, X)])

    assert ((0, 0) in seen) is sometimes
    assert seen >= {(0, 1), (1, 0), (1, 1)}


def test_one_barrier_is_not_enough() -> None:
    assert (0, 0) in outcomes([((X, 1), mb, Y)], [((Y, 1), X)])


def test_unlocking_is_no_barrier() -> None:
    async def locked_store(memory: Memory) -> None:
        await spin_lock(memory.lock)
        await write_once(memory, X, 1)
        await spin_unlock(memory.lock)

    assert (0, 0) in outcomes([(locked_store, Y)], [((Y, 1), mb, X)])


def test_stores_are_seen_in_their_order() -> None:
    """MP."""
    assert outcomes([((X, 1), (Y, 1))], [(Y, X)]) == {(0, 0), (0, 1), (1, 1)}


def test_a_cpu_sees_its_own_stores() -> None:
    """SB with forwarding: n6 of the x86-TSO paper."""
    seen = outcomes([((X, 1), X, Y)], [((Y, 1), Y, X)])

    assert {read[0] for read in seen} == {read[2] for read in seen} == {1}
    assert (1, 0, 1, 0) in seen


def test_all_others_see_a_store_at_once() -> None:
    """IRIW: no two readers disagree about the order of two stores."""
    assert (1, 0, 1, 0) not in outcomes([((X, 1),)], [((Y, 1),)], [(X, Y)], [(Y, X)])


def test_two_stores_into_one_place_have_one_order() -> None:
    """CoRR, with a store of one's own between: nobody goes back to what he has overwritten."""
    assert (1, 2) in outcomes([((X, 1),)], [(X, (X, 2), X)])
    assert all(last == 2 or first == 0 for first, last in outcomes([((X, 1),)], [(X, (X, 2), X)]))


def test_who_takes_the_lock_sees_what_was_stored_under_it() -> None:
    async def counted(memory: Memory) -> None:
        current = await spin_lock(memory.lock)
        await read_once(memory, X)
        await write_once(memory, X, memory.read[current.number][-1] + 1)
        await spin_unlock(memory.lock)

    assert outcomes([(counted,)], [(counted,)]) == {(0, 1), (1, 0)}


def test_a_system_call_that_has_returned_has_stored() -> None:
    """SB of two calls each: what is heard of a call's end comes behind all that it has stored."""
    assert (0, 0) not in outcomes([((X, 1),), (Y,)], [((Y, 1),), (X,)])


# The page cache

DATA_HOLE = WorldSpec(("data", "hole"))
BUFFERED = dataclasses.replace(DATA_HOLE, store_buffers=True)
PROGRAMS = [
    ((Collapse(0),), (UffdRegister(), SeekHole(1))),
    ((Collapse(0),), (Load(1), Touch(0))),
    ((Store(1),), (SeekHole(0), Read(1))),
    ((Write(1),), (PunchHole(1), Read(1))),
    ((Truncate(0),), (Read(0), Write(1))),
]


@pytest.mark.parametrize("threads", PROGRAMS, ids=str)
@pytest.mark.parametrize("kernel", ["linux-2026-mended", "linux-6.4-mended"])
def test_what_happens_without_store_buffers_happens_with_them(kernel: str, threads: Any) -> None:
    subject = Subject(EVERY_KERNEL[kernel])

    def ends(world: WorldSpec) -> set[Any]:
        def end(execution: Execution) -> Any:
            assert execution.world.mapping.i_pages.unpublished == ()
            return str(execution.world.mapping.i_pages.entries()), execution.world.inode.i_size

        found = search(lambda: subject.execution(Case(kernel, world, named(threads))), outcome=end)
        assert found.exhausted
        assert found.failure is None
        return found.outcomes

    assert ends(DATA_HOLE) <= ends(BUFFERED)


def test_nobody_is_waited_for_who_only_publishes() -> None:
    """A sleeper at the end is asleep, with a store buffer or without; and what is left of it is torn down."""
    world = WorldSpec(("hole", "data"), store_buffers=True)
    subject = Subject(EVERY_KERNEL["linux-2026-mended"])
    run = subject.run(Case("linux-2026-mended", world, named(((Load(0),), (Truncate(0),)))))

    assert not run.verdict.failed
    assert run.names == ("load", "truncate", "load.stores", "truncate.stores")


def test_a_schedule_that_says_when_a_store_is_seen_can_be_kept() -> None:
    kernel = EVERY_KERNEL["linux-2026"]
    subject = Subject(kernel)
    program = named(((Collapse(0),), (UffdRegister(), SeekHole(0))))
    published = Deviation("khugepaged", "userfaultfd_missing", 1, stores_of("khugepaged"))
    case = Case(kernel.name, BUFFERED, program, (published, Deviation("khugepaged", "up_read", 2, "uffd")))
    assert subject.record(case) == case
    assert not subject.judge(case).failed  # seen in time

    late = dataclasses.replace(case, schedule=case.schedule[1:])
    shrunk = subject.shrink(late)
    entry, _ = described(shrunk, kernel, Found(0, 0))

    assert shrunk.case == late
    for kept in (entry, dataclasses.replace(entry, case=case, minimal="")):
        assert read_entry(kept.name, "entry.toml", entry_text(kept).encode(), vocabulary()).case == kept.case
