"""What is proved about a shrunk failure: that no schedule with fewer deviations fails."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Certificate", "count_deviations", "how_minimal"]


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
        wanted = count_deviations(self.deviations)
        if self.deviations == 0:
            return "the sequential schedule fails"
        if self.exhausted < 0:
            return f"whether a schedule with fewer than {wanted} fails is not known"
        fewer = count_deviations(self.exhausted + 1)
        proved = (
            f"no schedule with fewer than {fewer} fails (exhausted, {self.runs} run{'s' if self.runs != 1 else ''})"
        )
        return proved if self.complete else f"{proved}; with fewer than {wanted} is not known"


def how_minimal(deviations: int, *, proved: bool) -> str:
    """What is known about a failing schedule, as the middle of a sentence; empty if it was not proved the shortest."""
    if not deviations:
        return "the sequential schedule fails"
    return f"no schedule with fewer than {count_deviations(deviations)} fails" if proved else ""


def count_deviations(number: int) -> str:
    """In words, for example "1 deviation"."""
    return f"{number} deviation{'s' if number != 1 else ''}"
