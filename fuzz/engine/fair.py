"""Fair turns: what a run goes on with when it has used up its steps.

Round robin, with turns that double from round to round: strict alternation can keep two tasks that
retry in step with each other for ever, although each would come to an end if it were left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.engine.limits import FAIR_QUANTUM_MAX

__all__ = ["FairTurns"]


class FairTurns:
    """Whose turn it is."""

    __slots__ = ("_left", "_quantum", "_task")

    def __init__(self) -> None:
        self._task = -1
        self._quantum = 1
        self._left = 0

    def next_task(self, runnable: Sequence[int]) -> int:
        """The task whose turn it is; ``runnable`` is in ascending order and not empty."""
        if self._left and self._task in runnable:
            self._left -= 1
            return self._task
        later = [number for number in runnable if number > self._task]
        if not later:
            self._quantum = min(2 * self._quantum, FAIR_QUANTUM_MAX)
        self._task = later[0] if later else runnable[0]
        self._left = self._quantum - 1
        return self._task
