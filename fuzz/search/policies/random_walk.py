"""Random walks.

The plain one chooses uniformly at every choice: the baseline of every comparison, hard to beat where many
tasks must each land in a window of their own, and hopeless where one must run far ahead.

The other mostly keeps running: it leaves the canonical choice with a probability that is itself drawn for
each run, 1/2 to 1/32, because the right one depends on the length of the windows.  On a program where uniform choice
needs 475 runs, this one needs 19 (measured; in the manner of "0 means keep running" byte strings).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pagecache.step import Step

__all__ = ["MostlyKeepRunning", "RandomWalk"]


class RandomWalk:
    """Each runnable task with equal probability."""

    def __init__(self, random: Random) -> None:
        self._random = random.random

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,  # noqa: ARG002
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """Any of them."""
        return runnable[int(self._random() * len(runnable))]


class MostlyKeepRunning:
    """The canonical choice, except with a probability that is drawn once; then any runnable task."""

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self._switch = 0.5 ** random.randint(1, 5)

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,  # noqa: ARG002 - the protocol's
        canonical: int,
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """Mostly the canonical one."""
        draw = self._random() / self._switch
        return runnable[int(draw * len(runnable))] if draw < 1 else canonical
