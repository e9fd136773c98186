"""A page that is write-protected is not written without an event."""

from __future__ import annotations

import pytest
from questions import never, reach
from watched import Watched

from pagecache.history.b24_marker_lost import BUG as B24
from pagecache.operations import (
    Collapse,
    Munmap,
    Operation,
    PageOut,
    Poke,
    PunchHole,
    Truncate,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
)
from pagecache.promises.write_protection import WriteProtectWatcher
from pagecache.pte import Pte
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec

PROMISE = "a_write_protected_page_is_not_written_without_an_event"
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0,)),))
PROTECTED = (UffdRegister(mode="wp"), UffdWriteProtect(0), Poke(0))


@pytest.mark.parametrize("kernel", ["linux-6.4", "linux-2026"])
@pytest.mark.parametrize("beside", [Collapse(0), PageOut(0)], ids=repr)
def test_memory_management_keeps_the_protection(kernel: str, beside: Operation) -> None:
    assert never(kernel, MAPPED, (beside,), PROTECTED, promise=PROMISE) > 100


def test_a_marker_is_lost_with_its_page_table() -> None:
    reach(B24.kernel, MAPPED, (Collapse(0),), PROTECTED, promise=PROMISE, deviations=1)


def test_taking_the_page_out_of_the_file_ends_it() -> None:
    never("linux-2026", MAPPED, (PunchHole(0),), PROTECTED, promise=PROMISE)


PROTECT, LIFT = UffdWriteProtect(0), UffdWriteProtect(0, lift=True)
ENDINGS = [LIFT, UffdRegister(), UffdUnregister(), Munmap(), PunchHole(0), Truncate(0)]


@pytest.fixture
def run() -> Watched:
    return Watched(WriteProtectWatcher, WorldSpec(vmas=(VmaSpec(wp=True),)))


def store(run: Watched, index: int = 0) -> str | None:
    vma = run.world.vmas[0]
    vma.tlb[index] = Pte(run.at(index), write=True)
    return run.after("writer", Step("store", vma, index))


def test_a_store_through_a_protected_page_is_objected_to(run: Watched) -> None:
    run.do("monitor", PROTECT, 0)
    assert store(run, 1) is None
    assert "write-protected" in (store(run) or "")


def test_a_protection_that_failed_protects_nothing(run: Watched) -> None:
    run.do("monitor", PROTECT, "ENOENT")
    assert store(run) is None


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
@pytest.mark.parametrize("returns_first", ["monitor", "other"])
@pytest.mark.parametrize("called_first", ["monitor", "other"])
def test_what_overlaps_with_an_end_protects_nothing(
    run: Watched, ending: Operation, called_first: str, returns_first: str
) -> None:
    calls = {"monitor": PROTECT, "other": ending}
    for name in sorted(calls, key=lambda name: name != called_first):
        run.call(name, calls[name])
    assert run.answer(returns_first, 0) is None
    assert store(run) is None  # the other one is still under way
    run.answer("other" if returns_first == "monitor" else "monitor", 0)
    assert store(run) is None


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_the_call_ends_it_and_not_the_return(run: Watched, ending: Operation) -> None:
    run.do("monitor", PROTECT, 0)
    run.call("other", ending)
    assert store(run) is None


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
def test_what_has_ended_before_does_not_count(run: Watched, ending: Operation) -> None:
    run.do("other", ending, 0)
    run.do("monitor", PROTECT, 0)
    assert store(run) is not None
