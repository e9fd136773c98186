"""The list of the files whose last folio reaches behind their end, by hand; and the lists of which it is one."""

from __future__ import annotations

import pytest
from stepping import Hand, run, untidy, world

from pagecache.evict import evict_inodes
from pagecache.list_head import (
    ListHead,
    list_add_tail,
    list_del_init,
    list_empty,
    list_empty_careful,
    list_move,
    list_splice_tail,
)
from pagecache.operations import CloseFile, Fallocate, PunchHole, Shrink, Store, Truncate, Write
from pagecache.promises.shrinklist import ShrinklistWatcher
from pagecache.step import KernelBug, Task
from pagecache.world import VmaSpec, World, WorldSpec

KERNEL = "linux-2026-mended"
A, B = Task("A", 0), Task("B", 1)


def superblock(*others: str, pages: int = 2, size: int = 2, order: int = 1) -> World:
    spec = WorldSpec(("hole",) * pages, order, size, (VmaSpec(end=pages),), huge="always", others=others)
    return world(spec, KERNEL)


def listed(here: World) -> list[str]:
    assert here.sbinfo is not None
    return [entry.name for entry in here.sbinfo.shrinklist.entries()]


def objection(here: World) -> str | None:
    return ShrinklistWatcher(here).ended(())


@pytest.fixture
def three() -> tuple[ListHead, list[ListHead]]:
    head, entries = ListHead("head"), [ListHead(name) for name in "abc"]
    for entry in entries:
        run(list_add_tail(entry, head))
    return head, entries


def test_a_list_keeps_the_order(three: tuple[ListHead, list[ListHead]]) -> None:
    head, entries = three

    assert head.entries() == entries


@pytest.mark.parametrize("gone", range(3))
def test_what_is_deleted_is_in_no_list(three: tuple[ListHead, list[ListHead]], gone: int) -> None:
    head, entries = three
    run(list_del_init(entries[gone]))

    assert head.entries() == entries[:gone] + entries[gone + 1 :]
    assert entries[gone].entries() == []


def test_what_is_moved_comes_first(three: tuple[ListHead, list[ListHead]]) -> None:
    head, entries = three
    other = ListHead("other")
    for entry in entries:
        run(list_move(entry, other))

    assert head.entries() == []
    assert other.entries() == entries[::-1]


def test_a_list_is_spliced_behind_another_one(three: tuple[ListHead, list[ListHead]]) -> None:
    head, entries = three
    batch = ListHead("batch")
    run(list_splice_tail(batch, head))
    assert head.entries() == entries

    for name in "de":
        run(list_add_tail(ListHead(name), batch))
    run(list_splice_tail(batch, head))

    assert [entry.name for entry in head.entries()] == list("abcde")
    assert all(entry.next.prev is entry for entry in (head, *head.entries()))


def test_two_neighbours_that_are_deleted_at_once_leave_a_list_without_the_third(
    three: tuple[ListHead, list[ListHead]],
) -> None:
    head, (a, b, c) = three
    first, second = Hand(list_del_init(b), A), Hand(list_del_init(a), B)
    first.until("__list_del")  # it has read that its neighbours are a and c
    second.finish()
    first.finish()

    assert head.entries() == [b]
    assert (b.next, c.prev, a.next) == (b, a, c)


def test_an_entry_that_is_being_deleted_looks_empty_to_who_is_not_careful(
    three: tuple[ListHead, list[ListHead]],
) -> None:
    _, (_, b, _) = three
    hand = Hand(list_del_init(b), A)
    hand.until("INIT_LIST_HEAD")
    assert (run(list_empty(b)), run(list_empty_careful(b))) == (False, False)
    hand.step()
    assert (run(list_empty(b)), run(list_empty_careful(b))) == (True, False)
    hand.step()
    assert (run(list_empty(b)), run(list_empty_careful(b))) == (True, True)


def test_an_entry_whose_neighbours_lead_elsewhere_is_a_bug(three: tuple[ListHead, list[ListHead]]) -> None:
    head, (a, b, c) = three
    a.next = c

    with pytest.raises(KernelBug, match="list_del corruption: b is between a, which leads to c, and c, which leads"):
        run(list_del_init(b))
    assert head.entries() == [a, c]


@pytest.mark.parametrize(
    ("others", "split", "left"),
    [
        (("idle",), [1], []),
        (("pinned",), [], ["file 1"]),
        (("idle", "pinned", "idle"), [1, 3], ["file 2"]),
    ],
)
def test_what_can_be_split_leaves_the_list(others: tuple[str, ...], split: list[int], left: list[str]) -> None:
    here = superblock(*others)

    assert run(Shrink().run(here, "")) == 0

    assert [other.number for other in here.others if other.inode.i_mapping.nrpages == 1] == split
    assert listed(here) == left
    assert [inode.i_count for inode in here.inodes] == [1] * (1 + len(others))
    assert objection(here) is None
    run(evict_inodes(here))
    assert listed(here) == []


def test_a_file_whose_lock_is_taken_stays_on_the_list() -> None:
    here = superblock("idle")
    entry = here.others[0].inode.i_mapping.i_pages.entry_at(0)
    entry.locked_by = B  # type: ignore[union-attr]

    run(Shrink().run(here, ""))

    assert listed(here) == ["file 1"]


def test_who_is_being_evicted_is_left_to_that() -> None:
    here = superblock("idle", "idle")
    close = Hand(CloseFile(1).run(here, ""), A)
    close.until("i_size_write")  # I_FREEING is set

    run(Shrink().run(here, ""), B)
    assert listed(here) == []
    assert here.others[0].inode.i_mapping.nrpages == 2

    assert close.finish() == 0
    assert objection(here) is None


def test_a_file_is_closed_once() -> None:
    here = superblock("pinned")

    assert run(CloseFile(1).run(here, "")) == 0
    assert run(CloseFile(1).run(here, "")) == "EBADF"

    assert here.memory.nr_live == 0
    assert listed(here) == []
    assert objection(here) is None


def test_the_shrinker_has_the_last_reference_of_a_file_that_was_closed_meanwhile() -> None:
    here = superblock("pinned")
    shrink = Hand(Shrink().run(here, ""), A)
    shrink.until("can_split_folio")
    run(CloseFile(1).run(here, ""), B)
    assert here.memory.nr_live == 1

    shrink.finish()

    assert here.memory.nr_live == 0
    assert listed(here) == []
    assert objection(here) is None


@pytest.mark.parametrize(
    ("operations", "size", "expected"),
    [
        ((Fallocate(0, 2, keep_size=True),), 1, ["file 1", "the file"]),  # half of it is behind the end
        ((Fallocate(0, 2),), 2, ["file 1"]),
        ((Store(0),), 1, ["file 1", "the file"]),
        ((Write(0),), 2, ["file 1"]),  # a page of its own
        ((Store(0), PunchHole(0, 2), Store(0)), 1, ["file 1", "the file"]),  # it is there already
    ],
    ids=repr,
)
def test_a_new_folio_that_reaches_behind_the_end_puts_its_file_on_the_list(
    operations: tuple[Store | Write | Fallocate | PunchHole, ...], size: int, expected: list[str]
) -> None:
    here = superblock("idle", size=size)
    for operation in operations:
        run(operation.run(here, "x"))

    assert listed(here) == expected
    assert objection(here) is None
    assert untidy(here) == []


def test_a_file_that_is_being_taken_from_the_list_is_not_put_on_it_meanwhile() -> None:
    """It has a folio to split again, and is on no list: list_empty_careful() prefers that to a list that is corrupt."""
    here = superblock("idle", size=1)
    run(Store(0).run(here, "x"))
    run(PunchHole(0, 2).run(here, ""))
    shrink = Hand(Shrink().run(here, ""), A)
    shrink.until("INIT_LIST_HEAD", 2)

    run(Store(0).run(here, "y"), B)
    shrink.finish()

    assert here.mapping.nrpages == 2
    assert listed(here) == []
    assert objection(here) is None


def test_what_is_behind_the_end_of_the_file_goes() -> None:
    here = superblock("pinned", size=1)
    run(Store(0).run(here, "x"))
    assert here.mapping.nrpages == 2

    run(Shrink().run(here, ""))

    assert here.mapping.nrpages == 1
    assert listed(here) == ["file 1"]
    assert untidy(here) == []


def test_a_file_that_has_grown_meanwhile_is_dropped_from_the_list() -> None:
    here = superblock("pinned", size=1)
    run(Store(0).run(here, "x"))
    run(Truncate(2).run(here, ""))

    run(Shrink().run(here, ""))

    assert here.mapping.nrpages == 2
    assert listed(here) == ["file 1"]


def test_a_world_of_one_file_has_no_list() -> None:
    here = world(WorldSpec(("hole", "hole"), size=1, huge="always"), KERNEL)
    run(Store(0).run(here, "x"))

    assert here.sbinfo is None
    assert here.mapping.nrpages == 2
    assert objection(here) is None


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("length", "1 files are on the shrinklist, but shrinklist_len is 2"),
        ("back", "leads to file 1 in the shrinklist, which leads back to file 1"),
        ("gone", "file 1 is on the shrinklist, but its inode has gone"),
        ("lost", "the file is on a list that nobody has"),
    ],
)
def test_a_list_that_is_not_right_is_told_of(spoil: str, sentence: str) -> None:
    here = superblock("idle")
    assert here.sbinfo is not None
    assert here.inode.shrinklist is not None
    first = here.sbinfo.shrinklist.next
    match spoil:
        case "length":
            here.sbinfo.shrinklist_len = 2
        case "back":
            first.prev = first
        case "gone":
            here.others[0].inode.freeing = True
        case "lost":
            run(list_add_tail(here.inode.shrinklist, ListHead("list")))

    said = objection(here)

    assert said is not None
    assert sentence in said
