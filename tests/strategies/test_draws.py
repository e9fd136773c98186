"""The sources of choices: as likely as said, within bounds, reproducible."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis.internal.conjecture.data import ConjectureData

from fuzz.search.draws import RandomDraw
from strategies.grammar import Draw
from strategies.hypothesis_draw import HypothesisDraw

RUNS = 4000


def from_hypothesis(random: Random) -> Draw:
    return HypothesisDraw(ConjectureData(random=random))


@pytest.fixture(params=[RandomDraw, from_hypothesis])
def draws(request: pytest.FixtureRequest) -> list[Draw]:
    random = Random(0)
    return [request.param(random) for _ in range(RUNS)]


def test_an_integer_is_any_of_its_range(draws: list[Draw]) -> None:
    seen = Counter(draw.integer(2, 4, 0) for draw in draws)

    assert sorted(seen) == [2, 3, 4]
    assert min(seen.values()) > 0.3 * RUNS


def test_a_boolean_is_true_as_often_as_said(draws: list[Draw]) -> None:
    assert 0.17 * RUNS < sum(draw.boolean(0.2, like=False) for draw in draws) < 0.23 * RUNS


@pytest.mark.parametrize(("p", "value"), [(0.0, False), (1.0, True)])
def test_a_boolean_can_be_certain(draws: list[Draw], p: float, value: bool) -> None:
    assert {draw.boolean(p, like=not value) for draw in draws} == {value}


def test_a_skewed_number_is_one_of_the_others_as_often_as_said(draws: list[Draw]) -> None:
    seen = Counter(draw.skewed(2, 5, 0.2, 0) for draw in draws)

    assert sorted(seen) == list(range(7))
    assert 0.17 * RUNS < sum(seen[value] for value in range(2, 7)) < 0.23 * RUNS
    assert min(seen[0], seen[1]) > 0.36 * RUNS
    assert min(seen[value] for value in range(2, 7)) > 0.02 * RUNS


def test_hypothesis_cannot_make_the_others_the_likely_ones() -> None:
    with pytest.raises(ValueError, match=r"1 of 3 with probability 0\.5 are not the unlikely ones; swap them"):
        from_hypothesis(Random(0)).skewed(2, 1, 0.5, 0)


class Extreme(Random):
    """The largest number that random() returns."""

    def random(self) -> float:
        return 1 - 2**-53


@pytest.mark.parametrize("p", [0.01, 0.05, 0.1, 0.12, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.9, 0.98])
def test_the_largest_random_number_stays_within_bounds(p: float) -> None:
    draw = RandomDraw(Extreme())

    assert [draw.skewed(usual, 3, p, 0) for usual in range(1, 40)] == list(range(39))
    assert [draw.integer(0, high, 0) for high in range(40)] == list(range(40))


def test_the_same_seed_makes_the_same_choices() -> None:
    def choices(make: Callable[[Random], RandomDraw]) -> list[int | bool]:
        draw = make(Random(7))
        for _ in range(20):
            draw.integer(0, 9, 0)
            draw.boolean(0.5, like=False)
            draw.skewed(3, 3, 0.1, 0)
        return draw.choices

    assert choices(RandomDraw) == choices(RandomDraw)
    assert len(choices(RandomDraw)) == 60
