"""Telling the watchers of a run what happens; the first to object decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    after: Positions
    after_calls: Mapping[str, Positions]
    """For the calls that somebody wants to hear of, who; by the position in ``after``."""
    after_any: Positions
    """Who wants to hear of all other calls, too; likewise."""
    called: Positions
    returned: Positions
    ended: Positions


class Watching:
    """The methods of the watchers, by name; those that a watcher does not override are not called.

    ``before_waits`` is for the steps that may wait or sleep, ``before`` for the others; :meth:`after` tells who wants
    to hear of a call.
    """

    __slots__ = ("_after", "_plan", "before", "before_waits", "called", "ended", "returned")

    def __init__(self, watchers: Sequence[tuple[str, Watcher]]) -> None:
        plan = _plan_for(tuple([type(watcher) for _, watcher in watchers]))
        self._plan: Final = plan
        self._after: Final = _hooks(watchers, "after", plan.after)
        self.before_waits: Final = _hooks(watchers, "before", plan.before_waits)
        self.before: Final = _hooks(watchers, "before", plan.before)
        self.called: Final = _hooks(watchers, "called", plan.called)
        self.returned: Final = _hooks(watchers, "returned", plan.returned)
        self.ended: Final = _hooks(watchers, "ended", plan.ended)

    def after(self, call: str) -> Hooks:
        """Who wants to hear that such a call has taken effect."""
        positions = self._plan.after_calls.get(call, self._plan.after_any)
        if not positions:
            return ()
        after = self._after
        return [after[position] for position in positions]


def _hooks(watchers: Sequence[tuple[str, Watcher]], name: str, positions: Positions) -> Hooks:
    return [(watchers[position][0], getattr(watchers[position][1], name)) for position in positions]


@cache
def _plan_for(watchers: tuple[type[Watcher], ...]) -> _Plan:
    before, after = _overriding(watchers, "before"), _overriding(watchers, "after")
    hear_of = [watchers[position].after_calls for position in after]
    named = sorted({call for calls in hear_of if calls is not None for call in calls})
    return _Plan(
        before_waits=before,
        before=tuple(position for position in before if not watchers[position].waits_only),
        after=after,
        after_calls={call: _positions(calls is None or call in calls for calls in hear_of) for call in named},
        after_any=_positions(calls is None for calls in hear_of),
        called=_overriding(watchers, "called"),
        returned=_overriding(watchers, "returned"),
        ended=_overriding(watchers, "ended"),
    )


def _positions(are_there: Iterable[bool]) -> Positions:
    return tuple(position for position, is_there in enumerate(are_there) if is_there)


def _overriding(watchers: Sequence[type[Watcher]], name: str) -> Positions:
    plain = getattr(Watcher, name)
    return _positions(getattr(watcher, name) is not plain for watcher in watchers)


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
