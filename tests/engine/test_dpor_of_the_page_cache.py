"""One run of each class shows all that can happen to a program of the page cache: its ends, and how it is judged.

That depends on what the steps name (:mod:`test_honest_steps`); the exhaustive search, which keeps states apart by their
fingerprints, does not ask for names.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random

import pytest

from fuzz.engine.execution import Execution
from fuzz.search import dpor, exhaustive
from fuzz.search.draws import RandomDraw
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import Collapse, Operation, Read, SeekHole, UffdRegister
from pagecache.promises.linearizable import contents
from pagecache.world import BACKINGS, WorldSpec
from strategies.case import Case
from strategies.cases import swarmed
from strategies.programs import named
from strategies.worlds import ANY, Features

PROGRAMS = 5
MANY = 100
STATES_MAX = 400
RUNS_MAX = 500
OPERATIONS_MAX = 3


def an_end(execution: Execution) -> Hashable:
    """How it was judged, what the file and its mappings hold, and the counts; by content, not by folio."""
    assert execution.verdict is not None
    world = execution.world
    inode = world.inode
    entries = [
        (vma.number, index, entry.folio.page_at(index), entry.write, entry.uffd_wp)
        for vma in world.vmas
        for index, entry in sorted(vma.ptes.items())
        if entry.folio is not None and not entry.folio.freed
    ]
    counts = (inode.i_size, world.mapping.nrpages, inode.info.alloced, inode.info.swapped)
    return execution.verdict.signature, contents(world), counts, tuple(entries)


def compare(kernel: str, case: Case) -> str:
    """Search one program in both ways; the word of one of its verdicts, or nothing if it is too large."""
    subject = Subject(KERNELS_BY_NAME[kernel])

    def make() -> Execution:
        return subject.execution(case)

    all_of_it = exhaustive.search(make, outcome=an_end, stop_at_failure=False, states_max=STATES_MAX)
    if not all_of_it.exhausted:
        return ""
    reduced = dpor.explore_classes(make, outcome=an_end, stop_at_failure=False, runs_max=RUNS_MAX)
    if not reduced.exhausted:
        return ""
    assert reduced.outcomes == all_of_it.outcomes, case
    return max(str(outcome[0][0]) for outcome in reduced.outcomes)  # type: ignore[index]


def compare_some(kernel: str, wanted: int, random: Random, features: Features = ANY) -> None:
    compared = 0
    while compared < wanted:
        case = swarmed(RandomDraw(random), kernel, features=features)
        if len(case.program.tasks) > 1 and case.program.operations <= OPERATIONS_MAX:
            compared += bool(compare(kernel, case))


@pytest.mark.parametrize("kernel", ["stevens-v2", "linux-2026"])
def test_the_ends_are_those_of_the_exhaustive_search(kernel: str) -> None:
    compare_some(kernel, PROGRAMS, Random(len(kernel)))


@pytest.mark.parametrize("backing", BACKINGS)
def test_so_they_are_with_store_buffers(backing: str) -> None:
    compare_some("linux-2026", PROGRAMS, Random(0), {"store_buffers": (True,), "backing": (backing,)})


@pytest.mark.parametrize(
    ("kernel", "beside"),
    [("stevens-v1", SeekHole(0)), ("stevens-v1", UffdRegister()), ("wilcox-2023-02-literal", Read(1))],
    ids=repr,
)
def test_so_they_are_where_some_of_them_are_violations(kernel: str, beside: Operation) -> None:
    case = Case(kernel, WorldSpec(("data", "hole")), named(((Collapse(0),), (beside,))))

    assert compare(kernel, case) == "violated"


@pytest.mark.slow
@pytest.mark.parametrize("backing", BACKINGS)
def test_so_they_are_of_many_programs_with_store_buffers(backing: str) -> None:
    compare_some("linux-6.4", MANY, Random(1), {"store_buffers": (True,), "backing": (backing,)})


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["linux-6.2", "stevens-v2", "wilcox-2023-02", "linux-6.4", "linux-2026"])
def test_those_of_many_programs(kernel: str) -> None:
    compare_some(kernel, MANY, Random(7))
