"""Rare places that a search must have reached, or it was vacuous.

A promise that is never in danger is kept by everybody.  These are the dangers: a campaign whose
programs contain a collapse and a fault, and in which no hole was ever filled during the scan, has
tested nothing.  (stateright calls them *sometimes* properties, FoundationDB code probes.)
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from pagecache.folio import Folio
from pagecache.operations import FAULTS, Collapse, Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["SOMETIMES", "SightingsWatcher", "Sometimes"]


@dataclass(frozen=True, slots=True)
class Sometimes:
    """A place worth reaching.

    Args:
        name: a sentence in words joined by underscores.
        summary: what exactly has to happen in a run, one line.
    """

    name: str
    summary: str


SOMETIMES: Final = (
    Sometimes("a_collapse_succeeded", "Collapse returned 0"),
    Sometimes(
        "a_collapse_rolled_back", "Collapse failed after it had isolated a folio, charged a hole or stored an entry"
    ),
    Sometimes("a_hole_was_filled_during_the_scan", "another task filled a slot while a Collapse of its range ran"),
    Sometimes("a_page_was_removed_during_the_scan", "another task emptied a slot while a Collapse of its range ran"),
    Sometimes("a_lookup_met_a_retry_entry", "a lockless lookup loaded RETRY"),
    Sometimes("a_lookup_met_a_frozen_folio", "folio_try_get() failed on a frozen reference count"),
    Sometimes("a_lookup_met_a_freed_folio", "folio_try_get() failed on a folio that had just been freed"),
    Sometimes("an_event_was_delivered", "a fault was reported to a userfaultfd"),
    Sometimes("a_fault_waited_for_a_hole_punch", "a fault slept in shmem_falloc_wait()"),
    Sometimes("a_fault_took_its_page_back", "a fault found the file truncated and removed the page it had inserted"),
    Sometimes("a_huge_folio_was_split", "split_folio() has frozen a large folio and splits its entry"),
    Sometimes("a_failure_was_injected", "a step was made to fail"),
)
"""In the order of a collapse: its result, what others did to it, what others saw of it, what others did."""

WATCHED: Final = frozenset(
    {
        "folio_isolate_lru",
        "folio_try_get",
        "handle_userfault",
        "schedule",
        "shmem_charge",
        "xas_retry",
        "xas_split",
        "xas_store",
    }
)


class SightingsWatcher(Watcher):
    """Never objects; ``reached`` are the names of :data:`SOMETIMES` that this run has reached so far."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.reached: set[str] = set()
        self.collapsing: dict[int, int] = {}
        """By task that is in a Collapse, the first index of its range."""
        self.begun: set[int] = set()
        """Those of them that have something to roll back."""
        self.accessing: set[int] = set()
        """The tasks that are in a load or store."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        if isinstance(operation, Collapse):
            self.collapsing[task.number] = operation.start
        elif isinstance(operation, FAULTS):
            self.accessing.add(task.number)

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> None:
        del number
        self.accessing.discard(task.number)
        if isinstance(operation, Collapse):
            del self.collapsing[task.number]
            if result == 0:
                self.reached.add("a_collapse_succeeded")
            elif task.number in self.begun:
                self.reached.add("a_collapse_rolled_back")
            self.begun.discard(task.number)

    def before(self, task: Task, step: Step) -> None:
        if task.failing:
            self.reached.add("a_failure_was_injected")
        call = step.call
        if call not in WATCHED:
            return
        collapsing = task.number in self.collapsing
        if call == "folio_try_get":
            folio = step.args[0]
            if isinstance(folio, Folio) and folio.refcount == 0:
                self.reached.add(f"a_lookup_met_a_{'freed' if folio.freed else 'frozen'}_folio")
        elif call == "xas_store":
            if collapsing:
                self.begun.add(task.number)
            else:
                self._stored(task, step)
        elif call == "xas_retry":
            self.reached.add("a_lookup_met_a_retry_entry")
        elif call == "handle_userfault":
            self.reached.add("an_event_was_delivered")
        elif call == "schedule":
            if step.target == ("i_private", 0):
                self.reached.add("a_fault_waited_for_a_hole_punch")
        elif call == "xas_split":
            self.reached.add("a_huge_folio_was_split")
        elif collapsing:
            self.begun.add(task.number)

    def key(self) -> Hashable:
        return (tuple(sorted(self.collapsing.items())), frozenset(self.begun), frozenset(self.accessing))

    def _stored(self, task: Task, step: Step) -> None:
        """A task that is in no Collapse stores an entry."""
        index, entry = step.args[:2]
        assert isinstance(index, int)
        order = self.world.spec.hpage_order
        if any(start >> order == index >> order for start in self.collapsing.values()):
            self.reached.add(
                "a_page_was_removed_during_the_scan" if entry is None else "a_hole_was_filled_during_the_scan"
            )
        if entry is None and task.number in self.accessing:
            self.reached.add("a_fault_took_its_page_back")
