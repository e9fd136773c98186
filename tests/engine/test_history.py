"""What is kept of a run."""

from __future__ import annotations

from fuzz.engine.history import Event, History
from fuzz.report.ladder import ladder
from pagecache.step import Step


def test_of_a_livelock_the_loop_is_kept_once() -> None:
    history = History(("a", "b"))
    step = [Event("step", 0, step=Step("in", number)) for number in range(5)]
    loop = [Event("step", 0, step=Step("try")), Event("step", 1, step=Step("spin")), Event("step", 0, step=Step("try"))]
    history.events = [*step, *loop * 20, *loop[:1]]

    history.cut_at_the_loop()

    assert history.events[:8] == [*step, *loop]
    assert (len(history.events), history.again) == (8, 3)


def test_of_two_loops_that_do_not_fit_together_each_is_kept_once() -> None:
    history = History(("a", "b", "c"))
    way = [Event("step", number % 3, step=Step("in", number)) for number in range(7)]
    history.events = [*way]
    for turn in range(40):  # turns of 0, 1, 2, 3 ... steps
        history.events += [Event("step", 0, step=Step("try")) for _ in range(turn)]
        history.events += [Event("step", 1, step=Step("spin", n)) for _ in range(turn + 1) for n in range(2)]

    history.cut_at_the_loop()

    assert history.events[:7] == way
    assert [str(event.step) for event in history.events[7:] if event.task == 0] == ["try()"]
    assert [str(event.step) for event in history.events[7:] if event.task == 1] == ["spin(0)", "spin(1)"]
    assert (len(history.events), history.again, history.apart) == (10, 3, True)
    assert ladder(history)[-1] == "       ... steps 8 to 10 again, each task its own, without end"


def test_rounds_that_one_task_goes_before_another_enters_its_loop_are_left_out() -> None:
    history = History(("a", "b"))
    alone = [Event("step", 0, step=Step("try", number % 3)) for number in range(101)]
    way = [Event("step", 1, step=Step("in", number)) for number in range(2)]
    history.events = [*alone, *way]
    for turn in range(100):
        history.events += [Event("step", 0, step=Step("try", (turn + 2) % 3))]
        history.events += [Event("step", 1, step=Step("spin")) for _ in range(turn)]

    history.cut_at_the_loop()

    assert [str(event.step) for event in history.events] == [
        *("try(0)", "in(0)", "in(1)"),
        *("spin()", "try(1)", "try(2)", "try(0)"),
    ]
    assert (history.again, history.apart) == (4, True)


def test_a_task_that_still_gets_somewhere_keeps_the_run_whole() -> None:
    history = History(("a", "b"))
    for number in range(50):
        history.events += [Event("step", 0, step=Step("try")), Event("step", 1, step=Step("go_on", number))]

    history.cut_at_the_loop()

    assert (len(history.events), history.again, history.apart) == (100, 0, False)


def test_a_run_without_a_loop_stays_whole() -> None:
    history = History(("a",), [Event("step", 0, step=Step("try", number)) for number in range(50)])

    history.cut_at_the_loop()

    assert (len(history.events), history.again) == (50, 0)
