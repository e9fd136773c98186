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
        settled: is it registered, as long as nothing changes that?
        changing: how many operations that change its registration are under way.
        blurred: some of them overlapped, so that nobody knows which came last.
    """

    mapped: Certainty = YES
    settled: Certainty = NO
    changing: int = 0
    blurred: bool = False

    @classmethod
    def of(cls, spec: VmaSpec) -> VmaFacts:
        """Before anything runs."""
        return cls(settled=YES if spec.missing else NO)

    @property
    def registered(self) -> Certainty:
        """Does it have a MISSING userfaultfd right now?"""
        if self.mapped == NO:
            return NO
        return MAYBE if self.changing else self.settled

    def called(self, operation: Operation) -> VmaFacts:
        """After ``operation`` on it has been called."""
        facts = self
        if isinstance(operation, Munmap) and facts.mapped == YES:
            facts = facts._replace(mapped=MAYBE)
        return facts._replace(changing=facts.changing + 1, blurred=facts.blurred or facts.changing > 0)

    def returned(self, operation: Operation, result: Result) -> VmaFacts:
        """After ``operation`` on it has returned ``result``."""
        settled, blurred = self.settled, self.blurred
        changing = self.changing - 1
        if blurred:
            settled = MAYBE
        elif isinstance(operation, UffdRegister):
            settled = YES if result == 0 else settled
        elif isinstance(operation, UffdUnregister):
            settled = NO if result == 0 else settled
        mapped: Certainty = NO if isinstance(operation, Munmap) else self.mapped
        return VmaFacts(mapped, settled, changing, blurred and changing > 0)
