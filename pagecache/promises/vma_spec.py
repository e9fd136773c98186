"""What is known about a mapping while operations change it: is it there, is it registered?

Both change under the mmap_lock held for writing, at some moment between call and return; in between it is
a MAYBE.  Accesses and faults that began before and end after are judged by what held at the moment of
their own actions.
"""

from __future__ import annotations

from typing import NamedTuple

from pagecache.operations import Munmap, Operation, Result, UffdRegister, UffdUnregister
from pagecache.promises.file_spec import MAYBE, NO, YES, Certainty
from pagecache.world import VmaSpec

__all__ = ["VmaFacts"]


class VmaFacts(NamedTuple):
    """What the calls and returns so far say about one VMA.

    Args:
        mapped: is it there?
        settled: is it registered for MISSING events, as long as nothing changes that?
        minor: for MINOR events?
        wp: for WP events?
        changing: how many operations that change its registration are under way.
        blurred: some of them overlapped, so that nobody knows which came last.
    """

    mapped: Certainty = YES
    settled: Certainty = NO
    minor: Certainty = NO
    wp: Certainty = NO
    changing: int = 0
    blurred: bool = False

    @classmethod
    def of(cls, spec: VmaSpec) -> VmaFacts:
        """Before anything runs."""
        return cls(settled=YES if spec.missing else NO, minor=YES if spec.minor else NO, wp=YES if spec.wp else NO)

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

    def called(self, operation: Operation) -> VmaFacts:
        """After ``operation`` on it has been called."""
        facts = self
        if isinstance(operation, Munmap) and facts.mapped == YES:
            facts = facts._replace(mapped=MAYBE)
        return facts._replace(changing=facts.changing + 1, blurred=facts.blurred or facts.changing > 0)

    def returned(self, operation: Operation, result: Result) -> VmaFacts:
        """After ``operation`` on it has returned ``result``."""
        modes: tuple[Certainty, Certainty, Certainty] = (self.settled, self.minor, self.wp)
        changing = self.changing - 1
        if self.blurred:
            modes = (MAYBE, MAYBE, MAYBE)
        elif isinstance(operation, UffdRegister) and result == 0:
            modes = (
                YES if operation.mode == "missing" else NO,
                YES if operation.mode == "minor" else NO,
                YES if operation.mode == "wp" else NO,
            )
        elif isinstance(operation, UffdUnregister) and result == 0:
            modes = (NO, NO, NO)
        mapped: Certainty = NO if isinstance(operation, Munmap) else self.mapped
        return VmaFacts(mapped, *modes, changing, self.blurred and changing > 0)
