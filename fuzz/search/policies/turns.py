"""Everybody in turn, a step each: what no two tasks may do at the same time goes wrong at once.

Round robin with the smallest quantum.  Of two tasks that read and then write the same, both read before either writes;
of two critical sections under different locks neither is over when the other begins.  The turns go downwards, since
whoever wrote the program had the tasks begin in their order and thought of that one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pagecache.step import Step

__all__ = ["Turns"]


class Turns:
    """Takes the next lower task after each step; after the lowest, and at first, the highest."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,
        canonical: int,  # noqa: ARG002 - the protocol's
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """The highest-numbered of the runnable tasks below the current one, else of all."""
        return max((one for one in runnable if current is not None and one < current), default=runnable[-1])
