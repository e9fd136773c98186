"""The canonical schedule the other way round: run to block, then the highest-numbered task that can run.

Half of the bugs that need no preemption need the other order: somebody looks, and then the collapse comes.
"""

from __future__ import annotations

from collections.abc import Sequence

from pagecache.step import Step

__all__ = ["LastFirst"]


class LastFirst:
    """Keeps the current task while it can run, then takes the last."""

    def next_task(
        self,
        runnable: Sequence[int],
        current: int | None,
        canonical: int,  # noqa: ARG002 - the protocol's
        pending: Sequence[Step | None],  # noqa: ARG002
    ) -> int:
        """The current task, else the runnable one with the highest number."""
        return current if current is not None and current in runnable else runnable[-1]
