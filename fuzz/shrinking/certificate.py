"""What is proved about a shrunk failure: that no schedule with fewer deviations fails."""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.prose import count

__all__ = ["Certificate", "how_minimal"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known about the schedules of the final program with fewer deviations.

    Args:
        deviations: how many the final schedule has.
        exhausted: no schedule with up to that many fails; -1 if none were exhausted.
        runs: how many it took to exhaust them.
    """

    deviations: int
    exhausted: int
    runs: int

    @property
    def complete(self) -> bool:
        """Is the number of deviations proved to be the least?"""
        return self.exhausted == self.deviations - 1

    def __str__(self) -> str:
        wanted = count(self.deviations, "deviation")
        if self.deviations == 0:
            return "the sequential schedule fails"
        if self.exhausted < 0:
            return f"whether a schedule with fewer than {wanted} fails is not known"
        fewer = count(self.exhausted + 1, "deviation")
        proved = f"no schedule with fewer than {fewer} fails (exhausted, {count(self.runs, 'run')})"
        return proved if self.complete else f"{proved}; with fewer than {wanted} is not known"


def how_minimal(deviations: int, *, proved: bool) -> str:
    """What is known about a failing schedule, as the middle of a sentence; empty if it was not proved the shortest."""
    if not deviations:
        return "the sequential schedule fails"
    return f"no schedule with fewer than {count(deviations, 'deviation')} fails" if proved else ""
