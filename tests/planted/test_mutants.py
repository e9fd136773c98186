"""Each mutant is found by a campaign that knows nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from isolated import ISOLATED
from mutants import (
    MUTANTS,
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_REF_CHECK,
    WITHOUT_TLB_FLUSH,
    WITHOUT_UNLOCK,
    Mutant,
)

from fuzz.campaign import Campaign, Finding
from fuzz.search.exhaustive import search
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.operations import Collapse, Load, Mincore, Operation, Read, SeekData, Store, Write
from pagecache.shmem_charge import shmem_uncharge_6_6
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.programs import named

RARE = (RECHECK_UP_TO_THE_LAST_PRESENT_PAGE, WITHOUT_TLB_FLUSH, WITHOUT_REF_CHECK)
"""They need a hole behind the last page, a third operation and a mapping of the tail, or a pin."""

JUDGED = [one.fault for one in ISOLATED]
"""These are known to be reported."""


def with_nothing_else(mutant: Mutant) -> Kernel:
    """The mutant without what linux-6.4 itself is known to break: the race of its shmem_uncharge()."""
    return mutant.kernel().replace(shmem_uncharge=shmem_uncharge_6_6)


def found(mutant: Mutant, seed: int, schedules_max: int) -> Finding:
    campaign = Campaign.search(Subject(with_nothing_else(mutant)), seed, schedules_max)
    assert campaign.unknown is None
    assert campaign.findings, f"not seen in {campaign.schedules} schedules of {campaign.programs} programs"
    return campaign.findings[0]


@pytest.mark.parametrize(
    "mutant", [one for one in MUTANTS if one not in (*RARE, *JUDGED)], ids=lambda mutant: mutant.name
)
def test_it_is_found(mutant: Mutant) -> None:
    shrunk = found(mutant, seed=0, schedules_max=5_000).shrunk

    assert shrunk.case.program.operations <= 3
    assert len(shrunk.case.schedule) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found_from_any_seed(mutant: Mutant, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    finding = found(mutant, seed, schedules_max=50_000)

    case, verdict = finding.shrunk.case, finding.shrunk.verdict
    assert case.program.operations <= 3
    with capsys.disabled():
        size = f"{case.program.operations} operations, {len(case.schedule)} deviations"
        print(f"\n{mutant.name}: seed {seed}, {finding.schedules} schedules, {verdict.promise}, {size}")  # noqa: T201


@pytest.mark.parametrize(
    "thread",
    [[Read(1)], [Write(1)], [Store(1)], [Load(1), Load(1)], [SeekData(1)], [Mincore(0)]],
    ids=repr,
)
def test_without_gup_nobody_needs_the_reference_check(thread: Sequence[Operation]) -> None:
    """Who has a reference got it from the page cache, locks the page, and looks again whether it is still there."""
    subject = Subject(with_nothing_else(WITHOUT_REF_CHECK))
    world = WorldSpec(vmas=(VmaSpec(mapped=(1,)),))
    case = Case(subject.kernel.name, world, named([(Collapse(0),), tuple(thread)]))

    result = search(lambda: subject.execution(case))

    assert result.failure is None, result.failure
    assert result.exhausted, result.limit


def test_a_hunk_that_does_not_apply_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"nothing: a hunk applies to pagecache\.collapse\.linux_6_4 at 0 places; .*"):
        Mutant("nothing", "-        this is not there").kernel()
    with pytest.raises(ValueError, match=r"ambiguous: .* at 2 places"):
        Mutant("ambiguous", "-        if nr_none:").kernel()


def test_a_mutant_is_named_after_what_it_lacks() -> None:
    kernel = WITHOUT_UNLOCK.kernel()

    assert kernel.name == "without-unlocking-the-new-folio"
    assert kernel.collapse_file.__code__.co_filename == "<without-unlocking-the-new-folio>"
