"""How much is left."""

from __future__ import annotations

import math
from statistics import mean

import pytest
import toys
from every_schedule import every_schedule
from test_portfolio import random_program

from fuzz.engine import direct
from fuzz.search.estimates import Left, log_mean, pct_runs, rule_of_three, unseen_share
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile
from fuzz.search.policies.urw import Urw


def test_the_mean_of_numbers_that_no_float_can_hold() -> None:
    assert log_mean([math.log(2), math.log(4)]) == pytest.approx(math.log(3))
    assert log_mean([5000.0, 5000.0]) == pytest.approx(5000)


def test_the_number_of_schedules_is_estimated_without_bias() -> None:
    """On programs with locks and conditions, where the uniform walk is not quite uniform."""
    random = toys.seeded(11)
    errors = []
    for _ in range(12):
        make = random_program(random)
        exact = sum(1 for _ in every_schedule(make))
        execution = make()
        history = direct.run(execution, Canonical(execution)).history
        assert history is not None
        profile = Profile.of(history)
        spaces = []
        for _ in range(150):
            execution = make()
            policy = Urw(execution, random, profile)
            direct.run(execution, policy)
            spaces.append(policy.log_space)
        errors.append(math.exp(log_mean(spaces)) / exact)

    assert mean(errors) == pytest.approx(1, abs=0.05)
    assert min(errors) > 0.7
    assert max(errors) < 1.4


def test_the_share_of_what_was_seen_once() -> None:
    assert unseen_share([], 0) == 1
    assert unseen_share([1, 1, 5, 3], 10) == pytest.approx(0.2)
    assert unseen_share([2, 8], 10) == 0


def test_the_budget_of_pct_and_the_rule_of_three() -> None:
    assert [pct_runs(3, 50, depth) for depth in (1, 2, 3)] == [14, 690, 34_500]
    assert rule_of_three(0) == 1
    assert rule_of_three(300) == pytest.approx(0.01)


def test_what_is_left_in_words() -> None:
    few = Left.of([math.log(720)], [3, 1, 1], 5, 4, 10)
    many = Left.of([900.0], [1], 1, 2, 100)

    assert few.lines() == [
        "About 720 schedules; 3 classes of equal ones tried, the next run is of another one with probability 0.4.",
        "Runs of PCT that would miss a bug with less than 1 %: 19 for depth 1, 184 for depth 2, 1,840 for depth 3.",
    ]
    assert many.lines()[0].startswith("About 10^391 schedules; 1 classes")
    assert many.schedules == math.inf
    assert few.as_json() == {"log10_schedules": 2.86, "classes": 3, "new_class": 0.4, "pct_runs": [19, 184, 1840]}
