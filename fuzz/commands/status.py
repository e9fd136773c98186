"""What the exit status says."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from fuzz.engine.verdict import Outcome

__all__ = ["Status", "status_of", "worst"]


class Status(enum.IntEnum):
    """Exit statuses.  A crash of ours has one of its own, so that it is never taken for a finding."""

    HELD = 0
    VIOLATED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    DIFFERS = 4
    CRASHED = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # what a shell reports for Ctrl-C


def status_of(outcome: Outcome) -> Status:
    """The status for one verdict."""
    if outcome is Outcome.HELD:
        return Status.HELD
    return Status.INCONCLUSIVE if outcome is Outcome.UNKNOWN else Status.VIOLATED


def worst(statuses: Iterable[Status]) -> Status:
    """The status for several: what must be looked at first."""
    order = (Status.HELD, Status.VIOLATED, Status.INCONCLUSIVE, Status.DIFFERS)
    return max(statuses, key=order.index, default=Status.HELD)
