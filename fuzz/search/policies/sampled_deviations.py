"""A few deviations from the canonical schedule, drawn before the run.

Coyote's delay bounding draws the number of delays and their places uniformly (``DelayBoundingStrategy``).  Here the
places are the visible steps of the sequential run, and those that another task could notice, because it touches
the same thing and one of the two writes, are drawn most often.  What a run records is then already short.
"""

from __future__ import annotations

from random import Random
from typing import Final

from fuzz.engine.execution import Execution
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile
from strategies.case import Deviation

__all__ = ["SAMPLED_MAX", "SampledDeviations", "sample_deviations"]

SAMPLED_MAX: Final = 4  # no catalogued race needs more


def sample_deviations(random: Random, profile: Profile, at_most: int = SAMPLED_MAX) -> tuple[Deviation, ...]:
    """One to ``at_most`` deviations, in the order in which the sequential run would meet them; none without choices."""
    if len(profile.names) == 1 or not profile.anchors:
        return ()
    count = random.randint(1, at_most)
    drawn = random.choices(range(len(profile.anchors)), cum_weights=profile.weights, k=count)
    deviations = []
    for position in sorted(drawn):
        anchor = profile.anchors[position]
        others = [name for name in profile.names if name != anchor.task]
        run = others[int(random.random() * len(others))]
        deviations.append(Deviation(anchor.task, anchor.at, anchor.visit, run))
    return tuple(deviations)


class SampledDeviations(Canonical):
    """Follows deviations drawn from the profile of the sequential run."""

    def __init__(self, execution: Execution, random: Random, profile: Profile) -> None:
        super().__init__(execution, sample_deviations(random, profile))
