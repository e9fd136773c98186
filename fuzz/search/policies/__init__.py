"""Scheduling policies: who runs next.

Which one?  All of them in turn: where one needs thousands of runs another needs ten, and nobody knows
beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from fuzz.engine.execution import Execution
from fuzz.engine.policy import Policy
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.last_first import LastFirst
from fuzz.search.policies.pct import Pct
from fuzz.search.policies.pos import Pos
from fuzz.search.policies.profile import Profile
from fuzz.search.policies.random_walk import MostlyKeepRunning, RandomWalk
from fuzz.search.policies.reads_from import ReadsFrom, draw_wishes
from fuzz.search.policies.sampled_deviations import SampledDeviations
from fuzz.search.policies.surw import Surw
from fuzz.search.policies.turns import Turns
from fuzz.search.policies.urw import Urw

__all__ = ["POLICIES", "MakePolicy", "Policy"]

MakePolicy = Callable[[Execution, Random, Profile], Policy]
"""Makes the policy of one run from the run, its random numbers, and the profile of the program."""

POLICIES: Final[Mapping[str, MakePolicy]] = MappingProxyType(
    {
        # The sequential run; once per program.
        "canonical": lambda execution, _random, _profile: Canonical(execution),
        # The other sequential run; once per program, too.
        "last_first": lambda _execution, _random, _profile: LastFirst(),
        # A step of each, and again; once per program.
        "turns": lambda _execution, _random, _profile: Turns(),
        # Near the sequential run, where the steps conflict: the first to try, and its reports need no shrinking.
        "sampled_deviations": SampledDeviations,
        # A task must run far ahead, or be held up for long.
        "pct_2": lambda _execution, random, profile: Pct(random, len(profile.names), 2, profile.horizon),
        "pct_3": lambda _execution, random, profile: Pct(random, len(profile.names), 3, profile.horizon),
        # Several windows, of lengths nobody knows.
        "mostly_keep_running": lambda _execution, random, _profile: MostlyKeepRunning(random),
        # Many tasks that must land in many windows.
        "random_walk": lambda _execution, random, _profile: RandomWalk(random),
        # The same where the tasks are of different lengths.
        "urw": Urw,
        # One object decides, and nobody knows which; the best of all samplers on the reference programs.
        "surw": Surw,
        # Long stretches that do not conflict.
        "pos": lambda _execution, random, profile: Pos(random, len(profile.names)),
        # Somebody must see what somebody else has just written.
        "reads_from": lambda execution, random, profile: ReadsFrom(
            execution, random, draw_wishes(random, profile), goes_on=random.random() < 0.5
        ),
    }
)
