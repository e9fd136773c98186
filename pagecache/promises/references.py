"""References at the end of a run, when nobody holds one on the stack.

Operations that wait for a userfaultfd hold none of the file's either: handle_userfault() sleeps without the folio.  A
store through a private mapping has the page with it already into which it is going to copy (do_cow_fault()).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pagecache.folio import Folio
from pagecache.promises.promise import Watcher
from pagecache.xarray import ValueEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pagecache.mm import Vma
    from pagecache.operations import Operation
    from pagecache.pte import Pte
    from pagecache.step import Task
    from pagecache.world import World

__all__ = ["LeakWatcher", "ReferenceWatcher"]


def _slots(world: World, folio: Folio) -> int:
    return sum(entry is folio for inode in world.inodes for entry in inode.i_mapping.i_pages.slots)


def _swap_slots(world: World, folio: Folio) -> int:
    return sum(slot.cache is folio for slot in world.mapping.swap.slots)


def _entries(vma: Vma) -> Iterator[tuple[int, Pte]]:
    """The page-table entries, and the PMDs that map huge pages, each at its first index."""
    yield from sorted(vma.ptes.items())
    for number, table in enumerate(vma.tables):
        if table.huge is not None:
            yield number << vma.mapping.hpage_pmd_order, table.huge


def _ptes(world: World, folio: Folio) -> int:
    return sum(entry.folio is folio for vma in world.vmas for _, entry in _entries(vma))


def _pins(world: World, folio: Folio) -> int:
    return sum(other.pinned is folio for other in world.others)


def _for_a_copy(world: World, folio: Folio) -> int:
    """Is it what somebody who sleeps for a userfaultfd is going to copy into?"""
    waiting = {index for vma in world.vmas if vma.private for _, index in vma.uffd_waiters}
    return int(folio.anon and not folio.uptodate and folio.index in waiting)


class ReferenceWatcher(Watcher):
    """Every reference is accounted for: one for each slot and one for each page-table entry.

    Nothing is left locked, frozen or isolated from the LRU lists, and no page table points to freed memory.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        world = self.world
        for vma in world.vmas:
            for index, entry in _entries(vma):
                if entry.folio is not None and entry.folio.freed:
                    return f"in the end {vma} maps index {index} to {entry.folio}, which has been freed"
            for index, entry in _entries(vma):
                if entry.migrating is not None:
                    what = f"a migration entry for {entry.migrating} at index {index}, and nobody migrates it"
                    return f"in the end {vma} has {what}"
        for folio in world.memory.live():
            slots, ptes = _slots(world, folio), _ptes(world, folio)
            if folio.frozen_by is not None:
                return f"in the end the reference count of {folio} is still frozen by {folio.frozen_by}"
            if folio.locked_by is not None:
                return f"in the end {folio} is still locked by {folio.locked_by}"
            if folio.mapcount != ptes:
                return f"in the end the mapcount of {folio} is {folio.mapcount}, but {ptes} page-table entries map it"
            swap = _swap_slots(world, folio)
            if folio.refcount != slots + ptes + swap + _pins(world, folio) + _for_a_copy(world, folio):
                cached = f" and {swap} places of the swap cache" if swap else ""
                return (
                    f"in the end {folio} has {folio.refcount} references, but is found in "
                    f"{slots} slots and {ptes} page-table entries{cached}"
                )
            if slots and not folio.lru and not folio.poisoned:
                return f"in the end {folio} is in the page cache but on no LRU list: somebody isolated it and forgot"
        return None


class LeakWatcher(Watcher):
    """Nothing leaks: what is alive can be reached through the page cache, a page table or the swap cache.

    And every slot of the swap device is referred to as often as it is counted, and nobody keeps the device; and no
    cursor, all of which are gone by now, had a node in reserve.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        i_pages = self.world.mapping.i_pages
        users: Counter[int] = Counter()
        for index, entry in enumerate(i_pages.entries()):
            if isinstance(entry, ValueEntry) and self.world.mapping.regular is None:
                users[entry.value + index % (1 << i_pages.order_at(index))] += 1
        for number, slot in enumerate(self.world.mapping.swap.slots):
            if slot.count != users[number]:
                return (
                    f"in the end swap slot {number} is counted {slot.count} times, "
                    f"but {users[number]} entries refer to it"
                )
        for folio in self.world.memory.live():
            if not any(found(self.world, folio) for found in (_slots, _ptes, _swap_slots, _pins, _for_a_copy)):
                return f"in the end {folio} is alive with {folio.refcount} references, but nothing points to it"
        for user in self.world.mapping.swap.users:
            return f"in the end {user} still has a reference to the swap device, which nobody can switch off"
        if i_pages.nr_spares:
            return f"in the end the number of spare nodes is {i_pages.nr_spares}, but no cursor is left that has one"
        return None
