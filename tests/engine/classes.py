"""Classes of schedules by definition: what is left of a run if the order of independent actions is forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

from fuzz.engine.run import Run
from pagecache.step import Target


def class_of(run: Run, *, calls: bool) -> Hashable:
    """The class of a run that was recorded.

    For each target, who wrote it in which order, and who read it between two writes; with ``calls``, for each pair
    of a return and a call by others, which came first; how far everybody came, and who ended the run, if somebody did.
    """
    assert run.history is not None
    written: dict[Target, list[tuple[Any, Counter[Any]]]] = {}
    taken: Counter[int] = Counter()
    began: list[tuple[int, int]] = []
    returned: list[tuple[int, int]] = []
    orders: set[Any] = set()
    last = -1
    for event in run.history.events:
        if event.kind == "step":
            assert event.step is not None
            taken[event.task] += 1
            last = event.task
            if event.step.target is None:
                continue
            this = (event.task, taken[event.task])
            of_target = written.setdefault(event.step.target, [("nobody", Counter())])
            if event.step.writes:
                of_target.append((this, Counter()))
            else:
                of_target[-1][1][this] += 1
        elif calls and event.kind == "call":
            began.append((event.task, event.number))
            orders |= {(one, began[-1]) for one in returned if one[0] != event.task}
        elif calls:
            returned.append((event.task, event.number))
    return (
        frozenset((target, tuple((who, frozenset(reads)) for who, reads in all_)) for target, all_ in written.items()),
        frozenset(orders),
        tuple(sorted(began)),
        tuple(sorted(returned)),
        frozenset(taken.items()),
        last if run.verdict.promise == "no_kernel_assertion_fails" else None,
    )
