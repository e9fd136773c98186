"""Failures: an allocation, a charge or a copy that does not succeed; usually none."""

from __future__ import annotations

from typing import Final

from strategies.anchors import Anchors
from strategies.case import Failure
from strategies.grammar import Draw, Span

__all__ = ["FAILURES_MAX", "failures"]

ANOTHER_FAILURE: Final = (0.15, 0.2, 0.2)
FAILURES_MAX: Final = len(ANOTHER_FAILURE)


def failures(
    draw: Draw, tasks: tuple[str, ...], anchors: Anchors, like: tuple[Failure, ...] = ()
) -> tuple[Failure, ...]:
    """Failures in a program with these tasks; none if no call can fail."""

    def one(_: int, wanted: Failure) -> Failure:
        task = draw.option(tasks, wanted.task)
        at = draw.option(anchors.failing, wanted.at)
        return Failure(task, at, draw.integer(1, anchors.visits, wanted.visit))

    more = ANOTHER_FAILURE if anchors.failing else ()
    return draw.many(Span.FAILURE, more, one, like, Failure("", "", 1))
