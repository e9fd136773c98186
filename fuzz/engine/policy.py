"""The shape of a scheduling policy.

To add one: a file in this folder whose docstring names the paper and says where the code differs, and a line in
``POLICIES``; the contract suite in ``tests/engine/test_policies.py`` picks it up.  A policy is made anew for every
run, with the run's :class:`random.Random` if it needs one, so there is nothing to reset and nothing
leaks from one run to the next.  Whatever it chooses is recorded as deviations from the canonical schedule: a
policy searches, and is not part of what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pagecache.step import Step

__all__ = ["Policy"]


class Policy(Protocol):
    """Chooses who runs next."""

    def next_task(
        self, runnable: Sequence[int], current: int | None, canonical: int, pending: Sequence[Step | None]
    ) -> int:
        """Choose one of ``runnable``; called only where there is a choice.

        Args:
            runnable: the numbers of the tasks that can run, at least two, in ascending order.
            current: the task that ran last, whether or not it still can; ``None`` at the start.
            canonical: the one that the canonical schedule runs here, one of ``runnable``.
            pending: by number, the step each task is about to take; ``None`` for a task that has ended.
        """
        ...
