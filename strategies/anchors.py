"""Where a schedule may deviate and a call may fail: at a call of a task, on one of its visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strategies.case import Case

__all__ = ["VISIT_MAX", "Anchors"]

VISIT_MAX: Final = 8  # drawn uniformly: more would mostly be places that are never reached


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where deviations and failures can be placed.

    Args:
        calls: before which a schedule may deviate; the first is simplest.
        failing: which may fail; none means that no failures are drawn.
        visits: the highest visit of any of them.
    """

    calls: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    visits: int = VISIT_MAX

    @classmethod
    def of(cls, *cases: Case) -> Anchors:
        """The smallest that are enough to write these cases, calls in alphabetical order."""
        deviations = [(one.at, one.visit) for case in cases for one in case.schedule]
        failures = [(one.at, one.visit) for case in cases for one in case.failures]
        return cls(
            tuple(sorted({at for at, _ in deviations})),
            tuple(sorted({at for at, _ in failures})),
            max((visit for _, visit in (*deviations, *failures)), default=1),
        )
