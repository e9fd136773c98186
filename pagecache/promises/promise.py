"""The shape of an oracle: a promise has a sentence for a name and a watcher per run.

Watchers look on; the model does not judge itself.  A watcher is told of every step, call and return, may
look at the whole world, and answers with a sentence when the promise is broken.  What it
remembers is hashable and small, because the exhaustive search may merge two points only if the
watchers remember the same at both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pagecache.operations import Operation, Result
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["Promise", "Watcher"]


class Watcher:
    """Watches one run for one promise.

    Each method returns ``None`` while the promise holds, otherwise a sentence that says with values how
    it was broken.  The engine calls only the methods that a watcher overrides.

    A run has some hundred steps, and most watchers care about few of them: ``waits_only`` says that ``before()``
    wants to hear only of steps that may wait or sleep, ``after_calls`` names the calls that ``after()`` wants to
    hear of (``None``: all).  Both are for speed, and a watcher that is told more must answer the same.
    """

    waits_only: ClassVar[bool] = False
    after_calls: ClassVar[frozenset[str] | None] = None
    sees_classes: ClassVar[bool] = False
    """Its answer does not change if steps that do not conflict change their order: it looks at nothing between two
    steps but at the task and its step.  A subclass that overrides neither before() nor after() says so by itself."""

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "sees_classes" not in vars(cls):
            cls.sees_classes = cls.before is Watcher.before and cls.after is Watcher.after

    def __init__(self, world: World) -> None:
        self.world = world

    def before(self, task: Task, step: Step) -> str | None:
        """``task`` was chosen and is about to take ``step``."""

    def after(self, task: Task, step: Step) -> str | None:
        """``step`` has taken effect."""

    def called(self, task: Task, number: int, operation: Operation) -> str | None:
        """``task`` begins its ``number``-th operation (from 0); its first step takes effect next."""

    def returned(self, task: Task, number: int, operation: Operation, result: Result) -> str | None:
        """The operation ended with ``result``."""

    def ended(self, pending: Sequence[tuple[Task, Operation]]) -> str | None:
        """Nobody can run any more; ``pending`` are the operations that wait for user space (a userfaultfd)."""

    def key(self) -> Hashable:
        """What it remembers; equal keys must mean equal answers from here on."""
        return None


@dataclass(frozen=True, slots=True)
class Promise:
    """What the kernel promises.

    Args:
        name: a sentence in words joined by underscores, as the reports and the corpus show it.
        watcher: makes the watcher of one run.
        default: judged unless asked otherwise; the others are alternative readings, chosen by name.
        summary: one line for the list, with its source.
    """

    name: str
    watcher: Callable[[World], Watcher]
    summary: str
    default: bool = True
