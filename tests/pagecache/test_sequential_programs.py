"""What nobody disturbs: every operation returns what a dictionary says, and leaves the world in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sparse_file import ASLEEP, SparseFile
from stepping import Hand, contents, run, untidy, world

from pagecache.evict import evict_inodes
from pagecache.operations import (
    OPERATIONS,
    Collapse,
    Fallocate,
    Load,
    Migrate,
    Mincore,
    Mremap,
    Munmap,
    Operation,
    PunchHole,
    Read,
    SeekHole,
    Store,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdZeropage,
    Write,
)
from pagecache.step import Task
from pagecache.world import PAGE_STATES, VmaSpec, World, WorldSpec

KERNELS = ["linux-6.4-mended", "linux-2026-mended"]
"""Today's do not return from a truncate into a large swap entry."""

OF_ONE_FILE = [operation for operation in OPERATIONS if "shmem" in operation.backings and operation.files == 1]

PRIVATELY = WorldSpec(("data", "hole"), vmas=(VmaSpec(private=True, missing=True),))

TWO = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True), VmaSpec(missing=True)))

FOUR = ("data", "hole", "unwritten", "hole")


@st.composite
def worlds(draw: st.DrawFn) -> WorldSpec:
    order, count = draw(st.sampled_from([(1, 2), (1, 4), (2, 4), (2, 8)]))
    size = draw(st.integers(0, count))
    pages = [draw(st.sampled_from(PAGE_STATES if index < size else ("hole", "unwritten"))) for index in range(count)]
    second = draw(st.integers(0, count - 1))
    vmas = (
        VmaSpec(end=count, missing=draw(st.booleans())),
        VmaSpec("B", second, count, missing=draw(st.booleans()), private=draw(st.booleans())),
        VmaSpec(end=count, missing=draw(st.booleans())),
    )
    even = range(0, count, 2)
    if order == 2 and set(pages[:4]) == {"data"} and draw(st.booleans()):
        return WorldSpec(tuple(pages), hpage_order=order, size=size, vmas=vmas, large=((0, 2),))
    large = [(first, 1) for first in even if pages[first] == pages[first + 1] == "data" and draw(st.booleans())]
    return WorldSpec(tuple(pages), hpage_order=order, size=size, vmas=vmas, large=tuple(large))


@st.composite
def programs(draw: st.DrawFn) -> tuple[WorldSpec, tuple[Operation, ...]]:
    spec = draw(worlds())
    some = st.sampled_from(OF_ONE_FILE).flatmap(lambda operation: st.builds(operation, **_values(operation, spec)))
    fitting = some.filter(lambda operation: not operation.problem(spec))
    return spec, tuple(draw(st.lists(fitting, min_size=1, max_size=12)))


def _values(operation: type[Operation], spec: WorldSpec) -> dict[str, st.SearchStrategy[Any]]:
    pages = len(spec.pages)
    nr = 1 << spec.hpage_order
    values = {
        "index": st.integers(0, pages - 1),
        "start": st.integers(0, pages // nr - 1).map(lambda n: n * nr)
        if issubclass(operation, Collapse)
        else st.integers(0, pages - 1),
        "size": st.integers(0, pages),
        "length": st.integers(1, pages),
        "keep_size": st.booleans(),
        "order": st.integers(0, spec.hpage_order - 1),
        "lift": st.booleans(),
        "max_ptes_none": st.integers(0, nr - 1),
        "max_ptes_swap": st.integers(0, nr - 1),
        "unlocked": st.booleans(),
        "mode": st.just("missing"),  # the dictionary has no page tables, as the others need
        "vma": st.integers(0, len(spec.vmas) - 1),
        "new_vma": st.integers(0, len(spec.vmas) - 1),
        "dontunmap": st.booleans(),
    }
    return {field.name: values[field.name] for field in fields(operation)}


def own_pages(here: World) -> dict[tuple[int, int], str]:
    """What the private mappings have that is not the file's."""
    entries = ((vma, index, entry.folio) for vma in here.vmas for index, entry in vma.ptes.items())
    return {(vma.number, n): folio.page_at(n) for vma, n, folio in entries if folio is not None and folio.anon}


def check(kernel: str, spec: WorldSpec, program: Sequence[Operation]) -> None:
    """Run a program against the page cache and the dictionary."""
    here, file = world(spec, kernel), SparseFile(spec, collapses_large=kernel == "linux-2026-mended")
    for number, operation in enumerate(program):
        task = Task(f"t{number}", number)
        expected = file.do(operation, f"t{number}.0")
        hand = Hand(operation.run(here, f"t{number}.0"), task)
        while hand.pending is not None and not hand.blocked:
            hand.step()
        result = ASLEEP if hand.blocked else hand.result

        if isinstance(operation, UffdContinue) and result == "EEXIST":
            result = 0  # the dictionary does not know what is mapped
        if isinstance(operation, UffdCopy | UffdZeropage) and (result, expected) == ("EEXIST", 0):
            assert spec.vmas[operation.vma].private
            assert here.vmas[operation.vma].ptes[operation.index].folio is here.mapping.i_pages.slots[operation.index]
            file.forget([(operation.vma, operation.index)])
            result = 0
        assert result == expected or (isinstance(operation, Mincore) and file.swaps and result == 0), operation
        assert {n: page for n, page in enumerate(contents(here)) if page is not None} == file.pages, operation
        assert here.inode.i_size == file.size
        assert own_pages(here) == file.own, operation
        assert (task.atomic, task.held) == (0, [])
        assert untidy(here) == [], operation
        if result == ASLEEP:
            return
    run(evict_inodes(here))


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@example(program=(WorldSpec(FOUR, size=4, vmas=(VmaSpec(end=4),)), (Fallocate(1, 3), Collapse(0), PunchHole(1))))
@example(program=(WorldSpec(("data", "hole"), size=1), (Collapse(0), PunchHole(0), Truncate(2), Mincore(1), Read(1))))
@example(program=(WorldSpec(("data", "hole")), (UffdRegister(), SeekHole(0), Touch(1), UffdCopy(1), Store(1), Load(1))))
@example(program=(WorldSpec(("data", "data")), (Load(0), Collapse(0), Store(1), Munmap(), Write(0), Truncate(1))))
@example(program=(WorldSpec(large=((0, 1),)), (Migrate(1), Truncate(1), Truncate(2), Read(1), Collapse(0))))
@example(program=(PRIVATELY, (Load(0), Store(0), UffdZeropage(1), Store(1), PunchHole(0, 2), Collapse(0), Truncate(1))))
@example(program=(PRIVATELY, (UffdZeropage(1), UffdCopy(0), PunchHole(0, 2), Load(0), Mincore(1), Write(0), Load(0))))
@example(program=(TWO, (Load(0), Mremap(0, 1), Load(0, 1), Load(0), Mremap(0, 1), Collapse(0, 1), Mincore(1))))
@example(program=(TWO, (Mremap(0, 1, True), Touch(1), UffdCopy(1), Load(1, 1), Mremap(1, 0), Munmap(), Mremap(0, 1))))
@given(program=programs())
def test_a_program_that_nobody_disturbs_sees_a_sparse_file(
    kernel: str, program: tuple[WorldSpec, tuple[Operation, ...]]
) -> None:
    check(kernel, *program)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_operation_can_be_answered_by_the_dictionary(kernel: str) -> None:
    spec = WorldSpec(FOUR, size=4, vmas=(VmaSpec(end=4), VmaSpec("B", end=4), VmaSpec(end=4)))
    for operation in OF_ONE_FILE:
        values = {"length": 1, "keep_size": True, "mode": "missing", "lift": False, "unlocked": True, "new_vma": 2}
        check(kernel, spec, (operation(**{field.name: values.get(field.name, 0) for field in fields(operation)}),))
