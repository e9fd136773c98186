"""The slots of the page cache and the cursor over them (``lib/xarray.c``).

``xas_*`` is the only way to the slots.  They are a flat array here: every index has a slot, a
multi-index entry stands in all of them, and storing one publishes slot after slot, canonical slot first, as
xas_store() does.  Nodes, marks, dead leaves and xas_split() come with the real tree.

Who holds the ``xa_lock`` reads without being overtaken, since only the holder writes; such a load
has no target.  A lockless load under RCU does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pagecache.folio import Folio
from pagecache.locks import SpinLock, acquire, lock_step, release
from pagecache.step import KernelBug, Task, Wait, step

__all__ = [
    "XA_RETRY_ENTRY",
    "Entry",
    "RetryEntry",
    "ValueEntry",
    "XArray",
    "XaState",
    "xa_is_retry",
    "xa_is_value",
    "xas_create_range",
    "xas_find_conflict",
    "xas_load",
    "xas_lock_irq",
    "xas_next",
    "xas_next_entry",
    "xas_nomem",
    "xas_reload",
    "xas_reset",
    "xas_retry",
    "xas_set",
    "xas_set_order",
    "xas_store",
    "xas_unlock_irq",
]


class RetryEntry:
    """``XA_RETRY_ENTRY``: a lockless reader that finds it starts again from the top."""

    __slots__ = ()

    def __str__(self) -> str:
        return "RETRY"

    __repr__ = __str__


XA_RETRY_ENTRY: Final = RetryEntry()


class ValueEntry(NamedTuple):
    """A value entry (``xa_mk_value()``): a swap entry of shmem, a shadow entry of other files."""

    value: int

    def __str__(self) -> str:
        return f"value({self.value})"


Entry = Folio | RetryEntry | ValueEntry | None


class XArray:
    """``struct xarray``: the slots, their lock, and who last put a RETRY entry there."""

    __slots__ = ("retry_by", "slots", "xa_lock")

    def __init__(self, nr_slots: int) -> None:
        self.slots: list[Entry] = [None] * nr_slots
        self.xa_lock = SpinLock("i_pages", "i_pages")
        self.retry_by: Task | None = None


class XaState:
    """A cursor (``struct xa_state``).

    ``restart`` is the state in which the next xas_load() or xas_next() walks from the top to
    ``index``; otherwise the cursor stands in a node, and xas_next() advances.  ``locked`` is true
    between xas_lock_irq() and xas_unlock_irq() of this cursor.
    """

    __slots__ = ("error", "index", "locked", "order", "restart", "xa")

    def __init__(self, xa: XArray, index: int, order: int = 0) -> None:
        self.xa = xa
        self.index = index
        self.order = order
        self.restart = True
        self.error = ""
        self.locked = False

    def __str__(self) -> str:
        return str(self.index)


def xa_is_value(entry: Entry) -> bool:
    """``xa_is_value()``."""
    return isinstance(entry, ValueEntry)


def xa_is_retry(entry: Entry) -> bool:
    """``xa_is_retry()``."""
    return entry is XA_RETRY_ENTRY


async def xas_lock_irq(xas: XaState) -> Task:
    """``xas_lock_irq()``: take the ``xa_lock``."""
    current = await lock_step("xas_lock_irq", xas.xa.xa_lock)
    acquire(xas.xa.xa_lock, current)
    xas.locked = True
    return current


async def xas_unlock_irq(xas: XaState) -> None:
    """``xas_unlock_irq()``.  Like spin_unlock(), nobody can tell when exactly it happens."""
    current = await step("xas_unlock_irq")
    release(xas.xa.xa_lock, current)
    xas.locked = False


def xas_set(xas: XaState, index: int) -> None:
    """``xas_set()``: point the cursor at ``index``, without walking there."""
    xas.index = index
    xas.restart = True


def xas_set_order(xas: XaState, index: int, order: int) -> None:
    """``xas_set_order()``: point the cursor at an entry of 2**order indices."""
    xas.index = index >> order << order
    xas.order = order
    xas.restart = True


def xas_reset(xas: XaState) -> None:
    """``xas_reset()``: start again from the top, and forget an error."""
    xas.restart = True
    xas.error = ""


def _slot(xas: XaState, index: int) -> tuple[str, int] | None:
    return None if xas.locked else ("slot", index)


def _entry(xas: XaState) -> Entry:
    slots = xas.xa.slots
    return slots[xas.index] if 0 <= xas.index < len(slots) else None


async def xas_load(xas: XaState) -> Entry:
    """``xas_load()``: the entry at the cursor."""
    await step("xas_load", xas.index, target=_slot(xas, xas.index))
    xas.restart = False
    return _entry(xas)


async def xas_next(xas: XaState) -> Entry:
    """``xas_next()``: the entry at the next index; from a restart, the one at this index (it does not advance)."""
    if not xas.restart:
        xas.index += 1
    await step("xas_next", xas.index, target=_slot(xas, xas.index))
    xas.restart = False
    return _entry(xas)


async def xas_next_entry(xas: XaState, last: int) -> Entry:
    """``xas_next_entry()``: the next entry up to and including ``last``; ``None`` if there is none.

    Under the ``xa_lock`` only: the walk is one step.
    """
    current = await step("xas_next_entry", xas.index, last)
    _must_hold(xas, current, "xas_next_entry()")
    if not xas.restart:
        xas.index += 1
    xas.restart = False
    while xas.index <= last:
        entry = _entry(xas)
        if entry is not None:
            return entry
        xas.index += 1
    return None


async def xas_reload(xas: XaState) -> Entry:
    """``xas_reload()``: look again where the cursor stands; meaningful after folio_try_get() only."""
    await step("xas_reload", xas.index, target=_slot(xas, xas.index))
    return _entry(xas)


async def xas_retry(xas: XaState) -> None:
    """``xas_retry()`` of a RETRY entry: back to the top.

    The caller's busy loop is one wait here: as long as the slot holds RETRY, going round again
    changes nothing, and the CPU spins on whoever put it there.
    """
    await step(
        "xas_retry",
        xas.index,
        target=("slot", xas.index),
        ready=lambda: xas.xa.slots[xas.index] is not XA_RETRY_ENTRY,
        waits_for=lambda: _retry_published_by(xas),
        spins=True,
    )
    xas_reset(xas)


async def xas_find_conflict(xas: XaState) -> Entry:
    """``xas_find_conflict()``: the next entry in the cursor's range; under the ``xa_lock``, one step.

    Called again, it goes on behind the entry it returned.
    """
    current = await step("xas_find_conflict", xas.index)
    _must_hold(xas, current, "xas_find_conflict()")
    first = xas.index >> xas.order << xas.order
    last = first + (1 << xas.order)
    index = xas.index if xas.restart else xas.index + 1
    while index < last:
        entry = xas.xa.slots[index]
        if entry is not None:
            xas.index = index
            xas.restart = False
            return entry
        index += 1
    xas_set(xas, first)
    return None


async def xas_store(xas: XaState, entry: Entry) -> None:
    """``xas_store()``: store ``entry`` over the cursor's range, one published slot after the other.

    Raises:
        KernelBug: if the ``xa_lock`` is not held.
    """
    first = xas.index >> xas.order << xas.order
    for index in range(first, first + (1 << xas.order)):
        current = await step("xas_store", index, entry, target=("slot", index), writes=True)
        _must_hold(xas, current, "xas_store()")
        xas.xa.slots[index] = entry
        if entry is XA_RETRY_ENTRY:
            xas.xa.retry_by = current
    xas.index = first
    xas.restart = False


async def xas_create_range(xas: XaState) -> None:
    """``xas_create_range()``: make sure that every index of the range has a slot.

    A flat array has them all; what is left is that the nodes could not be allocated.
    """
    current = await step("xas_create_range", xas.index, xas.order, fails="ENOMEM")
    _must_hold(xas, current, "xas_create_range()")
    if current.failing:
        xas.error = "ENOMEM"
    xas.restart = True


async def xas_nomem(xas: XaState) -> bool:
    """``xas_nomem()``: if the cursor failed for want of memory, get some; true if it is worth another try.

    Called without the lock: it may sleep.
    """
    if xas.error != "ENOMEM":
        await step("xas_nomem")
        return False
    current = await step("xas_nomem", sleeps=True, fails="ENOMEM")
    if current.failing:
        return False
    xas_reset(xas)
    return True


def _retry_published_by(xas: XaState) -> Wait:
    task = xas.xa.retry_by
    return Wait(f"the RETRY entry at index {xas.index}", (task,) if task else ())


def _must_hold(xas: XaState, current: Task, call: str) -> None:
    if xas.xa.xa_lock.owner is not current:
        raise KernelBug(f"{call} by {current} without the xa_lock, held by {xas.xa.xa_lock.owner}")
