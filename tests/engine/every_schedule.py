"""All schedules of a program by brute force: no pruning, no deviations, nothing to be wrong about."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from fuzz.engine.execution import Execution
from fuzz.engine.run import Run


def every_schedule(
    make: Callable[[], Execution], outcome: Callable[[Execution], Hashable] = lambda _: None
) -> Iterator[tuple[Run, Any]]:
    """Each run, and what ``outcome`` says of its end."""
    path: list[list[int]] = []
    while True:
        execution = make()
        depth = 0
        while runnable := execution.runnable():
            if depth == len(path):
                path.append(list(runnable))
            execution.resume(path[depth][-1])
            depth += 1
        end = outcome(execution)
        yield execution.result(), end
        while path and len(path[-1]) == 1:
            path.pop()
        if not path:
            return
        path[-1].pop()
