"""Does a run take the way that was recorded?

A replay that carries on when it disagrees with the recording proves nothing, so the default is strict.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pagecache.operations import OPERATIONS_BY_NAME

__all__ = ["Difference", "Mode", "compare"]


class Mode(enum.Enum):
    """How much of the recording must come true."""

    STRICT = "strict"
    """Every line, and nothing after the last."""
    LENIENT = "lenient"
    """What user space sees: the calls and the returns, in their order; the steps between them may differ."""
    CONTINUE = "continue"
    """Every recorded line; the run may go on after the last."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two histories differ.

    Args:
        step: the line in what happened, from 1.
        recorded: the line of the entry; empty if it had ended.
        happened: the line of the run; empty if it had ended.
    """

    step: int
    recorded: str
    happened: str


def compare(recorded: Sequence[str], happened: Sequence[str], mode: Mode = Mode.STRICT) -> Difference | None:
    """The first difference between two histories, as :meth:`fuzz.engine.history.History.lines` writes them.

    Args:
        recorded: the lines of the entry.
        happened: the lines of the run.
        mode: what counts as a difference.
    """
    expected = list(enumerate(recorded, 1))
    seen = list(enumerate(happened, 1))
    if mode is Mode.LENIENT:
        expected = [(number, line) for number, line in expected if _is_user_visible(line)]
        seen = [(number, line) for number, line in seen if _is_user_visible(line)]
    for old, new in zip_longest(expected, seen):
        if old is None:
            return None if mode is Mode.CONTINUE else Difference(new[0], "", new[1])
        if new is None:
            return Difference(len(happened) + 1, old[1], "")
        if old[1] != new[1]:
            return Difference(new[0], old[1], new[1])
    return None


def _is_user_visible(line: str) -> bool:
    """Is it the call or the return of an operation?"""
    _, _, what = line.partition(" ")
    return what.partition("(")[0] in OPERATIONS_BY_NAME
