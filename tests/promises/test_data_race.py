from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import Watched

from fuzz.engine import direct
from fuzz.search import exhaustive
from fuzz.search.policies.random_walk import MostlyKeepRunning
from fuzz.subject import Subject
from pagecache.history import EVERY_KERNEL
from pagecache.inode import Inode, ShmemFalloc
from pagecache.kernels import KERNELS
from pagecache.locks import RwSemaphore, SpinLock
from pagecache.operations import (
    Collapse,
    Fallocate,
    Operation,
    PageOut,
    PunchHole,
    Stat,
    Store,
    Touch,
    UffdCopy,
    UffdRegister,
)
from pagecache.promises import PROMISES_BY_NAME
from pagecache.promises.data_race import DataRaceWatcher, Race, RaceNotes
from pagecache.promises.promise import Promise
from pagecache.rwonce import READ_ONCE
from pagecache.step import Step
from pagecache.world import VmaSpec, World, WorldSpec
from strategies.case import Case
from strategies.programs import named

PROMISE: Final = PROMISES_BY_NAME["no_plain_access_races"]


class Racing(Watched):
    """Tasks that take and release locks, and read and write ``nrpages``, each in a step of its own."""

    def __init__(self) -> None:
        super().__init__(DataRaceWatcher)
        self.inode = self.world.inode

    def begin(self, name: str) -> None:
        if name not in self.under_way:
            self.call(name, Stat())

    def step(self, name: str, step: Step | None = None) -> str | None:
        return self.after(name, step or Step("step"))

    def take(self, name: str, lock: Any, *, shared: bool = False) -> None:
        self.begin(name)
        task = self.task(name)
        self.before(name, Step("take"))
        task.held.append(lock)
        if isinstance(lock, RwSemaphore) and not shared:
            lock.writer = task
        self.step(name)

    def release(self, name: str, lock: Any) -> None:
        task = self.task(name)
        self.before(name, Step("release"))
        task.held.remove(lock)
        if isinstance(lock, RwSemaphore) and lock.writer is task:
            lock.writer = None
        self.step(name)

    def writes(self, name: str) -> str | None:
        self.begin(name)
        self.before(name, Step("write"))
        self.inode.i_mapping.nrpages += 1
        return self.step(name)

    def reads(self, name: str) -> str | None:
        self.begin(name)
        self.before(name, Step("read"))
        assert self.inode.i_mapping.nrpages >= 0
        return self.step(name)

    def under(self, lock: Any, name: str, *, writes: bool, shared: bool = False) -> str | None:
        self.take(name, lock, shared=shared)
        objection = self.writes(name) if writes else self.reads(name)
        self.release(name, lock)
        return objection


LOCK: Final = SpinLock("i_pages", "i_pages")


def test_two_writes_without_a_lock_race() -> None:
    run = Racing()
    run.take("collapse", LOCK)
    assert run.writes("collapse") is None
    assert run.writes("truncate") == (
        "data-race in writes / writes: collapse Stat() writes mapping->nrpages under i_pages, then truncate Stat() "
        "reads mapping->nrpages without a lock, and nothing orders the two"
    )


def test_under_one_lock_they_do_not() -> None:
    run = Racing()
    assert run.under(LOCK, "collapse", writes=True) is None
    assert run.under(LOCK, "truncate", writes=True) is None


def test_two_locks_are_none() -> None:
    run = Racing()
    run.under(LOCK, "collapse", writes=True)
    assert run.under(SpinLock("info->lock", "info_lock"), "recalc", writes=False) is not None


def test_a_third_task_can_hand_over() -> None:
    run, other = Racing(), SpinLock("i_lock", "i_lock")
    run.under(LOCK, "one", writes=True)
    run.take("two", LOCK)
    run.release("two", LOCK)
    run.take("two", other)
    run.release("two", other)
    assert run.under(other, "three", writes=True) is None


def test_who_had_the_lock_before_hands_nothing_over() -> None:
    run = Racing()
    run.take("one", LOCK)
    run.release("one", LOCK)
    run.writes("one")
    assert run.under(LOCK, "two", writes=True) is not None


def test_two_reads_do_not_race() -> None:
    run = Racing()
    run.reads("one")
    assert run.reads("two") is None


def test_readers_of_a_semaphore_wait_for_its_writers_only() -> None:
    sem = RwSemaphore("mmap_lock", "mmap_lock")
    run = Racing()
    assert run.under(sem, "writer", writes=True) is None
    assert run.under(sem, "reader", writes=False, shared=True) is None
    assert run.under(sem, "other writer", writes=True) is None

    run = Racing()
    run.under(sem, "reader", writes=True, shared=True)
    assert run.under(sem, "other reader", writes=False, shared=True) is not None


def test_the_folio_lock_is_a_lock() -> None:
    run = Racing()
    folio = run.folio(0)
    assert run.under(folio, "one", writes=True) is None
    assert run.under(folio, "two", writes=True) is None


def test_who_is_woken_comes_after_who_woke_it() -> None:
    def woken(*, by_it: bool) -> str | None:
        run = Racing()
        run.begin("waiter")
        run.world.pending[0] = Step("schedule", target=("i_private", 0), ready=lambda: True)
        run.writes("puncher")
        run.before("puncher", Step("step"))
        run.step("puncher", Step("wake_up_all", target=("i_private", 0 if by_it else 1), writes=True))
        return run.reads("waiter")

    assert woken(by_it=True) is None
    assert woken(by_it=False) is not None


def test_a_marked_read_does_not_race() -> None:
    def read(*, marked: bool) -> str | None:
        run = Racing()
        run.under(LOCK, "writer", writes=True)
        run.begin("reader")
        run.before("reader", Step("read"))
        assert (READ_ONCE(run.world.mapping, "nrpages") if marked else run.world.mapping.nrpages) > 0
        return run.step("reader")

    assert read(marked=True) is None
    assert read(marked=False) is not None


def test_what_writes_the_same_value_only_reads() -> None:
    run = Racing()
    run.reads("one")
    run.begin("two")
    run.before("two", Step("write"))
    run.world.mapping.nrpages += 0
    assert run.step("two") is None


def test_what_happens_between_two_steps_is_nobodys() -> None:
    run = Racing()
    run.reads("one")
    run.world.mapping.nrpages += 1
    assert run.reads("one") is None


def test_a_request_of_its_own_is_another_object() -> None:
    run = Racing()
    lock = run.inode.i_lock

    def published(name: str, falloc: ShmemFalloc | None) -> None:
        run.take(name, lock)
        run.before(name, Step("i_private"))
        run.inode.i_private = falloc
        run.step(name)
        run.release(name, lock)

    def moves(name: str, falloc: ShmemFalloc) -> str | None:
        run.before(name, Step("next"))
        falloc.next += 1
        return run.step(name)

    first, second = ShmemFalloc(0, 0, None), ShmemFalloc(0, 0, None)
    published("one", first)
    assert moves("one", first) is None
    published("one", None)
    published("two", second)
    assert moves("two", second) is None
    run.begin("reclaim")
    assert moves("reclaim", second) is not None


# Against vector clocks.

Trace = Sequence[tuple[int, str]]


def raced_by_clocks(trace: Trace, tasks: int) -> list[bool]:
    """The textbook: a clock for each task, one for each way to release the semaphore, and each access with its time."""
    clocks = [[0] * tasks for _ in range(tasks)]
    for number, clock in enumerate(clocks):
        clock[number] = 1
    released = {"write": [0] * tasks, "read": [0] * tasks}
    held: dict[int, str] = {}
    accesses: list[tuple[int, int, bool]] = []
    raced = []
    for task, move in trace:
        clock = clocks[task]
        if move in ("take", "take shared"):
            held[task] = "read" if move == "take shared" else "write"
            seen = [released["write"]] if held[task] == "read" else list(released.values())
            clocks[task] = [max(times) for times in zip(clock, *seen, strict=True)]
        elif move == "release":
            how = held.pop(task)
            released[how] = [max(times) for times in zip(released[how], clock, strict=True)]
            clock[task] += 1
        else:
            writes = move == "write"
            raced.append(any(one != task and at > clock[one] and (wrote or writes) for one, at, wrote in accesses))
            accesses.append((task, clock[task], writes))
    return raced


class Noting(Racing):
    """Goes on when it has seen a race."""

    def __init__(self) -> None:
        super().__init__()
        self.races: list[Race] = []
        self.watcher = RaceNotes(self.world, self.races)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Three tasks and a semaphore, which each takes and releases as it can, and accesses to one field."""
    holders: dict[int, str] = {}
    trace = []
    for task in draw(st.lists(st.integers(0, 2), max_size=25)):
        if task in holders:
            possible = ["release", "read", "write"]
        elif not holders:
            possible = ["take", "take shared", "read", "write"]
        elif "take" not in holders.values():
            possible = ["take shared", "read", "write"]
        else:
            possible = ["read", "write"]
        move = draw(st.sampled_from(possible))
        if move.startswith("take"):
            holders[task] = move
        elif move == "release":
            del holders[task]
        trace.append((task, move))
    return trace


@given(traces())
def test_it_says_what_vector_clocks_say(trace: Trace) -> None:
    run, sem = Noting(), RwSemaphore("i_rwsem", "i_rwsem")
    raced = []
    for task, move in trace:
        name = f"task{task}"
        if move.startswith("take"):
            run.take(name, sem, shared=move == "take shared")
        elif move == "release":
            run.release(name, sem)
        else:
            run.races.clear()
            run.writes(name) if move == "write" else run.reads(name)
            raced.append(bool(run.races))

    assert raced == raced_by_clocks(trace, 3)


# With the model: what KCSAN has reported of these functions.

HOLES: Final = WorldSpec(("hole", "hole"))
DATA: Final = WorldSpec(("data", "data"))
FOUR: Final = WorldSpec(("hole",) * 4, size=4, vmas=(VmaSpec(end=4),))
DATA_HOLE: Final = WorldSpec(("data", "hole"))

ALL: Final = tuple(kernel.name for kernel in KERNELS)
OLD: Final = tuple(name for name in ALL if name != "linux-2026")
REPORTED: Final[dict[str, tuple[Sequence[str], WorldSpec, Sequence[Sequence[Operation]], str]]] = {
    # <CAO9qdTGjbtMD9t3PNx95VWF7h_CWo7bWrKSzeqM6op5gxV-Zsg@mail.gmail.com>, 6.12
    "shmem_getattr / shmem_recalc_inode": (ALL, HOLES, [[Stat()], [Store(0)]], "info->alloced"),
    # <00000000000059a14005b10385d8@google.com>, 5.9; marked in 6.6
    "shmem_add_to_page_cache / shmem_recalc_inode": (OLD, HOLES, [[Touch(0)], [Touch(1)]], "mapping->nrpages"),
    # <000000000000fb55ed05fa0fdb4b@google.com>, 6.3; likewise
    "__filemap_remove_folio / shmem_recalc_inode": (OLD, DATA_HOLE, [[PunchHole(0)], [Touch(1)]], "mapping->nrpages"),
    # The commit "mm/shmem: fix data-race in shmem_fault", 2026
    "shmem_fault / shmem_punch_hole": (ALL, DATA, [[PunchHole(0)], [Touch(1)]], "inode->i_private"),
    # syzbot aae8bd56cc1c38d50ec4, 2026; shmem_writepage() is shmem_writeout() by now
    "shmem_fallocate / shmem_writepage": (ALL, FOUR, [[Fallocate(0, 4)], [PageOut(0)]], "shmem_falloc->next"),
    # Nobody has; collapse_file() does not hold the mmap_lock when it asks.
    "userfaultfd_missing / userfaultfd_register": (
        ("stevens-v2", "stevens-v3", "stevens-v5", "retry-during-scan", "linux-6.4", "linux-2026"),
        DATA_HOLE,
        [[Collapse(0)], [UffdRegister()]],
        "vma0->vm_flags",
    ),
}
"""What KCSAN has reported of these functions: where it is so, and a program that shows it."""


def races_of(kernel: str, world: WorldSpec, threads: Sequence[Sequence[Operation]]) -> Iterator[tuple[str, str]]:
    """The races of some random schedules, as they come."""
    races: list[Race] = []
    subject = Subject(EVERY_KERNEL[kernel], [Promise(PROMISE.name, lambda world: RaceNotes(world, races), "notes")])
    case = Case(kernel, world, named(tuple(thread) for thread in threads))
    random = Random(0)
    for _ in range(300):
        execution = subject.execution(case)
        direct.run(execution, MostlyKeepRunning(random))
        yield from ((" / ".join(race.functions), race.field) for race in races)
        races.clear()


@pytest.mark.parametrize("functions", REPORTED)
@pytest.mark.parametrize("kernel", ALL)
def test_what_was_reported_is_found_where_it_is_so(kernel: str, functions: str) -> None:
    kernels, world, threads, field = REPORTED[functions]

    assert ((functions, field) in races_of(kernel, world, threads)) == (kernel in kernels)


def test_what_is_marked_since_is_not_found_any_more() -> None:
    assert not list(races_of("linux-2026", HOLES, [[Touch(0)], [Touch(1)]]))


@pytest.mark.parametrize("kernel", ["b19-rollback-without-the-lock", "stevens-v5"])
def test_a_lock_that_is_missing_is_found_where_nothing_is_lost(kernel: str) -> None:
    """nrpages is lowered without the xa_lock; no other promise notices unless somebody comes in between."""
    world = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
    threads = [[Collapse(0)], [UffdCopy(1)]]

    lost = ("collapse_file / shmem_add_to_page_cache", "mapping->nrpages")
    assert lost in races_of(kernel, world, threads)
    assert lost not in races_of("linux-2026-mended", world, threads)


def test_exhausted_there_is_none() -> None:
    subject = Subject(EVERY_KERNEL["linux-2026"], [PROMISE])
    case = Case("linux-2026", HOLES, named([(Touch(0),), (Touch(1),)]))

    found = exhaustive.search(lambda: subject.execution(case))

    assert found.exhausted
    assert found.failure is None


def test_other_worlds_are_left_as_they_are() -> None:
    watched, other = (World(WorldSpec(), EVERY_KERNEL["linux-2026"]) for _ in range(2))
    DataRaceWatcher(watched)

    assert type(watched.inode) is not Inode
    assert type(other.inode) is Inode
