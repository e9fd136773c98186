"""Schedules: a few deviations, each anchored at a task, a call and a visit.

Random deviations find bugs late; scheduling policies search.  This production is there to *write* what a
policy found, for the shrinker, and for tests that want any case at all.
"""

from __future__ import annotations

from typing import Final

from strategies.anchors import Anchors
from strategies.case import Deviation
from strategies.grammar import Draw, Span

__all__ = ["DEVIATIONS_MAX", "schedule"]

ANOTHER_DEVIATION: Final = (0.7, *(0.5,) * 63)  # a random walk of a few hundred steps recorded, at most
DEVIATIONS_MAX: Final = len(ANOTHER_DEVIATION)


def schedule(
    draw: Draw, tasks: tuple[str, ...], anchors: Anchors, like: tuple[Deviation, ...] = ()
) -> tuple[Deviation, ...]:
    """Deviations of a program with these tasks; none if there is nobody to run instead, or no call."""

    def one(_: int, wanted: Deviation) -> Deviation:
        task = draw.option(tasks, wanted.task)
        at = draw.option(anchors.calls, wanted.at)
        visit = draw.integer(1, anchors.visits, wanted.visit)
        others = tuple(name for name in tasks if name != task)
        return Deviation(task, at, visit, draw.option(others, wanted.run))

    more = ANOTHER_DEVIATION if len(tasks) > 1 and anchors.calls else ()
    return draw.many(Span.DEVIATION, more, one, like, Deviation("", "", 1, ""))
