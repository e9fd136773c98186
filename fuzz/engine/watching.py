"""Telling the watchers of a run what happens; the first to object decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from fuzz.engine.judge import judge_crashed_oracle
from fuzz.engine.verdict import Outcome, Verdict
from pagecache.promises.promise import Watcher

__all__ = ["Hooks", "Watching", "tell"]

Hooks = Sequence[tuple[str, Callable[..., str | None]]]
"""One method of each watcher that overrides it, with the name of its promise."""


class Watching:
    """The methods of the watchers, by name; those that a watcher does not override are not called.

    ``before_waits`` is for the steps that may wait or sleep, ``before`` for the others; ``after_calls`` names
    the calls that ``after`` is for (``None``: all).
    """

    __slots__ = ("after", "after_calls", "before", "before_waits", "called", "ended", "returned")

    def __init__(self, watchers: Sequence[tuple[str, Watcher]]) -> None:
        self.before_waits: Final = _overridden(watchers, "before")
        self.before: Final = _overridden([each for each in watchers if not each[1].waits_only], "before")
        self.after: Final = _overridden(watchers, "after")
        self.after_calls: Final = _calls(watchers)
        self.called: Final = _overridden(watchers, "called")
        self.returned: Final = _overridden(watchers, "returned")
        self.ended: Final = _overridden(watchers, "ended")


def _overridden(watchers: Sequence[tuple[str, Watcher]], name: str) -> Hooks:
    plain = getattr(Watcher, name)
    return [
        (promise, getattr(watcher, name)) for promise, watcher in watchers if getattr(type(watcher), name) is not plain
    ]


def _calls(watchers: Sequence[tuple[str, Watcher]]) -> frozenset[str] | None:
    """Of which calls somebody wants to hear afterwards."""
    calls: frozenset[str] = frozenset()
    for _, watcher in watchers:
        if type(watcher).after is Watcher.after:
            continue
        if watcher.after_calls is None:
            return None
        calls |= watcher.after_calls
    return calls


def tell(hooks: Hooks, *arguments: object) -> Verdict | None:
    """Call each of them in turn; the verdict, if one objects or raises."""
    promise = ""
    try:
        for promise, hook in hooks:
            sentence = hook(*arguments)
            if sentence is not None:
                return Verdict(Outcome.VIOLATED, promise, sentence)
    except Exception as error:  # noqa: BLE001 - a crashed oracle is never a pass
        return judge_crashed_oracle(promise, error)
    return None
