"""What happens when everybody has finished: one more task cleans up, alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fuzz.engine.judge import judge_blocked, judge_exception, judge_foreign_await, judge_livelock
from fuzz.engine.limits import TEARDOWN_STEPS_MAX
from fuzz.engine.verdict import Verdict
from pagecache.step import Step, Task

__all__ = ["tear_down"]


def tear_down(routine: Callable[[], Coroutine[Step, Task | None, Any]], task: Task) -> Verdict | None:
    """Run ``routine`` to its end, in one go.

    It can break promises like any other task: whatever it waits for was left behind by a task that has ended.

    Returns:
        The verdict, if it did not come to a good end.
    """
    step: Step | None = None
    under_way = None
    try:
        under_way = routine()
        step = under_way.send(None)
        for _ in range(TEARDOWN_STEPS_MAX):
            if not isinstance(step, Step):
                return judge_foreign_await(step, str(task))
            if step.ready is not None and not step.ready():
                return judge_blocked({task: step})
            step = under_way.send(task)
    except StopIteration:
        return None
    except Exception as error:  # noqa: BLE001 - any exception of the model is judged, none escapes
        return judge_exception(error, f"{task} at {step}" if step else f"{task} before its first step")
    finally:
        if under_way is not None:
            under_way.close()
    return judge_livelock(TEARDOWN_STEPS_MAX, 0, {task: step})
