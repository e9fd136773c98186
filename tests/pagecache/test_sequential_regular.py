"""Regular files that nobody disturbs: every operation returns what a dictionary says, and leaves the world in order."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from plain_file import ANYTHING, PlainFile
from stepping import run, untidy, world

from pagecache.evict import evict_inodes
from pagecache.operations import (
    OPERATIONS,
    Collapse,
    Load,
    Mremap,
    Munmap,
    Operation,
    PageOut,
    Read,
    Store,
    Truncate,
    Write,
    Writeback,
)
from pagecache.promises.file_spec import HOLE
from pagecache.promises.linearizable import contents
from pagecache.promises.write_notify import WriteNotifyWatcher
from pagecache.step import Task
from pagecache.world import FILE_STATES, VmaSpec, WorldSpec

KERNELS = ["linux-6.4-mended", "linux-2026-mended"]

OF_FILES = [operation for operation in OPERATIONS if "file" in operation.backings]

WRITABLE = WorldSpec(("data", "dirty"), vmas=(VmaSpec(writable=True, mapped=(0, 1)),), backing="file")

TWO = dataclasses.replace(WRITABLE, vmas=(VmaSpec(writable=True, mapped=(0, 1)), VmaSpec(writable=True)))


@st.composite
def worlds(draw: st.DrawFn) -> WorldSpec:
    order, count = draw(st.sampled_from([(1, 2), (1, 4), (2, 4)]))
    size = draw(st.integers(0, count))
    pages = tuple(draw(st.sampled_from(FILE_STATES if index < size else ("hole",))) for index in range(count))
    cached = [index for index in range(count) if pages[index] in ("data", "dirty")]
    mapped = tuple(index for index in cached if draw(st.booleans()))
    second = VmaSpec("B", draw(st.integers(0, count - 1)), count, writable=draw(st.booleans()))
    first = VmaSpec(end=count, mapped=mapped, writable=draw(st.booleans()), huge=draw(st.booleans()))
    vmas = (first, second, dataclasses.replace(first, mapped=()))
    alike = [one for one in ((0, 1), (0, order)) if len(set(pages[: 1 << one[1]])) == 1 and pages[0] != "hole"]
    large = (draw(st.sampled_from(alike)),) if alike and draw(st.booleans()) else ()
    return WorldSpec(pages, order, size, vmas, large, backing="file")


@st.composite
def programs(draw: st.DrawFn) -> tuple[WorldSpec, tuple[Operation, ...]]:
    spec = draw(worlds())
    some = st.sampled_from(OF_FILES).flatmap(lambda operation: st.builds(operation, **_values(operation, spec)))
    return spec, tuple(draw(st.lists(some.filter(lambda one: not one.problem(spec)), min_size=1, max_size=12)))


def _values(operation: type[Operation], spec: WorldSpec) -> dict[str, st.SearchStrategy[Any]]:
    values = {
        "index": st.integers(0, len(spec.pages) - 1),
        "start": st.integers(0, len(spec.pages) - 1),
        "length": st.integers(1, len(spec.pages)),
        "unlocked": st.booleans(),
        "max_ptes_none": st.integers(0, (1 << spec.hpage_order) - 1),
        "max_ptes_swap": st.integers(0, (1 << spec.hpage_order) - 1),
        "size": st.integers(0, len(spec.pages)),
        "vma": st.integers(0, 2),
        "new_vma": st.integers(0, 2),
        "dontunmap": st.booleans(),
    }
    return {field.name: values[field.name] for field in fields(operation)}


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@example(program=(WRITABLE, (Store(0), Writeback(0), Store(0), PageOut(0), Read(0), Load(0))))
@example(program=(WRITABLE, (Store(1), Writeback(1), Munmap(), Writeback(0), Collapse(0), Read(1), Write(0))))
@example(program=(WRITABLE, (Store(1), Truncate(1), Store(1), Truncate(2), Load(1), Store(1))))
@example(program=(TWO, (Store(0), Mremap(0, 1), Writeback(0), Store(0, 1), PageOut(0), Mremap(1, 0, True), Munmap())))
@given(program=programs())
def test_a_program_that_nobody_disturbs_sees_a_file(
    kernel: str, program: tuple[WorldSpec, tuple[Operation, ...]]
) -> None:
    spec, operations = program
    here, file = world(spec, kernel), PlainFile(spec)
    disk = here.mapping.regular
    assert disk is not None
    for number, operation in enumerate(operations):
        task = Task(f"t{number}", number)
        expected = file.do(operation, f"t{number}.0")
        result = run(operation.run(here, f"t{number}.0"), task)

        assert expected in (result, ANYTHING), operation
        assert contents(here) == tuple(file.pages.get(index, HOLE) for index in range(len(spec.pages))), operation
        assert (here.inode.i_size, disk.i_writecount) == (file.size, file.writers), operation
        assert (task.atomic, task.held) == (0, [])
        assert untidy(here) == [], operation
        assert WriteNotifyWatcher(here).ended(()) is None, operation
    run(evict_inodes(here))
