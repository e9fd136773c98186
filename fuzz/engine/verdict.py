"""What a history means."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["HELD", "Outcome", "Verdict"]


class Outcome(enum.Enum):
    """The word for one run.  Only HELD is a pass."""

    HELD = "held"
    VIOLATED = "violated"
    DEADLOCK = "deadlock"
    LIVELOCK = "livelock"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run's verdict.

    Args:
        outcome: the word.
        promise: the name of the broken promise; for UNKNOWN, the limit or the part that failed; empty if HELD.
        sentence: what happened, with values; several lines for a wait-for table.
    """

    outcome: Outcome
    promise: str = ""
    sentence: str = ""

    @property
    def failed(self) -> bool:
        """Is this a finding about the kernel?"""
        return self.outcome in (Outcome.VIOLATED, Outcome.DEADLOCK, Outcome.LIVELOCK)

    @property
    def signature(self) -> tuple[str, str]:
        """What must stay equal while a failure is shrunk."""
        return (self.outcome.value, self.promise)


HELD = Verdict(Outcome.HELD)
