from __future__ import annotations

import pytest
from stepping import DATA_DATA, Hand, K, contents, folio_at, run, untidy, world

from pagecache.fault import access
from pagecache.folio import folio_lock
from pagecache.memory_failure import generic_error_remove_folio, memory_failure
from pagecache.operations import Collapse, Load, MemoryFailure, PunchHole, Read, SeekData, Write
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec

MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),))
OTHER = Task("other", 1)


@pytest.fixture
def here() -> World:
    K.held.clear()
    K.atomic = 0
    return world(MAPPED, "linux-2026")


def test_the_page_stays_unmapped_and_off_the_lru_lists(here: World) -> None:
    folio = folio_at(here, 0)

    assert run(memory_failure(here.mapping, 0)) == 0

    assert folio_at(here, 0) is folio
    assert (folio.poisoned, folio.lru, folio.mapcount, folio.refcount) == (True, False, 0, 1)
    assert here.vmas[0].ptes.keys() == {1}
    assert untidy(here) == []


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        (Read(0), "EIO"),
        (Write(0), "EIO"),
        (Load(0), "SIGBUS"),
        (SeekData(0), 0),
        (MemoryFailure(0), "EHWPOISON"),
        (Collapse(0), "EAGAIN"),
        (Load(1), "d1"),
    ],
    ids=repr,
)
def test_it_is_an_error_to_whoever_wants_it(
    here: World, operation: Read | Write | Load | SeekData | Collapse, result: str | int
) -> None:
    run(memory_failure(here.mapping, 0))

    assert run(operation.run(here, "K.1")) == result
    assert contents(here) == ["hwpoison", "d1"]
    assert untidy(here) == []


def test_what_takes_pages_away_takes_it_away(here: World) -> None:
    run(memory_failure(here.mapping, 0))

    run(PunchHole(0).run(here, "K.1"))

    assert contents(here) == [None, "d1"]
    assert run(Write(0).run(here, "K.2")) == 1
    assert run(Load(0).run(here, "K.3")) == "K.2"


def test_a_huge_folio_is_split_and_loses_one_page() -> None:
    here = world(DATA_DATA, "linux-2026")
    run(Collapse(0).run(here, "K.0"))

    assert run(memory_failure(here.mapping, 1)) == 0

    assert contents(here) == ["d0", "hwpoison"]
    assert folio_at(here, 0) is not folio_at(here, 1)


def test_a_huge_folio_that_is_in_use_stays_as_it_is() -> None:
    here = world(DATA_DATA, "linux-2026")
    run(Collapse(0).run(here, "K.0"))
    folio_at(here, 0).refcount += 1

    assert run(memory_failure(here.mapping, 1)) == "EBUSY"
    assert contents(here) == ["d0", "d1"]


def test_a_page_that_was_taken_away_meanwhile_is_nobodys_business(here: World) -> None:
    failing = Hand(memory_failure(here.mapping, 0), OTHER)
    failing.until("folio_lock")
    run(PunchHole(0).run(here, "K.1"))

    assert failing.finish() == "EBUSY"
    assert contents(here) == [None, "d1"]


def test_somebody_elses_reference_is_reported(here: World) -> None:
    folio_at(here, 0).refcount += 1

    assert run(memory_failure(here.mapping, 0)) == "EBUSY"
    assert contents(here) == ["hwpoison", "d1"]


def test_a_file_with_another_copy_drops_the_page(here: World) -> None:
    folio = folio_at(here, 0)
    folio.refcount += 1
    run(folio_lock(folio))

    run(generic_error_remove_folio(here.mapping, folio))

    assert contents(here) == [None, "d1"]
    assert folio.refcount == 1


def test_a_load_through_a_stale_tlb_entry_is_a_machine_check(here: World) -> None:
    run(access(here.vmas[0], 0, None, waits=True), OTHER)
    folio_at(here, 0).poisoned = True

    assert run(access(here.vmas[0], 0, None, waits=True), OTHER) == "SIGBUS"
