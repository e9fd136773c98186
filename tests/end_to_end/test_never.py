"""*Never* is said only after all schedules were tried; and of programs with which something can go wrong."""

from __future__ import annotations

import pytest
from never import NEVER, Never

from pagecache.kernels import KERNELS_BY_NAME

each = pytest.mark.parametrize(
    "one", [pytest.param(one, marks=[pytest.mark.slow] if one.slow else [], id=str(one)) for one in NEVER]
)


@each
def test_no_schedule_breaks_a_promise(one: Never) -> None:
    result = one.exhaust()

    assert result.failure is None, result.failure
    assert result.exhausted, result.limit
    assert result.states > 0


@each
def test_some_schedule_does_on_another_kernel(one: Never) -> None:
    result = one.exhaust(KERNELS_BY_NAME[one.broken_on])

    assert result.failure is not None
    assert result.failure.verdict.failed
