"""Calling the command line and reading its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

Run = Callable[..., Result]


def one_object(result: Result) -> dict[str, Any]:
    """Standard output, which is one JSON object and nothing else."""
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    assert isinstance(answer, dict)
    return answer
