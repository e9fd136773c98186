"""Nobody can run: is it the end, or a deadlock?  And who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping

from pagecache.step import Step, Task, Wait

__all__ = ["wait_for_table", "waits_for_user_space", "waits_of"]


def waits_of(blocked: Mapping[Task, Step]) -> dict[Task, Wait]:
    """What each of the blocked tasks waits for, in their order.

    Args:
        blocked: each task that has not ended, with the step that it cannot take.
    """
    return {
        task: step.waits_for() if step.waits_for else Wait("something that it does not name")
        for task, step in blocked.items()
    }


def waits_for_user_space(waits: Mapping[Task, Wait]) -> bool:
    """Does each of these tasks wait, perhaps by way of others, only for user space?

    Then nobody is at fault: a program that does not resolve its userfaultfd events ends like this.  Whoever
    waits for several holders needs all of them, so one that never lets go is enough for a deadlock.
    """
    served = {task for task, wait in waits.items() if wait.user}
    while True:
        more = {
            task
            for task, wait in waits.items()
            if task not in served and wait.holders and all(holder in served for holder in wait.holders)
        }
        if not more:
            return len(served) == len(waits)
        served |= more


def wait_for_table(blocked: Mapping[Task, Step], waits: Mapping[Task, Wait]) -> str:
    """The wait-for table: a line for each blocked task."""
    names = max(len(task.name) for task in blocked)
    steps = max(len(str(step)) for step in blocked.values())
    lines = ["Nobody can run any more:"]
    for task, step in blocked.items():
        wait = waits[task]
        holders = " and ".join(
            holder.name if holder in blocked else f"{holder.name}, which has ended" for holder in wait.holders
        )
        line = f"  {task.name:<{names}}  at {step!s:<{steps}}  waits for {wait.what}"
        lines.append(f"{line}, held by {holders}" if holders else line)
    return "\n".join(lines)
