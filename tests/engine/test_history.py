"""What is kept of a run."""

from __future__ import annotations

from fuzz.engine.history import Event, History
from pagecache.step import Step


def test_of_a_livelock_the_loop_is_kept_once() -> None:
    history = History(("a", "b"))
    step = [Event("step", 0, step=Step("in", number)) for number in range(5)]
    loop = [Event("step", 0, step=Step("try")), Event("step", 1, step=Step("spin")), Event("step", 0, step=Step("try"))]
    history.events = [*step, *loop * 20, *loop[:1]]

    history.cut_at_the_loop()

    assert history.events[:8] == [*step, *loop]
    assert (len(history.events), history.again) == (8, 3)


def test_a_run_without_a_loop_stays_whole() -> None:
    history = History(("a",), [Event("step", 0, step=Step("try", number)) for number in range(50)])

    history.cut_at_the_loop()

    assert (len(history.events), history.again) == (50, 0)
