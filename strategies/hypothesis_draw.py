"""Choices from Hypothesis: the grammar as a strategy.

A strategy of one's own instead of ``@composite``: a draw through ``st.integers()`` costs about five times as
much as one from the test case itself.  This and the shrinker's adapter in ``fuzz/`` are the two places that use
what Hypothesis does not document; each has a contract test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.strategies import SearchStrategy

from strategies.grammar import Draw, Span

__all__ = ["HypothesisDraw", "ProductionStrategy"]

T = TypeVar("T")


class HypothesisDraw(Draw):
    """Draws from one test case of Hypothesis."""

    __slots__ = ("_data",)

    def __init__(self, data: ConjectureData) -> None:
        self._data = data

    def integer(self, low: int, high: int, like: int) -> int:  # noqa: ARG002 - the writer's
        """One integer choice, which Hypothesis shrinks towards ``low``."""
        return self._data.draw_integer(low, high, shrink_towards=low)

    def skewed(self, usual: int, others: int, p: float, like: int) -> int:  # noqa: ARG002 - the writer's
        """One integer choice with weights."""
        return self._data.draw_integer(0, usual + others - 1, weights=_weights(usual, others, p))

    def boolean(self, p: float, like: bool) -> bool:  # noqa: ARG002 - the writer's
        """One boolean choice."""
        return self._data.draw_boolean(p)

    def start(self, span: Span) -> None:
        """A span of Hypothesis, which its shrinker may delete, reorder or replace as a whole."""
        self._data.start_span(span)

    def stop(self) -> None:
        """End it."""
        self._data.stop_span()


@functools.cache
def _weights(usual: int, others: int, p: float) -> dict[int, float]:
    """Hypothesis wants those of the usual ones: what they leave is shared by all, these included.

    Raises:
        ValueError: if the others would be less likely without weights.
    """
    spread = p * (usual + others) / others
    if spread > 1:
        raise ValueError(f"{others} of {usual + others} with probability {p} are not the unlikely ones; swap them")
    return dict.fromkeys(range(usual), (1 - spread) / usual)


class ProductionStrategy(SearchStrategy[T]):
    """What a production makes of Hypothesis' choices."""

    def __init__(self, production: Callable[[Draw], T], name: str) -> None:
        super().__init__()
        self._production = production
        self._name = name

    def do_draw(self, data: ConjectureData) -> T:
        """One value."""
        return self._production(HypothesisDraw(data))

    def __repr__(self) -> str:
        return self._name
