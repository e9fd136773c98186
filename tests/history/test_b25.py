"""B25 by hand: a random search needs tens of thousands of schedules to overtake one walk by a whole split."""

from __future__ import annotations

import pytest

from fuzz.engine.verdict import Verdict
from fuzz.subject import Subject
from pagecache.history import HISTORY_BY_NAME
from pagecache.kernel import Kernel
from pagecache.operations import Collapse, PunchHole, Read
from strategies.case import Case
from strategies.programs import named

BUG = HISTORY_BY_NAME["b25-sibling-became-a-node"]


def split_under_a_reader(kernel: Kernel, visit: int) -> Verdict:
    """Collapse; then Read(5) up to its ``visit``-th load of a slot, then all of the hole punch, which splits."""
    program = named(((Collapse(0), PunchHole(0)), (Read(5),)))
    execution = Subject(kernel).execution(Case(kernel.name, BUG.focus.worlds[0], program))
    while runnable := execution.runnable():
        pending = execution.pending[1]
        stops = pending is None or (pending.call == "xas_load" and execution.visit(1) >= visit)
        wanted = 0 if execution.operation[0] < 1 or stops else 1
        execution.resume(wanted if wanted in runnable else runnable[0])
    assert execution.verdict is not None
    return execution.verdict


def test_the_reader_between_sibling_and_canonical_slot_gets_another_page() -> None:
    verdict = split_under_a_reader(BUG.kernel, 2)

    assert verdict.promise in BUG.breaks
    assert "was read at index 5, but has 1 to 1" in verdict.sentence


@pytest.mark.parametrize("visit", [1, 2, 3])
def test_with_retry_it_looks_again(visit: int) -> None:
    assert not split_under_a_reader(BUG.fixed, visit).failed
