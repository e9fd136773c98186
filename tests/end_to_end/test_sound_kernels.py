"""Where nothing is known to be wrong nothing is found, although the search comes near everything that could be."""

from __future__ import annotations

from random import Random

import pytest
from sound import SOUND

from fuzz.campaign import EXPECTED, schedules
from fuzz.engine.verdict import HELD
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.operations import Truncate, UffdCopy, UffdZeropage
from pagecache.promises import SOMETIMES
from strategies.case import Case

each = pytest.mark.parametrize("kernel", SOUND, ids=lambda kernel: kernel.name)

FREEZES = "a_lookup_met_a_frozen_folio"
"""What only splitting a huge folio does in these kernels, in the twinkling of an eye."""


def is_known(case: Case) -> bool:
    """Is it what the page cache around the collapse is known for: a truncate that does not see the first UFFDIO_COPY?

    shmem_setattr() truncates only ``if (info->alloced)``, which shmem_mfill_atomic_pte() raises last.
    """
    operations = [operation for task in case.program.tasks for operation in task.operations]
    return len(operations) == 2 and {type(operation) for operation in operations} in (
        {UffdCopy, Truncate},
        {UffdZeropage, Truncate},
    )


def searched(kernel: Kernel, seed: int, schedules_max: int) -> set[str]:
    """Run so many schedules, none of which finds anything new; which rare places were reached?"""
    subject = Subject(kernel)
    reached: set[str] = set()
    made = 0
    for case, run in schedules(subject, Random(seed), reached):
        if run is None:
            continue
        made += 1
        if run.verdict != HELD:
            assert run.verdict.failed, run.verdict
            shrunk = subject.shrink(Case(case.kernel, case.world, case.program, run.deviations, case.failures))
            assert is_known(shrunk.case), f"{shrunk.case}: {shrunk.verdict}"
        if made == schedules_max:
            break
    return reached


@each
def test_nothing_is_found(kernel: Kernel) -> None:
    assert searched(kernel, 0, 1_000) >= EXPECTED


@pytest.mark.slow
@each
def test_nothing_is_found_in_many_schedules(kernel: Kernel) -> None:
    reached = set().union(*(searched(kernel, seed, 10_000) for seed in range(20)))

    assert reached >= {sometimes.name for sometimes in SOMETIMES} - {FREEZES}
