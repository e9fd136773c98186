"""Folios: references, the folio lock, flags, the LRU and what the pages hold (``struct folio``).

The content of a page is one *tag*, a word that says which write it came from: ``"d1"`` for the
initial content of index 1, ``"0"`` for zeroes, ``"write.0"`` for what task ``write`` wrote in its
first operation, ``"poison"`` for memory that was allocated and never written.

A freed folio stays as a tombstone: any use of it raises :class:`UseAfterFree`.  It is never
recycled, so what is left out is a page that comes back as something else; folio_try_get() on a
tombstone fails as it does in the moment between the free and the next allocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pagecache.locks import LOCK_ORDER
from pagecache.step import KernelBug, Target, Task, UseAfterFree, Wait, step
from pagecache.touched import PMDS, SWAP_CACHE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagecache.inode import AddressSpace

__all__ = [
    "POISON",
    "ZERO",
    "Folio",
    "Memory",
    "__folio_set_locked",
    "clear_highpage",
    "copy_highpage",
    "copy_mc_highpage",
    "folio_add_lru",
    "folio_get",
    "folio_isolate_lru",
    "folio_lock",
    "folio_mark_uptodate",
    "folio_put",
    "folio_put_refs",
    "folio_putback_lru",
    "folio_ref_add",
    "folio_ref_count",
    "folio_ref_freeze",
    "folio_ref_unfreeze",
    "folio_test_uptodate",
    "folio_try_get",
    "folio_trylock",
    "folio_unlock",
    "seen_in_its_slots",
    "unlock_and_put",
    "vm_bug_on_folio",
]

ZERO: Final = "0"
POISON: Final = "poison"
FREED: Final = "freed"


class Folio:
    """One folio: 2**order pages of memory, and their one reference count and lock."""

    __slots__ = (
        "anon",
        "dirty",
        "freed",
        "frozen_by",
        "index",
        "locked_by",
        "lru",
        "mapcount",
        "mapping",
        "memory",
        "name",
        "number",
        "order",
        "pages",
        "poisoned",
        "rank",
        "refcount",
        "swap",
        "swapbacked",
        "uptodate",
        "writeback",
    )

    # Two orders of allocation may lead to the same point: the number is for reports only.
    __fingerprint_skip__: ClassVar = ("memory", "name", "number", "rank")

    def __init__(self, memory: Memory, number: int, order: int) -> None:
        self.memory = memory
        self.number = number
        self.name = f"{'H' if order else 'F'}{number}"
        """What reports call it: H if it was allocated as a large folio, whatever a split has made of it."""
        self.order = order
        self.refcount = 1
        self.frozen_by: Task | None = None
        self.locked_by: Task | None = None
        self.mapping: AddressSpace | None = None
        self.anon = False
        """``folio_test_anon()``: a private mapping's own page, which is in no file."""
        self.index = 0
        self.uptodate = False
        self.dirty = False
        self.writeback: Task | None = None
        """Who has the disk write it (``PG_writeback``); regular files only."""
        self.swapbacked = False
        self.lru = False
        self.swap = -1
        """The entry by which the swap cache finds it (``folio->swap``); -1 if it is not there."""
        self.mapcount = 0
        self.poisoned = False
        """``PG_hwpoison``: its memory has failed; reading it raises a machine check."""
        self.pages = [POISON] * (1 << order)
        self.freed = False
        self.rank = FOLIO_LOCK_RANK

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    @property
    def nr_pages(self) -> int:
        """``folio_nr_pages()``."""
        return 1 << self.order

    @property
    def next_index(self) -> int:
        """``folio_next_index()``: the first index of the file behind this folio."""
        return self.index + (1 << self.order)

    def page_at(self, index: int) -> str:
        """The content of the page that holds ``index`` of the file."""
        return self.pages[self._offset(index, "read")]

    def set_page_at(self, index: int, content: str) -> None:
        """Store ``content`` into the page that holds ``index`` of the file."""
        self.pages[self._offset(index, "written")] = content

    def _offset(self, index: int, what: str) -> int:
        if self.freed:
            raise UseAfterFree(f"{self} was {what} after it had been freed")
        if not self.index <= index < self.next_index:
            # It has been split, or is somewhere else by now: who comes by this way holds a stale pointer.
            raise UseAfterFree(f"{self} was {what} at index {index}, but has {self.index} to {self.next_index - 1}")
        return index - self.index

    def is_unlocked(self) -> bool:
        """May the folio lock be taken now?"""
        return self.locked_by is None

    def lock_waits_for(self) -> Wait:
        """Who holds the folio lock."""
        return Wait(f"the lock of {self}", (self.locked_by,) if self.locked_by else ())

    def freeze_waits_for(self) -> Wait:
        """Who froze the reference count."""
        return Wait(f"the frozen reference count of {self}", (self.frozen_by,) if self.frozen_by else ())


FOLIO_LOCK_RANK: Final = LOCK_ORDER.index("folio_lock")


class Memory:
    """The page allocator: every folio ever allocated in this world, in order, and how many are alive."""

    __slots__ = ("folios", "nr_live")
    # A folio that matters is reached from where it is used; one that leaked shows in the count.
    __fingerprint_skip__: ClassVar = ("folios",)

    def __init__(self) -> None:
        self.folios: list[Folio] = []
        self.nr_live = 0

    def new_folio(self, order: int) -> Folio:
        """A fresh folio with one reference, its pages poisoned; not a step, nobody can see it yet."""
        folio = Folio(self, len(self.folios), order)
        self.folios.append(folio)
        self.nr_live += 1
        return folio

    def live(self) -> list[Folio]:
        """The folios that have not been freed."""
        return [folio for folio in self.folios if not folio.freed]


def vm_bug_on_folio(condition: bool, folio: Folio, sentence: str) -> None:
    """``VM_BUG_ON_FOLIO()``.

    Raises:
        KernelBug: if ``condition`` holds, with the folio's state.
    """
    if condition:
        raise KernelBug(
            f"{folio}: {sentence} (refcount {folio.refcount}, index {folio.index}, "
            f"locked by {folio.locked_by}, mapcount {folio.mapcount})"
        )


def _refcount(folio: Folio) -> Target:
    return ("refcount", folio.number)


def seen_in_its_slots(folio: Folio) -> list[tuple[Target, bool]]:
    """Who finds the folio in a slot, or as the only entry of a tree, looks at its flags in the same breath."""
    return [(("xa_head", 0), True), *((("slot", index), True) for index in range(folio.index, folio.next_index))]


def _also_by_swap_entry(folio: Folio) -> list[tuple[Target, bool]]:
    """Who finds the folio in the swap cache gets a reference in the same step, and knows its entry only."""
    return [(SWAP_CACHE, False)] if folio.swap >= 0 else []


def _trap(folio: Folio, what: str) -> None:
    if folio.freed:
        raise UseAfterFree(f"{what} of {folio} after it had been freed")


async def folio_get(folio: Folio, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``folio_get()``: one more reference; the caller already has one, or holds what keeps one; ``also`` as in Step."""
    await step("folio_get", folio, target=_refcount(folio), writes=True, also=also)
    _trap(folio, "folio_get()")
    vm_bug_on_folio(folio.refcount <= 0, folio, "folio_get() on a folio without references")
    folio.refcount += 1


async def folio_try_get(folio: Folio) -> bool:
    """``folio_try_get()``: one more reference unless there is none (freed, or frozen)."""
    await step("folio_try_get", folio, target=_refcount(folio), writes=True)
    if folio.refcount == 0:
        return False
    folio.refcount += 1
    return True


async def folio_ref_add(folio: Folio, nr: int) -> None:
    """``folio_ref_add()``."""
    await step("folio_ref_add", folio, nr, target=_refcount(folio), writes=True)
    _trap(folio, "folio_ref_add()")
    folio.refcount += nr


async def folio_put(folio: Folio, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``folio_put()``: drop one reference, and free the folio with the last; ``also`` as in Step."""
    await step("folio_put", folio, target=_refcount(folio), writes=True, also=also)
    drop_references(folio, 1)


async def folio_put_refs(folio: Folio, refs: int) -> None:
    """``folio_put_refs()``: drop several references at once."""
    await step("folio_put_refs", folio, refs, target=_refcount(folio), writes=True)
    drop_references(folio, refs)


def drop_references(folio: Folio, refs: int) -> None:
    """The effect of folio_put_refs(), for those who drop references in a step of their own."""
    _trap(folio, "folio_put()")
    vm_bug_on_folio(folio.refcount < refs, folio, f"dropping {refs} references")
    folio.refcount -= refs
    if folio.refcount == 0:
        # bad_page(): what the allocator refuses to take back (free_page_is_bad()).
        vm_bug_on_folio(folio.locked_by is not None, folio, "freed while locked")
        vm_bug_on_folio(folio.mapcount != 0, folio, "freed while mapped")
        vm_bug_on_folio(folio.mapping is not None, folio, "freed with its mapping set")
        folio.freed = True
        folio.memory.nr_live -= 1
        folio.pages = [FREED] * folio.nr_pages


async def folio_ref_count(folio: Folio) -> int:
    """``folio_ref_count()``: a look; also at a folio that may be gone, as the scanner does."""
    await step("folio_ref_count", folio, target=_refcount(folio), also=_also_by_swap_entry(folio))
    return folio.refcount


async def folio_ref_freeze(folio: Folio, expected: int) -> bool:
    """``folio_ref_freeze()``: if there are exactly ``expected`` references, make it none.

    From then on nobody gets a new reference: folio_try_get() fails, and a lookup that still finds
    the folio spins.  "Think of keeping a folio refcount frozen to 0 as like holding a spinlock"
    (Hugh Dickins on v5 of the uptodate series, March 2023).
    """
    also = _also_by_swap_entry(folio)
    current = await step("folio_ref_freeze", folio, expected, target=_refcount(folio), writes=True, also=also)
    _trap(folio, "folio_ref_freeze()")
    if folio.refcount != expected:
        return False
    folio.refcount = 0
    folio.frozen_by = current
    return True


async def folio_ref_unfreeze(folio: Folio, count: int) -> None:
    """``folio_ref_unfreeze()``: end a freeze with ``count`` references."""
    await step("folio_ref_unfreeze", folio, count, target=_refcount(folio), writes=True)
    _trap(folio, "folio_ref_unfreeze()")
    vm_bug_on_folio(folio.refcount != 0, folio, "folio_ref_unfreeze() of a folio that is not frozen")
    folio.refcount = count
    folio.frozen_by = None


def _lock(folio: Folio) -> Target:
    return ("folio_lock", folio.number)


def _looked_at_by_its_owner(folio: Folio) -> list[tuple[Target, bool]]:
    """Who has the lock looks at the mapcount, at the flags, and whether it is mapped, without another step."""
    return [(PMDS, False), (_refcount(folio), False), (_flags(folio), False), (("writeback", folio.number), False)]


def _hold(folio: Folio, current: Task) -> None:
    folio.locked_by = current
    current.held.append(folio)


async def __folio_set_locked(folio: Folio) -> None:
    """``__folio_set_locked()``: lock a folio that nobody else can see yet."""
    current = await step("__folio_set_locked", folio)
    _hold(folio, current)


async def folio_lock(folio: Folio) -> None:
    """``folio_lock()``: sleep until the folio is unlocked, then hold its lock.

    The caller holds a reference.
    """
    current = await step(
        "folio_lock",
        folio,
        target=_lock(folio),
        writes=True,
        ready=folio.is_unlocked,
        waits_for=folio.lock_waits_for,
        sleeps=True,
        also=_looked_at_by_its_owner(folio),
    )
    _trap(folio, "folio_lock()")
    _hold(folio, current)


async def folio_trylock(folio: Folio) -> bool:
    """``folio_trylock()``: hold the lock if it is free, never wait.  Returns whether it is held now."""
    current = await step("folio_trylock", folio, target=_lock(folio), writes=True, also=_looked_at_by_its_owner(folio))
    _trap(folio, "folio_trylock()")
    if folio.locked_by is not None:
        return False
    _hold(folio, current)
    return True


async def folio_unlock(folio: Folio) -> None:
    """``folio_unlock()``."""
    # Who has had it looks whether the memory has failed, without another step.
    current = await step("folio_unlock", folio, target=_lock(folio), writes=True, also=[(_flags(folio), False)])
    _trap(folio, "folio_unlock()")
    vm_bug_on_folio(folio.locked_by is not current, folio, f"unlocked by {current}, who does not hold its lock")
    folio.locked_by = None
    current.held.remove(folio)


async def unlock_and_put(folio: Folio) -> None:
    """``folio_unlock()``, then ``folio_put()``."""
    await folio_unlock(folio)
    await folio_put(folio)


def _flags(folio: Folio) -> Target:
    return ("flags", folio.number)


async def folio_test_locked(folio: Folio) -> bool:
    """``folio_test_locked()``, for those who would not wait."""
    await step("folio_test_locked", folio, target=_lock(folio), also=[(_refcount(folio), False)])
    _trap(folio, "folio_test_locked()")
    return folio.locked_by is not None


async def folio_test_uptodate(folio: Folio) -> bool:
    """``folio_test_uptodate()``, without the folio lock.

    Holding the lock, read ``folio.uptodate``: only its holder sets the flag, and nobody clears it.
    """
    await step("folio_test_uptodate", folio, target=_flags(folio))
    return folio.uptodate


async def folio_mark_uptodate(folio: Folio) -> None:
    """``folio_mark_uptodate()``."""
    await step("folio_mark_uptodate", folio, target=_flags(folio), writes=True, also=seen_in_its_slots(folio))
    _trap(folio, "folio_mark_uptodate()")
    folio.uptodate = True


async def folio_isolate_lru(folio: Folio) -> bool:
    """``folio_isolate_lru()``: take the folio off its LRU list, with a reference; false if it is not on one."""
    await step("folio_isolate_lru", folio, target=_refcount(folio), writes=True, also=seen_in_its_slots(folio))
    _trap(folio, "folio_isolate_lru()")
    if not folio.lru:
        return False
    folio.lru = False
    folio.refcount += 1
    return True


async def folio_putback_lru(folio: Folio) -> None:
    """``folio_putback_lru()``: back to the LRU list, dropping the reference of folio_isolate_lru().

    Raises:
        KernelBug: if it is on a list, as folio_add_lru().
    """
    await step("folio_putback_lru", folio, target=_refcount(folio), writes=True, also=seen_in_its_slots(folio))
    _trap(folio, "folio_putback_lru()")
    vm_bug_on_folio(folio.lru, folio, "put back to the LRU list that it is on")
    folio.lru = True
    drop_references(folio, 1)


async def folio_add_lru(folio: Folio) -> None:
    """``folio_add_lru()``.

    Leaves out the per-CPU batch (and so lru_add_drain(), and the batch's passing reference).

    Raises:
        KernelBug: if it is on a list (``VM_BUG_ON_FOLIO(folio_test_lru(folio), folio)``).
    """
    await step("folio_add_lru", folio, target=_refcount(folio), writes=True, also=seen_in_its_slots(folio))
    _trap(folio, "folio_add_lru()")
    vm_bug_on_folio(folio.lru, folio, "added to the LRU list that it is on")
    folio.lru = True


async def clear_highpage(folio: Folio, offset: int) -> None:
    """``clear_highpage()``: zero page ``offset`` of a new folio: whoever can find it waits for our folio lock."""
    await step("clear_highpage", folio, offset)
    _trap(folio, "clear_highpage()")
    folio.pages[offset] = ZERO


async def copy_highpage(to: Folio, offset: int, source: Folio, index: int | None = None) -> None:
    """``copy_highpage()``: copy a page of ``source``, by default its first, to page ``offset`` of ``to``."""
    index = source.index if index is None else index
    await step("copy_highpage", to, offset, source, target=("page", index))
    _trap(source, "copy_highpage()")
    to.pages[offset] = source.page_at(index)


async def copy_mc_highpage(
    to: Folio, offset: int, source: Folio, index: int | None = None, *, also: Sequence[tuple[Target, bool]] = ()
) -> bool:
    """``copy_mc_highpage()``: as copy_highpage(), but survive a machine check; ``also`` as in Step.

    Returns:
        Whether the source could be read; false stands for memory that has failed.
    """
    index = source.index if index is None else index
    looked_at = [(_flags(source), False), *also]
    current = await step(
        "copy_mc_highpage", to, offset, source, target=("page", index), fails="EHWPOISON", also=looked_at
    )
    _trap(source, "copy_mc_highpage()")
    if current.failing or source.poisoned:
        return False
    to.pages[offset] = source.page_at(index)
    return True
