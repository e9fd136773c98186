"""What every slot of the page cache points to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pagecache.folio import Folio
from pagecache.promises.promise import Watcher
from pagecache.xarray import XA_RETRY_ENTRY, SiblingEntry, XaNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagecache.operations import Operation
    from pagecache.step import Step, Task

__all__ = ["CursorWatcher", "PlaceholderWatcher", "RetryWatcher", "SlotWatcher"]

LETTING_GO: Final = frozenset(
    {"folio_put", "folio_put_refs", "folio_putback_lru", "folio_ref_unfreeze", "folio_unlock"}
)
"""Calls on a folio that may free it, or with which others get at it after its mapping has been cleared."""


class SlotWatcher(Watcher):
    """Every slot points to a live folio that agrees: its mapping, and its range of indices.

    A lookup relies on it once it has a reference: it re-checks the slot, not the folio (filemap_get_entry());
    who locks the folio re-checks the mapping, not the index.
    The moments at which it is checked: a slot is stored, a folio is let go of, the end.

    In the end a large folio is one entry of the tree: whoever replaces it replaces one entry, and a slot that is no
    sibling of that keeps the folio (60cf233b585c).  A huge page is left out: Linux 4.8 stored it page by page.
    """

    after_calls = LETTING_GO | {"xas_store"}

    def after(self, task: Task, step: Step) -> str | None:
        if step.call == "xas_store":
            index = step.args[0]
            assert isinstance(index, int)
            return self._disagreement(index, f"after {task} had stored it")
        if step.call in LETTING_GO:
            folio = step.args[0]
            assert isinstance(folio, Folio)
            if folio.mapping is None or folio.freed:
                for index, entry in enumerate(self.world.mapping.i_pages.slots):
                    if entry is folio:
                        return self._disagreement(index, f"after {step} by {task}")
        return None

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        for index in range(len(self.world.mapping.i_pages.slots)):
            sentence = self._disagreement(index, "in the end") or self._piecemeal(index)
            if sentence is not None:
                return sentence
        return None

    def _piecemeal(self, index: int) -> str | None:
        mapping = self.world.mapping
        folio = mapping.i_pages.slots[index]
        if not isinstance(folio, Folio) or folio.order in (0, mapping.hpage_pmd_order):
            return None
        order = mapping.i_pages.order_at(index)
        if order == folio.order:
            return None
        return f"slot {index} belongs to an entry of order {order} in the end, but {folio} has order {folio.order}"

    def _disagreement(self, index: int, when: str) -> str | None:
        mapping = self.world.mapping
        folio = mapping.i_pages.slots[index]
        if not isinstance(folio, Folio):
            return None
        if folio.freed:
            return f"slot {index} points to {folio} {when}, which has been freed"
        if folio.mapping is not mapping:
            return f"slot {index} points to {folio} {when}, whose mapping has been cleared"
        if not folio.index <= index < folio.next_index:
            return (
                f"slot {index} points to {folio} {when}, "
                f"which thinks that it is at index {folio.index} to {folio.next_index - 1}"
            )
        return None


class CursorWatcher(Watcher):
    """What a cursor finds under the xa_lock is what a walk of one's own finds.

    A cursor that was kept while the lock was dropped may stand in a node that has gone (that is found where it
    is used), or in one that no longer is where it thinks, as in c8a8f3b4a95a and e8c716bc6812.
    """

    after_calls = frozenset({"xas_load", "xas_next", "xas_next_entry", "xas_find"})

    def after(self, task: Task, step: Step) -> str | None:
        if step.call not in self.after_calls or step.target is not None:
            return None  # a load without the lock may find what was there a moment ago
        xa = self.world.mapping.i_pages
        if xa.xa_lock.owner is not task:
            return None
        index, entry = xa.seen
        there = xa.entry_at(index)
        if entry is None and step.call in ("xas_next_entry", "xas_find"):
            return None  # nothing up to the last index: the cursor has been somewhere else on the way
        if entry is there or entry == there or isinstance(entry, SiblingEntry | XaNode):
            return None
        return f"{step} by {task} found {entry} with its cursor at index {index}, where there is {there}"


class RetryWatcher(Watcher):
    """No RETRY entry is left behind: a lookup would spin for ever."""

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        for index, entry in enumerate(self.world.mapping.i_pages.slots):
            if entry is XA_RETRY_ENTRY:
                who = self.world.mapping.i_pages.retry_by
                return f"slot {index} holds a RETRY entry in the end, the last of them stored by {who}"
        return None


class PlaceholderWatcher(Watcher):
    """No huge folio that is not uptodate is left behind.

    One that is not uptodate is a collapse's placeholder; where new folios may be huge, fallocate() reserves such folios
    and leaves them, but nobody has them locked in the end.
    """

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        del pending
        for index, entry in enumerate(self.world.mapping.i_pages.slots):
            reserved = self.world.spec.huge != "never" and isinstance(entry, Folio) and entry.locked_by is None
            if isinstance(entry, Folio) and entry.order and not entry.uptodate and not reserved:
                return f"slot {index} points to {entry} in the end, a huge folio that never became uptodate"
        return None
