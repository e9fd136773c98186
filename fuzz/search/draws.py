"""Choices from a seeded generator: what campaigns draw their cases from, without Hypothesis' engine.

A case costs some 50 µs this way, an example of Hypothesis more than twenty times as much.  Nothing is lost: every case
can be written as the choices that Hypothesis would have made (:func:`strategies.cases.write`).
"""

from __future__ import annotations

from random import Random

from strategies.grammar import Choice, Draw

__all__ = ["RandomDraw"]


class RandomDraw(Draw):
    """Draws from ``random``; ``choices`` are those made so far."""

    __slots__ = ("_random", "choices")

    def __init__(self, random: Random) -> None:
        self._random = random.random
        self.choices: list[Choice] = []

    def integer(self, low: int, high: int, like: int) -> int:  # noqa: ARG002 - the writer's
        """A number from ``low`` to ``high``, all equally likely (up to 2**53 of them)."""
        value = low + int(self._random() * (high - low + 1))
        self.choices.append(value)
        return value

    def skewed(self, usual: int, others: int, p: float, like: int) -> int:  # noqa: ARG002 - the writer's
        """A number from one of the two groups."""
        at = self._random()
        # The second quotient can be rounded up to 1.
        value = usual + int(at / p * others) if at < p else min(int((at - p) / (1 - p) * usual), usual - 1)
        self.choices.append(value)
        return value

    def boolean(self, p: float, like: bool) -> bool:  # noqa: ARG002 - the writer's
        """True with probability ``p``."""
        value = self._random() < p
        self.choices.append(value)
        return value
