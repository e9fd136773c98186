"""B12 by hand: a truncate leaves a root without a node, and the node that the next hole needs cannot be had."""

from __future__ import annotations

from fuzz.engine.verdict import Verdict
from fuzz.subject import Subject
from pagecache.history.b12_hole_store_fails import BUG
from pagecache.kernel import Kernel
from pagecache.operations import Collapse, Truncate
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure
from strategies.programs import named


def truncated_meanwhile(kernel: Kernel) -> Verdict:
    case = Case(
        kernel.name,
        WorldSpec(("data",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),)),
        named(((Collapse(0),), (Truncate(1),))),
        (Deviation("khugepaged", "folio_isolate_lru", 1, "truncate"),),
        (Failure("khugepaged", "xas_create", 2),),
    )
    return Subject(kernel, ()).judge(case)


def test_the_cursor_is_not_where_the_loop_is() -> None:
    verdict = truncated_meanwhile(BUG.kernel)

    assert verdict.promise in BUG.breaks
    assert "index" in verdict.sentence


def test_who_looks_at_the_error_rolls_back() -> None:
    assert not truncated_meanwhile(BUG.fixed).failed
