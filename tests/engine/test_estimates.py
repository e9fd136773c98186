"""How much is left."""

from __future__ import annotations

import math
from statistics import mean, median_low

import hypothesis.strategies as st
import pytest
import toys
from every_schedule import every_schedule
from hypothesis import given
from test_portfolio import random_program

from fuzz.campaign import Campaign
from fuzz.engine import direct
from fuzz.search.estimates import DEPTHS, Left, LeftOfMany, log_mean, pct_runs, rule_of_three, unseen_share
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile
from fuzz.search.policies.urw import Urw
from fuzz.subject import Subject
from pagecache.kernels import LINUX_2026_MENDED


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
        "Runs of PCT that miss a bug with less than 1 %: 19 for depth 1, 184 for depth 2, 1,840 for depth 3.",
    ]
    assert many.lines()[0].startswith("About 10^391 schedules; 1 classes")
    assert many.schedules == math.inf
    assert few.as_json() == {"log10_schedules": 2.86, "classes": 3, "new_class": 0.4, "pct_runs": [19, 184, 1840]}


def test_what_is_left_of_all_programs() -> None:
    left = LeftOfMany()
    assert left.lines() == []
    for pairs in ("ab", "ac", "ab", "b"):
        left.note(pairs, 2, 40, 20 * math.log(10))

    budget = "Runs of PCT that miss a bug with less than 1 %: 10 for depth 1, 368 for depth 2, 14,720 for depth 3."
    assert left.lines() == [
        "Of 4 programs none failed: fewer than 75.00% of all such do (95 %).",
        "They showed 3 reads-from pairs; the next one will show 0.25 more.",
        f"The median program has about 10^20 schedules.  {budget}",
    ]
    assert left.as_json() == {
        "programs_that_fail_below": 0.75,
        "pairs": 3,
        "new_pairs": 0.25,
        "log10_schedules": 20.0,
        "pct_runs": [10, 368, 14720],
    }


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 200), st.floats(0, 50)), min_size=1), st.integers(0, 30))
def test_the_typical_program_is_the_median_of_all_searches(sizes: list[tuple[int, int, float]], first: int) -> None:
    one, other = LeftOfMany(), LeftOfMany()
    for number, size in enumerate(sizes):
        (one if number < first else other).note("", *size)
    one.add(other)

    tasks, choices, spaces = (median_low(column) for column in zip(*sizes, strict=True))
    assert one.pct_runs == tuple(pct_runs(tasks, choices, depth) for depth in DEPTHS)
    assert one.log10_schedules == pytest.approx(spaces / math.log(10), abs=0.006)
    assert one.programs == len(sizes)


def test_a_campaign_counts_what_is_left() -> None:
    campaign = Campaign.search(Subject(LINUX_2026_MENDED), 0, 1_000)  # not every program has a run that is counted

    assert campaign.left.programs > 15
    assert len(campaign.left.pairs) > 20
    assert campaign.left.log10_schedules > 3
