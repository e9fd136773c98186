"""Telling the watchers of a run what happens; the first to object decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from fuzz.engine.judge import judge_crashed_oracle
from fuzz.engine.verdict import Outcome, Verdict
from pagecache.promises.promise import Watcher

__all__ = ["Hooks", "Watching", "tell"]

Hooks = Sequence[tuple[str, Callable[..., str | None]]]
"""One method of each watcher that overrides it, with the name of its promise."""

Positions = tuple[int, ...]
"""Of watchers, in the order in which they are told."""


class _Plan(NamedTuple):
    """Which watchers override what: the same for all runs with watchers of the same classes."""

    before_waits: Positions
    before: Positions
    after: Mapping[str, Positions]
    """By call, for those calls that somebody wants to hear of."""
    after_any: Positions
    """Who wants to hear of all the other calls, too."""
    called: Positions
    returned: Positions
    ended: Positions


class Watching:
    """The methods of the watchers, by name; those that a watcher does not override are not called.

    ``before_waits`` is for the steps that may wait or sleep, ``before`` for the others; :meth:`after` tells who wants
    to hear of a call.
    """

    __slots__ = ("_plan", "_watchers", "before", "before_waits", "called", "ended", "returned")

    def __init__(self, watchers: Sequence[tuple[str, Watcher]]) -> None:
        plan = _plan_for(tuple([type(watcher) for _, watcher in watchers]))
        self._plan: Final = plan
        self._watchers: Final = watchers
        self.before_waits: Final = self._hooks("before", plan.before_waits)
        self.before: Final = self._hooks("before", plan.before)
        self.called: Final = self._hooks("called", plan.called)
        self.returned: Final = self._hooks("returned", plan.returned)
        self.ended: Final = self._hooks("ended", plan.ended)

    def after(self, call: str) -> Hooks:
        """Who wants to hear that such a call has taken effect."""
        plan = self._plan
        positions = plan.after.get(call, plan.after_any)
        return self._hooks("after", positions) if positions else ()

    def _hooks(self, name: str, positions: Positions) -> Hooks:
        watchers = self._watchers
        return [(watchers[position][0], getattr(watchers[position][1], name)) for position in positions]


@cache
def _plan_for(watchers: tuple[type[Watcher], ...]) -> _Plan:
    after = _overriding(watchers, "after")
    calls: dict[str, Positions] = {}
    for call in sorted({call for position in after for call in watchers[position].after_calls or ()}):
        calls[call] = tuple(position for position in after if _hears_of(call, watchers[position]))
    before = _overriding(watchers, "before")
    return _Plan(
        before_waits=before,
        before=tuple(position for position in before if not watchers[position].waits_only),
        after=calls,
        after_any=tuple(position for position in after if watchers[position].after_calls is None),
        called=_overriding(watchers, "called"),
        returned=_overriding(watchers, "returned"),
        ended=_overriding(watchers, "ended"),
    )


def _overriding(watchers: Sequence[type[Watcher]], name: str) -> Positions:
    plain = getattr(Watcher, name)
    return tuple(position for position, watcher in enumerate(watchers) if getattr(watcher, name) is not plain)


def _hears_of(call: str, watcher: type[Watcher]) -> bool:
    return watcher.after_calls is None or call in watcher.after_calls


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
