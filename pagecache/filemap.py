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
from pagecache.step import Wait, step
from pagecache.xarray import (
    Entry,
    XaState,
    xa_get_order,
    xa_is_retry,
    xas_find,
    xas_get_order,
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
    "put_entry",
    "spin_while_frozen",
]

SEEK_DATA: Final = 3
SEEK_HOLE: Final = 4


async def filemap_get_entry(mapping: AddressSpace, index: int) -> Entry:
    """``filemap_get_entry()``: the entry at ``index``, a folio with a reference; without any lock.

    The speculative lookup: load the slot, get a reference unless there is none, and look whether the
    slot still says the same.  No promise about the folio's lock, flags or mapping: a caller who cares
    locks the folio and checks again.
    """
    xas = XaState(mapping.i_pages, index)
    await rcu_read_lock()
    while True:
        xas_reset(xas)
        entry = await xas_load(xas)
        got = await _get_found(xas, entry)
        if got:
            break
    await rcu_read_unlock()
    return entry


async def _get_found(xas: XaState, entry: Entry) -> bool:
    """The rest of one round of the ``repeat:`` loop of a lookup: a reference to the folio it found.

    Returns:
        False, with the cursor reset, if the lookup has to go round again.
    """
    if xa_is_retry(entry):
        await xas_retry(xas)
        return False
    if not isinstance(entry, Folio):
        return True
    got = await folio_try_get(entry)
    if not got:
        await spin_while_frozen(xas, entry)
        return False
    again = await xas_reload(xas)
    if again is not entry:
        await folio_put(entry)
        xas_reset(xas)
        return False
    return True


async def spin_while_frozen(xas: XaState, folio: Folio) -> None:
    """The ``goto repeat`` after a failed folio_try_get().

    Going round again finds the same folio in the same slot until somebody unfreezes it or
    stores something else; until then the CPU is busy.
    """
    await step(
        "cpu_relax",
        folio,
        target=("refcount", folio.number),
        ready=lambda: folio.refcount != 0 or xas.xa.published_at(xas.index) is not folio,
        waits_for=lambda: _frozen_by(xas, folio),
        spins=True,
    )
    xas_reset(xas)


def _frozen_by(xas: XaState, folio: Folio) -> Wait:
    if xas.xa.entry_at(xas.index) is not folio:
        return Wait(f"{folio}, which has been replaced, to vanish")  # at the next barrier of who did, if not before
    return folio.freeze_waits_for()


async def find_get_entry(xas: XaState, last: int) -> Entry:
    """``find_get_entry(xas, last, XA_PRESENT)``: the next entry up to ``last``, a folio with a reference.

    The cursor is left where it was found; the next call goes on behind that.
    """
    while True:
        entry = await xas_find(xas, last)
        got = await _get_found(xas, entry)
        if got:
            return entry


async def find_lock_entries(mapping: AddressSpace, start: int, last: int) -> list[tuple[int, Entry]]:
    """``find_lock_entries()``: what stands between ``start`` and ``last``, each folio locked and referenced.

    Only folios wholly inside the range whose lock is free at once, and that are not under write-back; the others are
    skipped.
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
            order = await xas_get_order(xas)
            base = index >> order << order
            if base < start:
                continue
            if base + (1 << order) - 1 > last:
                break
            found.append((index, entry))
            continue
        if entry.index < start or entry.next_index - 1 > last:
            await folio_put(entry)
            continue
        locked = await folio_trylock(entry)
        if not locked:
            await folio_put(entry)
            continue
        if entry.mapping is not mapping or entry.writeback is not None:
            await folio_unlock(entry)
            await folio_put(entry)
            continue
        found.append((index, entry))
    await rcu_read_unlock()
    return found


async def find_get_entries(mapping: AddressSpace, start: int, last: int) -> tuple[list[tuple[int, Entry]], int]:
    """``find_get_entries()``: what stands between ``start`` and ``last``, each folio referenced.

    Returns:
        The entries, each with the index at which it was found, and the index at which to go on.
    """
    found: list[tuple[int, Entry]] = []
    behind = start
    xas = XaState(mapping.i_pages, start)
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, last)
        if entry is None:
            break
        found.append((xas.index, entry))
    if found:
        behind, entry = found[len(found) - 1]
        if isinstance(entry, Folio):
            behind = entry.next_index
        else:
            order = await xa_get_order(XaState(mapping.i_pages, behind))
            behind = (behind >> order) + 1 << order
    await rcu_read_unlock()
    return found, behind


async def filemap_remove_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``filemap_remove_folio()``: empty the slots of a locked folio and drop the cache's references."""
    xas = XaState(mapping.i_pages, folio.index)
    current = await xas_lock_irq(xas)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"removed from the page cache by {current} without its lock")
    vm_bug_on_folio(folio.mapcount != 0, folio, "still mapped when removed from the page cache")
    await __filemap_remove_folio(xas, mapping, folio)
    await xas_unlock_irq(xas)
    await step("folio_put_refs", folio, folio.nr_pages, target=("refcount", folio.number), writes=True)
    drop_references(folio, folio.nr_pages)


async def __filemap_remove_folio(xas: XaState, mapping: AddressSpace, folio: Folio) -> None:
    """``__filemap_remove_folio()``: empty the slots, under the ``xa_lock``; the references are the caller's to drop."""
    if mapping.regular is not None and folio.order == mapping.hpage_pmd_order:
        mapping.regular.count_thps(-1)  # filemap_unaccount_folio()
    xas_set_order(xas, folio.index, folio.order)
    await xas_store(xas, None)
    folio.mapping = None
    mapping.nrpages -= folio.nr_pages


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
                await put_entry(entry)
                answer = start
                break
            start = index
        data = True
        if isinstance(entry, Folio):
            data = await folio_test_uptodate(entry)
            order = entry.order
            behind = entry.next_index
        else:
            order = await xas_get_order(xas)  # seek_folio_size() of a large swap entry
            behind = (index >> order) + 1 << order
        if data == seek_data:
            await put_entry(entry)
            answer = start
            break
        start = behind
        if order:
            xas_set(xas, behind)
        await put_entry(entry)
        if start >= end:
            answer = "ENXIO" if seek_data else end
            break
    await rcu_read_unlock()
    return answer


async def put_entry(entry: Entry) -> None:
    """``folio_put()`` of what a lookup found, if that is a folio."""
    if isinstance(entry, Folio):
        await folio_put(entry)
