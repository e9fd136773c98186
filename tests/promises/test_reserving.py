from __future__ import annotations

import pytest
from watched import Watched

from pagecache.folio import Folio
from pagecache.inode import ShmemFalloc
from pagecache.locks import WaitQueue
from pagecache.operations import Fallocate, PageOut, PunchHole, Truncate, Write
from pagecache.promises.reserving import GivesUpWatcher, StaysReservedWatcher
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec

SPEC = WorldSpec(("hole",) * 4, size=4, vmas=(VmaSpec(end=4),), huge="always")


class Reserving(Watched):
    """An fallocate() of all four pages that has reserved the first two, in one folio."""

    def __init__(self, *, may_fail: bool = False) -> None:
        super().__init__(GivesUpWatcher, SPEC, may_fail=may_fail)
        self.inode = self.world.inode
        self.call("fallocate", Fallocate(0, 4))
        self.falloc = self.inode.i_private = ShmemFalloc(0, 0, None)
        self.after("fallocate", Step("i_private", 0))
        self.folio_at_0 = self.reserve(0)
        self.look()

    def reserve(self, index: int) -> Folio:
        folio = self.folio(index, order=1, uptodate=False)
        self.world.mapping.i_pages.slots[index : index + 2] = [folio, folio]
        for slot in (index, index + 1):
            self.after("fallocate", Step("xas_store", slot, folio))
        self.falloc.next = index + 2
        return folio

    def look(self) -> None:
        self.after("fallocate", Step("signal_pending"))

    def reclaim(self, folio: Folio) -> None:
        folio.locked_by = self.task("reclaim")
        self.after("reclaim", Step("spin_lock", self.inode.i_lock))
        folio.locked_by = None


def test_as_many_as_were_reserved_are_no_reason() -> None:
    run = Reserving()
    run.reclaim(run.folio_at_0)
    run.look()
    assert run.answer("fallocate", 0) is None


def test_it_gives_up_for_no_reason() -> None:
    run = Reserving()
    run.reclaim(run.folio_at_0)
    run.look()
    assert run.answer("fallocate", "ENOMEM") == (
        "fallocate Fallocate(start=0, length=4) returned ENOMEM, though reclaim had wanted 2 pages when it looked "
        "last, and it had reserved 2"
    )


def test_each_time_counts_for_all_pages_of_the_folio() -> None:
    run = Reserving()
    run.reclaim(run.folio_at_0)
    run.reclaim(run.folio_at_0)
    run.look()
    assert run.answer("fallocate", 0) == (
        "fallocate Fallocate(start=0, length=4) returned 0, though reclaim had wanted 4 pages when it looked last, "
        "and it had reserved 2"
    )


def test_what_is_wanted_after_the_last_look_comes_too_late() -> None:
    run = Reserving()
    run.look()
    run.reclaim(run.folio_at_0)
    run.reclaim(run.folio_at_0)
    assert run.answer("fallocate", 0) is None


def test_what_is_reserved_meanwhile_counts() -> None:
    run = Reserving()
    run.reclaim(run.folio_at_0)
    run.reclaim(run.folio_at_0)
    run.reserve(2)
    run.look()
    assert run.answer("fallocate", 0) is None


@pytest.mark.parametrize("why", ["has content", "is behind", "nobody has it locked"])
def test_what_reclaim_does_not_leave_to_it(why: str) -> None:
    run = Reserving()
    other = run.reserve(2)
    if why == "has content":
        other.uptodate = True
    elif why == "is behind":
        run.falloc.next = 2
    for _ in range(3):
        if why == "nobody has it locked":
            run.after("fault", Step("spin_lock", run.inode.i_lock))
        else:
            run.reclaim(other)
    run.look()
    assert run.answer("fallocate", 0) is None


def test_another_lock_is_another_matter() -> None:
    run = Reserving()
    run.folio_at_0.locked_by = run.task("reclaim")
    for _ in range(2):
        run.after("reclaim", Step("spin_lock", run.inode.info.lock))
    run.look()
    assert run.answer("fallocate", 0) is None


def test_a_failure_that_was_injected_excuses_everything() -> None:
    assert Reserving(may_fail=True).answer("fallocate", "ENOMEM") is None


def test_a_signal_is_no_shortage() -> None:
    assert Reserving().answer("fallocate", "EINTR") is None


def test_reclaim_takes_what_is_being_reserved() -> None:
    run = Reserving()
    run.call("reclaim", PageOut(0))
    assert run.after("reclaim", Step("folio_mark_uptodate", run.folio_at_0)) == (
        "reclaim takes the page at index 0, which fallocate() is reserving and may have to undo"
    )


def test_others_may_write_to_what_is_being_reserved() -> None:
    run = Reserving()
    run.call("write", Write(0))
    assert run.after("write", Step("folio_mark_uptodate", run.folio_at_0)) is None


def test_a_hole_punch_reserves_nothing() -> None:
    run = Watched(GivesUpWatcher, SPEC)
    run.world.inode.i_private = ShmemFalloc(0, 4, WaitQueue(run.task("punch")))
    run.after("punch", Step("i_private", 0, 4))
    run.call("reclaim", PageOut(0))
    run.after("reclaim", Step("spin_lock", run.world.inode.i_lock))
    run.answer("reclaim", 0)
    assert run.watcher.key() == GivesUpWatcher(run.world).key()


def test_the_next_one_begins_anew() -> None:
    run = Reserving()
    run.reclaim(run.folio_at_0)
    run.reclaim(run.folio_at_0)
    run.look()
    assert run.watcher.key() != GivesUpWatcher(run.world).key()
    run.after("fallocate2", Step("i_private", 0))
    run.call("fallocate2", Fallocate(2))
    assert run.answer("fallocate2", 0) is None


class Reserved(Watched):
    """A file of four pages, one page long, of which fallocate() has reserved all but the last."""

    def __init__(self) -> None:
        super().__init__(StaysReservedWatcher, WorldSpec(("data", *("hole",) * 3), size=1, vmas=(VmaSpec(end=4),)))
        self.slots = self.world.mapping.i_pages.slots
        self.slots[1:3] = [self.folio(1, uptodate=False), self.folio(2, uptodate=False)]
        self.do("fallocate", Fallocate(0, 3, keep_size=True), 0)

    def remove(self, task: str, *indices: int) -> str | None:
        for index in indices:
            self.slots[index] = None
        return self.after(task, Step("xas_store", indices[0], None))


def test_somebody_takes_out_what_was_reserved() -> None:
    assert Reserved().remove("split", 1, 2) == (
        "split takes out of the file what fallocate() has reserved, at index 1 and 2"
    )


def test_what_was_not_reserved_may_go() -> None:
    run = Reserved()
    run.slots[3] = run.folio(3)
    assert run.remove("split", 3) is None


@pytest.mark.parametrize("operation", [PunchHole(1, 2), Truncate(1)], ids=["punch", "truncate"])
def test_whoever_wants_it_gone_may_take_it(operation: PunchHole | Truncate) -> None:
    run = Reserved()
    run.call("punch", operation)
    assert run.remove("punch", 1, 2) is None
    assert run.answer("punch", 0) is None
    assert run.remove("split", 0) == "split takes out of the file what fallocate() has reserved, at index 0"


@pytest.mark.parametrize("begins_last", [True, False])
def test_at_the_same_time_either_may_have_come_first(begins_last: bool) -> None:
    run = Reserved()
    if begins_last:
        run.call("fallocate", Fallocate(1, 1, keep_size=True))
    run.call("punch", PunchHole(1))
    if not begins_last:
        run.call("fallocate", Fallocate(1, 1, keep_size=True))
    assert run.answer("fallocate", 0) is None
    assert run.remove("punch", 1) is None


def test_what_failed_has_reserved_nothing() -> None:
    run = Reserved()
    run.do("punch", PunchHole(1), 0)
    run.do("fallocate", Fallocate(1, 1, keep_size=True), "ENOMEM")
    assert run.remove("fallocate", 1) is None


def test_what_is_reserved_is_part_of_the_state() -> None:
    run = Reserved()
    before = run.watcher.key()
    run.call("punch", PunchHole(1))
    assert run.watcher.key() != before
