"""What is known about a mapping while operations change it: is it there, is it registered?

Both change under the mmap_lock held for writing, at some moment between call and return; in between it is
a MAYBE.  Accesses and faults that began before and end after are judged by what held at the moment of
their own actions.

mremap() is about two: what is moved goes (unless with MREMAP_DONTUNMAP), and what was at the new address is another
mapping from then on, without registration.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pagecache.operations import Mremap, Munmap, Operation, Result, UffdRegister, UffdUnregister
from pagecache.promises.file_spec import MAYBE, NO, YES, Certainty
from pagecache.world import VmaSpec

__all__ = ["VmaFacts", "vmas_changed_by"]

Modes = tuple[Certainty, Certainty, Certainty]

NONE: Final[Modes] = (NO, NO, NO)


class VmaFacts(NamedTuple):
    """What the calls and returns so far say about one VMA.

    Args:
        settled_mapped: is it there, as long as nothing changes that?
        settled: is it registered for MISSING events, as long as nothing changes that?
        minor: for MINOR events?
        wp: for WP events?
        changing: how many operations that change its registration are under way.
        blurred: some of them overlapped, so that nobody knows which came last.
        moving: how many operations that take it away, or put one there, are under way.
        may_come: some of them may put one there.
        torn: some of them overlapped, and not all would have the same end.
    """

    settled_mapped: Certainty = YES
    settled: Certainty = NO
    minor: Certainty = NO
    wp: Certainty = NO
    changing: int = 0
    blurred: bool = False
    moving: int = 0
    may_come: bool = False
    torn: bool = False

    @classmethod
    def of(cls, spec: VmaSpec) -> VmaFacts:
        """Before anything runs."""
        return cls(settled=YES if spec.missing else NO, minor=YES if spec.minor else NO, wp=YES if spec.wp else NO)

    @property
    def mapped(self) -> Certainty:
        """Is it there right now?"""
        if not self.moving or (self.settled_mapped == NO and not self.may_come):
            return self.settled_mapped
        return MAYBE

    @property
    def registered(self) -> Certainty:
        """Does it have a MISSING userfaultfd right now?"""
        return self._now(self.settled)

    @property
    def minor_registered(self) -> Certainty:
        """Does it have a MINOR userfaultfd right now?"""
        return self._now(self.minor)

    @property
    def wp_registered(self) -> Certainty:
        """Does it have a WP userfaultfd right now?"""
        return self._now(self.wp)

    def _now(self, settled: Certainty) -> Certainty:
        if self.mapped == NO:
            return NO
        return MAYBE if self.changing else settled

    def called(self, operation: Operation, number: int) -> VmaFacts:
        """After ``operation`` has been called, for which this is VMA ``number``."""
        facts = self._replace(changing=self.changing + 1, blurred=self.blurred or self.changing > 0)
        if not isinstance(operation, Munmap | Mremap):
            return facts
        comes = isinstance(operation, Mremap) and operation.new_vma == number
        return facts._replace(
            moving=self.moving + 1,
            may_come=self.may_come or comes,
            torn=self.torn or (self.moving > 0 and (self.may_come or isinstance(operation, Mremap))),
        )

    def returned(self, operation: Operation, result: Result, number: int) -> VmaFacts:
        """After ``operation``, for which this is VMA ``number``, has returned ``result``."""
        changing = self.changing - 1
        modes: Modes = (MAYBE, MAYBE, MAYBE) if self.blurred else self._modes(operation, result, number)
        facts = VmaFacts(self.settled_mapped, *modes, changing, self.blurred and changing > 0)
        if not isinstance(operation, Munmap | Mremap):
            return facts._replace(moving=self.moving, may_come=self.may_come, torn=self.torn)
        moving = self.moving - 1
        return facts._replace(
            settled_mapped=MAYBE if self.torn else self._mapped(operation, result, number),
            moving=moving,
            may_come=self.may_come and moving > 0,
            torn=self.torn and moving > 0,
        )

    def _modes(self, operation: Operation, result: Result, number: int) -> Modes:
        """What it is registered for, if nothing else has changed that."""
        if isinstance(operation, UffdRegister) and result == 0:
            return (
                YES if operation.mode == "missing" else NO,
                YES if operation.mode == "minor" else NO,
                YES if operation.mode == "wp" else NO,
            )
        if isinstance(operation, UffdUnregister) and result == 0:
            return NONE
        if isinstance(operation, Mremap) and operation.new_vma == number and result == 0:
            return NONE
        return (self.settled, self.minor, self.wp)

    def _mapped(self, operation: Munmap | Mremap, result: Result, number: int) -> Certainty:
        """Is it there, if nothing else has changed that?"""
        if isinstance(operation, Munmap):
            return NO
        if operation.new_vma == number:
            # Without memory for a page table, what was there has been unmapped, and what was to come has not.
            came: dict[Result, Certainty] = {0: YES, "ENOMEM": NO}
            return came.get(result, self.settled_mapped)
        return NO if result == 0 and not operation.dontunmap else self.settled_mapped


def vmas_changed_by(operation: Operation) -> tuple[int, ...]:
    """The VMAs that come or go, or whose registration changes."""
    if isinstance(operation, Mremap):
        return (operation.vma, operation.new_vma)
    return (operation.vma,) if isinstance(operation, Munmap | UffdRegister | UffdUnregister) else ()
