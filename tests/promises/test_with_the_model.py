"""The oracles watch the model itself."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import pytest

from fuzz.engine.direct import run
from fuzz.engine.prepare import prepare
from fuzz.engine.run import Run
from fuzz.engine.verdict import HELD
from fuzz.search.policies.canonical import Canonical
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import (
    OPERATIONS,
    Collapse,
    Load,
    Mincore,
    Operation,
    SeekHole,
    Touch,
    Truncate,
    UffdCopy,
    UffdRegister,
    Write,
)
from pagecache.promises import DEFAULT_PROMISES, PROMISES_BY_NAME, Promise
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure, Program, TaskSpec

WORLDS = (
    WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)), VmaSpec(mm="B", start=1, missing=True))),
    WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True, mapped=(0,)), VmaSpec(mm="B"))),
    WorldSpec(("unwritten", "hole"), vmas=(VmaSpec(), VmaSpec(mm="B", start=1, missing=True))),
    WorldSpec(("data", "unwritten"), size=1, vmas=(VmaSpec(missing=True), VmaSpec(end=1, mapped=(0,)))),
)

ARMED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))


def performed(
    kernel: str,
    world: WorldSpec,
    *tasks: TaskSpec,
    schedule: tuple[Deviation, ...] = (),
    failures: tuple[Failure, ...] = (),
    promises: Sequence[Promise] = DEFAULT_PROMISES,
) -> Run:
    case = Case(kernel, world, Program(tasks), schedule, failures)
    execution = prepare(case, KERNELS_BY_NAME[kernel], promises, record=True)
    return run(execution, Canonical(execution, schedule))


def operations(world: WorldSpec) -> Iterator[Operation]:
    """Every operation that makes sense, with every argument."""
    values = {
        "vma": range(len(world.vmas)),
        "keep_size": (False, True),
        "unlocked": (False, True),
        "size": range(3),
        "length": (1, 2),
    }
    for kind in OPERATIONS:
        names = [field.name for field in dataclasses.fields(kind)]
        for arguments in itertools.product(*(values.get(name, range(2)) for name in names)):
            operation = kind(*arguments)
            if not operation.problem(world):
                yield operation


each_world = pytest.mark.parametrize(
    "world",
    [*WORLDS[:2], *(pytest.param(world, marks=pytest.mark.slow) for world in WORLDS[2:])],
    ids=lambda world: "+".join(world.pages),
)


@each_world
def test_any_two_operations_in_a_row_keep_every_promise(world: WorldSpec) -> None:
    for first, second in itertools.product(operations(world), repeat=2):
        result = performed("linux-2026", world, TaskSpec("one", (first,)), TaskSpec("two", (second,)))
        assert result.verdict == HELD, (first, second)


@each_world
def test_any_failure_of_any_operation_keeps_every_promise(world: WorldSpec) -> None:
    for operation in operations(world):
        task = TaskSpec("task", (operation, Load(0)))
        announced = performed("linux-2026", world, task).calls[0]
        for call, visit in sorted({(call, announced[: place + 1].count(call)) for place, call in enumerate(announced)}):
            result = performed("linux-2026", world, task, failures=(Failure("task", call, visit),))
            assert not result.verdict.failed, (operation, call, result.verdict)


def test_a_placeholder_that_is_not_uptodate_is_mistaken_for_a_hole() -> None:
    result = performed(
        "linux-6.2",
        WorldSpec(),
        TaskSpec("khugepaged", (Collapse(0),)),
        TaskSpec("lseek", (SeekHole(0),)),
        schedule=(Deviation("khugepaged", "folio_get", 2, "lseek"),),
    )
    assert result.verdict.promise == "every_call_is_explained_by_a_sparse_file"
    assert result.verdict.sentence == "lseek SeekHole(index=0) returned 0; a sparse file would answer 2"


def test_a_collapse_fills_a_hole_behind_a_userfaultfd() -> None:
    result = performed("linux-6.2", ARMED, TaskSpec("user", (SeekHole(0), Collapse(0), Touch(1))))
    assert result.verdict.promise == "a_page_observed_missing_is_not_filled_without_an_event"
    fixed = performed("linux-6.4", ARMED, TaskSpec("user", (SeekHole(0), Collapse(0), Touch(1))))
    assert fixed.verdict == HELD


def test_the_two_readings_of_the_userfaultfd_promise_differ() -> None:
    def registering(promises: Sequence[Promise]) -> str:
        return performed(
            "linux-6.4",
            WorldSpec(("data", "hole")),
            TaskSpec("khugepaged", (Collapse(0),)),
            TaskSpec("uffd", (UffdRegister(),)),
            schedule=(Deviation("khugepaged", "folio_mark_uptodate", 1, "uffd"),),
            promises=promises,
        ).verdict.promise

    stronger = PROMISES_BY_NAME["nothing_is_filled_after_register_returned"]
    assert registering(DEFAULT_PROMISES) == ""
    assert registering([*DEFAULT_PROMISES, stronger]) == stronger.name


def test_a_lookup_spins_on_a_frozen_folio_while_the_collapse_sleeps() -> None:
    result = performed(
        "wilcox-2023-02",
        WorldSpec(vmas=(VmaSpec(mapped=(1,)),)),
        TaskSpec("khugepaged", (Collapse(0),)),
        TaskSpec("mincore", (Mincore(0),)),
        schedule=(Deviation("khugepaged", "folio_trylock", 2, "mincore"),),
    )
    assert result.verdict.promise == "no_lookup_spins_on_a_sleeping_task"


def test_a_page_that_was_never_cleared_is_read() -> None:
    result = performed("linux-4.8", WorldSpec(("data", "hole")), TaskSpec("user", (Collapse(0), Load(1))))
    assert result.verdict.sentence.startswith("user Load(index=1) returned poison; a sparse file would answer 0")


def test_a_truncate_overlooks_the_first_page_of_a_file_while_uffdio_copy_inserts_it() -> None:
    # shmem_setattr() truncates "if (info->alloced)"; shmem_mfill_atomic_pte() looks at i_size for the last time in
    # mfill_atomic_install_pte(), and accounts for its page after that, in shmem_recalc_inode():
    #
    #  1. UFFDIO_COPY finds i_size large enough and maps its page; alloced is still 0.
    #  2. ftruncate(0) lowers i_size, unmaps the page, sees alloced == 0 and removes nothing.
    #  3. UFFDIO_COPY accounts for the page, which stays behind the end of the file.
    #  4. When the file grows again, the old content is back.
    result = performed(
        "linux-2026",
        WorldSpec(("hole", "hole"), vmas=(VmaSpec(missing=True),)),
        TaskSpec("uffd", (UffdCopy(0),)),
        TaskSpec("truncate", (Truncate(0),)),
        TaskSpec("later", (Truncate(2), Load(0))),
        schedule=(Deviation("uffd", "folio_add_lru", 1, "truncate"),),
    )
    assert result.verdict.sentence == (
        "later Load(index=0) returned uffd.0; a sparse file could not answer yet (explained up to there: "
        "truncate Truncate(size=0) = 0; uffd UffdCopy(index=0) = 0; later Truncate(size=2) = 0)"
    )


def test_a_write_is_not_lost_to_a_collapse_of_its_hole() -> None:
    result = performed(
        "linux-2026",
        WorldSpec(("data", "hole")),
        TaskSpec("khugepaged", (Collapse(0),)),
        TaskSpec("write", (Write(1),)),
        schedule=(Deviation("khugepaged", "copy_mc_highpage", 1, "write"),),
    )
    assert result.verdict == HELD
    lost = performed(
        "wilcox-2023-02",
        WorldSpec(("data", "hole")),
        TaskSpec("khugepaged", (Collapse(0),)),
        TaskSpec("write", (Write(1),)),
        schedule=(Deviation("khugepaged", "copy_mc_highpage", 1, "write"),),
    )
    assert lost.verdict.promise == "every_call_is_explained_by_a_sparse_file"
