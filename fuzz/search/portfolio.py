"""Several searches of one program side by side, each with the more turns the more it finds.

In the first run all tasks take turns, step by step; the next two are sequential, in both orders.  All learn from
these, and they are at nobody's expense.

No algorithm is best everywhere, and nobody knows beforehand which one a program needs.  So all have turns.  A third
of the steps is shared equally, the rest by what each has shown lately (:mod:`fuzz.search.behaviour`): a behaviour that
``n`` runs have shown counts ``n ** -3``, so that what is new counts most and what is rare more than what is common; and
the sum by its square, so that whoever finds most has most.  Cost is counted in steps and not in seconds, so that equal
seeds make equal searches.

The numbers were chosen once, by all the reference programs (tests/benchmarks/reference.py); no program has its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.errors import HarnessError
from fuzz.search.behaviour import Behaviours, Seen, end_of
from fuzz.search.classes import Access, accesses, class_of
from fuzz.search.near import Near
from fuzz.search.neighbours import Neighbours
from fuzz.search.policies import POLICIES, Policy
from fuzz.search.policies.profile import Profile, kinds_of
from fuzz.search.policies.turns import Turns
from fuzz.search.policies.urw import Urw

__all__ = ["MEMBERS", "TAKING_TURNS", "Member", "Portfolio"]

NEAR: Final = "near"
NEIGHBOURS: Final = "neighbours"
OTHERS: Final = "others"

FIRST: Final = "turns"
"""Who makes the first run: everybody in turn.  What goes wrong in it needs no search."""

MEMBERS: Final = (NEAR, "urw", "surw", "reads_from", NEIGHBOURS, OTHERS)
"""Who has turns, in the order of their first."""

TAKING_TURNS: Final = ("pct_3", "pos", "mostly_keep_running", "pct_2", "random_walk")
"""The others, who share the turns of one member: each is the best for something, none for much."""

EQUAL: Final = 0.33
"""The share of the steps that does not depend on what was found."""

MEMORY: Final = 0.8
"""What a member has shown and spent counts so much less with each of its turns."""


@dataclass(slots=True)
class Member:
    """One of the searches.

    Args:
        name: one of MEMBERS.
        runs: how many it has made.
        steps: what they have cost.
        new: how many behaviours it was the first to show.
        lately: what it has shown; what is longer ago counts less.
        cost: what that has cost.
        passed: the steps it has had, each divided by the share that was due to it then.
    """

    name: str
    runs: int = 0
    steps: int = 0
    new: int = 0
    lately: float = 1.0
    cost: float = 1.0
    passed: float = 0.0

    @property
    def yields(self) -> float:
        """What a step of it has shown lately."""
        return (self.lately / self.cost) ** 2


class Portfolio:
    """A search of one program without end.

    Args:
        make: a new execution of it that keeps its history.
        random: makes all choices.
    """

    def __init__(self, make: Callable[[], Execution], random: Random) -> None:
        self._make = make
        self._random = random
        self._end = end_of()
        kinds = kinds_of(make().specs)
        self.behaviours = Behaviours(kinds)
        self.classes: Counter[int] = Counter()
        """By class of schedules, how many runs were of it."""
        self.spaces: list[float] = []
        """By run of a known probability, the logarithm of one divided by it."""
        self.members = [Member(name) for name in MEMBERS]
        self.profile: Profile
        """Of the first run."""
        self.last = FIRST
        """Who made the last run."""
        self._near = Near(kinds)
        self._neighbours = Neighbours(random, self.behaviours, self.classes)

    def next_run(self) -> Run:
        """Make a run: all tasks in turn, the two sequential ones, then those of the members in turn."""
        execution = self._make()
        if not self.classes:
            return self._run(execution, Turns())[0]
        is_for_all = self._near.is_at_a_root
        member = self._whose_turn()
        self.last = member.name
        policy = self._policy(member, execution)
        run, made, seen = self._run(execution, policy)
        if member.name == NEAR:
            self._near.learn(made)
        if isinstance(policy, Urw):
            self.spaces.append(policy.log_space)
        if not is_for_all:
            self._account(member, run, seen)
        return run

    def _run(self, execution: Execution, policy: Policy) -> tuple[Run, list[Access], Seen]:
        """Make a run, and take note of what it has shown."""
        run = direct.run(execution, policy)
        if run.history is None:
            raise HarnessError("a portfolio learns from histories; make the execution with record=True")
        if not self.classes:
            self.profile = Profile.of(run.history, self.behaviours.kinds)
        made = accesses(run.history)
        self.classes[class_of(made)] += 1
        seen = self.behaviours.note(run, self._end(execution))
        self._neighbours.learn(made, seen)
        return run, made, seen

    def _whose_turn(self) -> Member:
        if self._near.is_at_a_root:
            return self.members[0]
        some = self.members[1:] if self._near.is_exhausted else self.members
        return min(some, key=lambda member: member.passed)

    def _policy(self, member: Member, execution: Execution) -> Policy:
        name = member.name
        if name == NEAR:
            return self._near.policy(execution)
        if name == NEIGHBOURS:
            return self._neighbours.policy(execution)
        if name == OTHERS:
            name = TAKING_TURNS[member.runs % len(TAKING_TURNS)]
        return POLICIES[name](execution, self._random, self.profile)

    def _account(self, member: Member, run: Run, seen: Seen) -> None:
        member.runs += 1
        member.steps += run.steps
        member.new += len(seen.new)
        member.lately = MEMORY * member.lately + sum(self.behaviours.counts[number] ** -3 for number in seen.all)
        member.cost = MEMORY * member.cost + run.steps
        yields = sum(one.yields for one in self.members)
        member.passed += run.steps / (EQUAL / len(self.members) + (1 - EQUAL) * member.yields / yields)
