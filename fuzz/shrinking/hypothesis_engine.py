"""Hypothesis' shrinker for a failure that Hypothesis did not find.

The documented way in would be to save the choices under the secondary key of an example database and to run a
``@given`` test with the phases reuse and shrink.  This module drives the engine below ``@given`` instead: it is
less code, the limit is a number of calls and not 500 shrinks or five minutes of wall clock, the answer is a
value and not an exception, and nothing is printed, seeded, read from or written to disk.

What is used of it, and pinned by ``tests/shrinking/test_hypothesis_engine.py``:

* ``ConjectureRunner(test_function, settings=, random=, ignore_limits=)``, ``.cached_test_function(choices)``,
  ``.new_shrinker(result, predicate)``, ``.provider``;
* ``Shrinker.shrink()``, ``.shrink_target``; ``ConjectureData.mark_interesting()``;
* ``HypothesisProvider._maybe_draw_constant()``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Generic, TypeVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.internal.conjecture.data import ConjectureData, ConjectureResult, Status, _Overrun
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.internal.escalation import InterestingOrigin

from strategies.grammar import Choice, Draw
from strategies.hypothesis_draw import HypothesisDraw

__all__ = ["Minimal", "shrink_choices"]

T = TypeVar("T")

SEED: Final = 0  # where Hypothesis retries with random choices, they are always the same ones


@dataclass(frozen=True, slots=True)
class Minimal(Generic[T]):
    """What shrinking arrived at.

    Args:
        value: the smallest interesting value.
        choices: that lead to it.
        calls: how often ``interesting`` was asked.
        finished: false if the limit on calls ended it.
    """

    value: T
    choices: tuple[Choice, ...]
    calls: int
    finished: bool


class _Enough(Exception):  # noqa: N818 - not an error
    """The calls are used up; carries nothing, the shrinker knows its best."""


class _PlainProvider(HypothesisProvider):
    """Hypothesis' own choices, less the constants that it collects from whatever modules are loaded."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


def shrink_choices(
    choices: Sequence[Choice],
    interpret: Callable[[Draw], T],
    interesting: Callable[[T], bool],
    max_calls: int,
) -> Minimal[T]:
    """The simplest value that is still interesting, in Hypothesis' order: fewer choices, then smaller ones.

    The same arguments give the same answer, in any process.

    Args:
        choices: of a failing case.
        interpret: what these choices mean; it may only depend on what it draws.
        interesting: does this value still fail in the same way?
        max_calls: of ``interesting``, at least 1.

    Raises:
        ValueError: if ``choices`` do not lead to an interesting value, or not to a value at all.
    """
    calls = 0
    origin = InterestingOrigin(AssertionError, __file__, 0, (), ())

    def test_function(data: ConjectureData) -> None:
        nonlocal calls
        value = interpret(HypothesisDraw(data))
        if calls == max_calls:
            raise _Enough
        calls += 1
        if interesting(value):
            data.mark_interesting(origin)

    runner = ConjectureRunner(
        test_function,
        settings=settings(
            database=None,
            deadline=None,
            phases=(Phase.shrink,),
            suppress_health_check=tuple(HealthCheck),
            verbosity=Verbosity.quiet,
        ),
        random=Random(SEED),
        ignore_limits=True,
    )
    runner.provider = _PlainProvider
    first = runner.cached_test_function(choices)
    if not isinstance(first, ConjectureResult) or not _is_interesting(first):
        raise ValueError(
            f"there is nothing to shrink: {len(choices)} choices lead to a value that is "
            f"{'incomplete' if first.status is Status.OVERRUN else 'not interesting'}; pass the choices of a failure"
        )
    shrinker = runner.new_shrinker(first, _is_interesting)
    try:
        shrinker.shrink()
        finished = True
    except _Enough:
        finished = False
    best = cast(tuple[Choice, ...], tuple(shrinker.shrink_target.choices))  # what interpret() draws
    return Minimal(interpret(HypothesisDraw(ConjectureData.for_choices(best))), best, calls, finished)


def _is_interesting(result: ConjectureResult | _Overrun) -> bool:
    return result.status is Status.INTERESTING
