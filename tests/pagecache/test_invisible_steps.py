"""A step without a target is one that nobody can tell the moment of: that claim, checked and not believed.

All schedules of a program are tried twice: with such steps run straight away, as the scheduler does, and with a
choice before each of them.  If one were not a mover (Lipton 1975), the second search would come to an end that the
first does not know.
"""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from fuzz.engine.execution import Execution
from fuzz.engine.prepare import prepare
from fuzz.search.exhaustive import search
from pagecache.folio import Folio
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import (
    Collapse,
    DontNeed,
    Fallocate,
    Munmap,
    Operation,
    PunchHole,
    SeekHole,
    Store,
    Truncate,
    UffdCopy,
    UffdRegister,
)
from pagecache.promises import DEFAULT_PROMISES
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.programs import named

MAPPED = WorldSpec(("data", "hole"), vmas=(VmaSpec(mapped=(0,)),))
REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
BY_AN_ENTRY = WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)),), large=((0, 1),))
RESERVED = WorldSpec(("data", "unwritten"))

BESIDE_A_COLLAPSE = [
    ("linux-6.2", MAPPED, (Store(1),)),
    ("linux-6.2", REGISTERED, (UffdRegister(), SeekHole(1))),
    ("linux-2026", MAPPED, (Munmap(),)),
    ("linux-2026", REGISTERED, (UffdCopy(1),)),
    ("linux-2026-mended", BY_AN_ENTRY, (DontNeed(0, 2),)),
    pytest.param("linux-6.2", MAPPED, (Truncate(1),), marks=pytest.mark.slow),
    pytest.param("linux-2026", MAPPED, (PunchHole(0),), marks=pytest.mark.slow),
    pytest.param("linux-2026", RESERVED, (Fallocate(0, 2),), marks=pytest.mark.slow),
]


def end(execution: Execution) -> Hashable:
    """How a run ended, without the order in which folios were allocated."""
    world = execution.world
    assert execution.verdict is not None
    slots = tuple(
        (entry.order, entry.refcount, entry.uptodate, tuple(entry.pages)) if isinstance(entry, Folio) else str(entry)
        for entry in world.mapping.i_pages.slots
    )
    counts = (world.mapping.nrpages, world.inode.info.alloced, world.inode.i_blocks, world.memory.nr_live)
    mapped = tuple(tuple(sorted(vma.ptes)) for vma in world.vmas)
    return execution.verdict.signature, slots, counts, mapped


def ends(kernel: str, spec: WorldSpec, beside: tuple[Operation, ...]) -> tuple[set[Hashable], int]:
    """All ends of a collapse beside other operations, and how many choices there were on the way."""
    case = Case(kernel, spec, named(((Collapse(0),), beside)))
    found = search(lambda: prepare(case, KERNELS_BY_NAME[kernel], DEFAULT_PROMISES), outcome=end, stop_at_failure=False)
    assert found.exhausted
    return found.outcomes, found.states


@pytest.mark.parametrize(("kernel", "spec", "beside"), BESIDE_A_COLLAPSE, ids=repr)
def test_a_choice_before_an_invisible_step_leads_to_no_other_end(
    kernel: str, spec: WorldSpec, beside: tuple[Operation, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    known, choices = ends(kernel, spec, beside)
    plain = Step.__init__

    def visible(self: Step, call: str, *args: object, **words: object) -> None:
        plain(self, call, *args, **words)  # type: ignore[arg-type]
        self.target = self.target or ("visible", 0)

    monkeypatch.setattr(Step, "__init__", visible)
    with_all, more_choices = ends(kernel, spec, beside)

    assert with_all == known
    assert more_choices > choices


def test_ends_would_be_missed_if_every_step_were_invisible(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, spec, beside = "linux-6.2", MAPPED, (Store(1),)
    known, _ = ends(kernel, spec, beside)
    plain = Step.__init__

    def invisible(self: Step, call: str, *args: object, **words: object) -> None:
        plain(self, call, *args, **words)  # type: ignore[arg-type]
        self.target = None

    monkeypatch.setattr(Step, "__init__", invisible)
    without, _ = ends(kernel, spec, beside)

    assert without < known
