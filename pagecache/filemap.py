"""Looking things up in the page cache and taking them out of it (``mm/filemap.c``)."""

from __future__ import annotations

from typing import Final

from pagecache.folio import (
    Folio,
    drop_references,
    folio_put,
    folio_test_uptodate,
    folio_try_get,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.inode import AddressSpace
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.step import step
from pagecache.xarray import (
    XA_RETRY_ENTRY,
    Entry,
    XaState,
    xa_is_retry,
    xas_load,
    xas_lock_irq,
    xas_reload,
    xas_reset,
    xas_retry,
    xas_set,
    xas_set_order,
    xas_store,
    xas_unlock_irq,
)

__all__ = [
    "SEEK_DATA",
    "SEEK_HOLE",
    "filemap_get_entry",
    "filemap_remove_folio",
    "find_get_entries",
    "find_lock_entries",
    "mapping_seek_hole_data",
    "spin_while_frozen",
]

SEEK_DATA: Final = 3
SEEK_HOLE: Final = 4


async def filemap_get_entry(mapping: AddressSpace, index: int) -> Entry:
    """``filemap_get_entry()``: the entry at ``index``, a folio with a reference; without any lock.

    The speculative lookup: load the slot, get a reference unless there is none, and look whether the
    slot still says the same.  No promise about the folio's lock, flags or mapping: a caller who cares
    locks the folio and checks again.  Its RCU section contains nothing that could sleep.
    """
    xas = XaState(mapping.i_pages, index)
    while True:
        entry = await find_get_slot(xas)
        if xa_is_retry(entry):
            continue
        return entry


async def find_get_slot(xas: XaState) -> Entry:
    """One round of the ``repeat:`` loop of a lookup; RETRY says that it has to go round again."""
    entry = await xas_load(xas)
    if xa_is_retry(entry):
        await xas_retry(xas)
        return entry
    if not isinstance(entry, Folio):
        return entry
    got = await folio_try_get(entry)
    if not got:
        await spin_while_frozen(xas, entry)
        return XA_RETRY_ENTRY
    again = await xas_reload(xas)
    if again is not entry:
        await folio_put(entry)
        xas_reset(xas)
        return XA_RETRY_ENTRY
    return entry


async def spin_while_frozen(xas: XaState, folio: Folio) -> None:
    """The ``goto repeat`` after a failed folio_try_get().

    Going round again finds the same folio in the same slot until somebody unfreezes it or
    stores something else; until then the CPU is busy.
    """
    await step(
        "cpu_relax",
        folio,
        target=("refcount", folio.number),
        ready=lambda: folio.refcount != 0 or xas.xa.slots[xas.index] is not folio,
        waits_for=folio.freeze_waits_for,
        spins=True,
    )
    xas_reset(xas)


async def find_get_entry(xas: XaState, last: int) -> Entry:
    """``find_get_entry(xas, last, XA_PRESENT)``: the next entry up to ``last``, a folio with a reference.

    The cursor is left at the index where it was found; the caller moves it on.
    """
    while xas.index <= last and xas.index < len(xas.xa.slots):
        entry = await find_get_slot(xas)
        if xa_is_retry(entry):
            continue
        if entry is not None:
            return entry
        xas_set(xas, xas.index + 1)
    return None


async def find_lock_entries(mapping: AddressSpace, start: int, last: int) -> list[tuple[int, Entry]]:
    """``find_lock_entries()``: what stands between ``start`` and ``last``, each folio locked and referenced.

    Only folios wholly inside the range whose lock is free at once; the others are skipped.
    """
    found: list[tuple[int, Entry]] = []
    xas = XaState(mapping.i_pages, start)
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, last)
        if entry is None:
            break
        index = xas.index
        if not isinstance(entry, Folio):
            xas_set(xas, index + 1)
            found.append((index, entry))
            continue
        xas_set(xas, entry.next_index)
        if entry.index < start or entry.next_index - 1 > last:
            await folio_put(entry)
            continue
        locked = await folio_trylock(entry)
        if not locked:
            await folio_put(entry)
            continue
        if entry.mapping is not mapping:
            await folio_unlock(entry)
            await folio_put(entry)
            continue
        found.append((index, entry))
    await rcu_read_unlock()
    return found


async def find_get_entries(mapping: AddressSpace, start: int, last: int) -> list[tuple[int, Entry]]:
    """``find_get_entries()``: what stands between ``start`` and ``last``, each folio referenced."""
    found: list[tuple[int, Entry]] = []
    xas = XaState(mapping.i_pages, start)
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, last)
        if entry is None:
            break
        found.append((xas.index, entry))
        xas_set(xas, entry.next_index if isinstance(entry, Folio) else xas.index + 1)
    await rcu_read_unlock()
    return found


async def filemap_remove_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``filemap_remove_folio()``: empty the slots of a locked folio and drop the cache's references."""
    xas = XaState(mapping.i_pages, folio.index)
    current = await xas_lock_irq(xas)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"removed from the page cache by {current} without its lock")
    vm_bug_on_folio(folio.mapcount != 0, folio, "still mapped when removed from the page cache")
    xas_set_order(xas, folio.index, folio.order)
    await xas_store(xas, None)
    folio.mapping = None
    mapping.nrpages -= folio.nr_pages
    await xas_unlock_irq(xas)
    await step("folio_put_refs", folio, folio.nr_pages, target=("refcount", folio.number), writes=True)
    drop_references(folio, folio.nr_pages)


async def mapping_seek_hole_data(mapping: AddressSpace, start: int, end: int, whence: int) -> int | str:
    """``mapping_seek_hole_data()``: the first index from ``start`` on with data, or without.

    Args:
        mapping: the file.
        start: the index from which to look.
        end: ``i_size`` in pages; the caller holds ``i_rwsem``.
        whence: SEEK_DATA or SEEK_HOLE.

    Returns:
        The index, ``end`` for a hole behind the last data, or ``"ENXIO"``.

    It takes no folio lock.  Shmem has no is_partially_uptodate(), so a folio that is not uptodate is a
    hole, whatever it is about to become (folio_seek_hole_data()).
    """
    if end <= start:
        return "ENXIO"
    seek_data = whence == SEEK_DATA
    xas = XaState(mapping.i_pages, start)
    answer: int | str = "ENXIO"
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, end - 1)
        if entry is None:
            answer = "ENXIO" if seek_data else start
            break
        index = xas.index
        if start < index:
            if not seek_data:
                await _put(entry)
                answer = start
                break
            start = index
        data = True
        behind = index + 1
        if isinstance(entry, Folio):
            data = await folio_test_uptodate(entry)
            behind = entry.next_index
        if data == seek_data:
            await _put(entry)
            answer = start
            break
        start = behind
        xas_set(xas, behind)
        await _put(entry)
        if start >= end:
            answer = "ENXIO" if seek_data else end
            break
    await rcu_read_unlock()
    return answer


async def _put(entry: Entry) -> None:
    if isinstance(entry, Folio):
        await folio_put(entry)
