"""A truncate into a huge page, and no memory for the node that one of the cuts needs."""

from __future__ import annotations

from typing import Final

import pytest

from fuzz.engine.verdict import Verdict
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_6_4_MENDED, LINUX_2026, LINUX_2026_MENDED
from pagecache.operations import PunchHole, Truncate
from pagecache.operations.operation import Operation
from pagecache.world import WorldSpec
from strategies.case import Case, Failure
from strategies.programs import named

ALLOCATIONS: Final = ("xas_split_alloc", "xas_try_split", "kmem_cache_alloc_lru")


def failing(kernel: Kernel, operation: Operation, backing: str, failure: tuple[str, int]) -> Verdict:
    """One operation on a file that is a huge page of 8, in which one call fails."""
    state = "data" if backing == "shmem" else "dirty"
    world = WorldSpec((state,) * 8, hpage_order=3, size=8, large=((0, 3),), backing=backing)
    program = named(((operation,),))
    call, visit = failure
    case = Case(kernel.name, world, program, failures=(Failure(program.tasks[0].name, call, visit),))
    return Subject(kernel).judge(case)


@pytest.mark.parametrize(
    ("backing", "size", "promise", "sentence"),
    [
        ("shmem", 5, "every_call_is_explained_by_a_sparse_file", "index 4 holds nothing instead of d4"),
        ("shmem", 6, "no_livelock", ""),
        ("shmem", 7, "no_livelock", ""),
        ("file", 5, "every_call_is_explained_by_a_sparse_file", "index 4 holds old4 instead of d4"),
        ("file", 7, "every_call_is_explained_by_a_sparse_file", "index 6 holds old6 instead of d6"),
    ],
)
def test_a_split_that_stops_halfway_loses_what_is_in_front(
    backing: str, size: int, promise: str, sentence: str
) -> None:
    verdict = failing(LINUX_2026, Truncate(size), backing, ("xas_try_split", 2))

    assert verdict.promise == promise
    assert sentence in verdict.sentence


@pytest.mark.parametrize("size", [1, 3, 4])
def test_in_the_first_half_nothing_is_lost(size: int) -> None:
    for visit in (1, 2, 3):
        assert not failing(LINUX_2026, Truncate(size), "shmem", ("xas_try_split", visit)).failed


@pytest.mark.parametrize("kernel", [LINUX_6_4_MENDED, LINUX_2026_MENDED], ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("backing", ["shmem", "file"])
def test_all_of_it_or_nothing(kernel: Kernel, backing: str) -> None:
    operations = [Truncate(size) for size in range(8)]
    if backing == "shmem":
        operations += [PunchHole(start, end - start) for start in range(8) for end in range(start + 1, 9)]
    for operation in operations:
        for call in ALLOCATIONS:
            for visit in (1, 2, 3, 4):
                assert not failing(kernel, operation, backing, (call, visit)).failed, (operation, call, visit)
