"""The limits of a run: each is written here once, with its reason.  Reaching one is a verdict, never a hang."""

from __future__ import annotations

from typing import Final

__all__ = ["FAIR_QUANTUM_MAX", "FAIR_STEPS_MAX", "STEPS_MAX", "TEARDOWN_STEPS_MAX"]

STEPS_MAX: Final = 1000
"""Steps of a run after which the schedule no longer counts.  Programs of four operations take 50 to 150, so
this leaves room for a schedule that makes them retry, and ends one that makes them retry for ever."""

FAIR_STEPS_MAX: Final = 3000
"""Further steps under the fair scheduler before the run is called a livelock.  With four tasks each has run alone
for 64 steps some ten times by then, longer than any operation takes that nobody disturbs."""

FAIR_QUANTUM_MAX: Final = 64
"""The longest turn of a task under the fair scheduler, in steps."""

TEARDOWN_STEPS_MAX: Final = 1000
"""Steps of the task that cleans up when everybody has finished; it runs alone, so more than this is a loop."""
