"""The grammar by itself: what is drawn can be written, and what is written leads back."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis.internal.conjecture.data import ConjectureData

from fuzz.search.draws import RandomDraw
from strategies.grammar import Choice, Draw, NotInGrammarError, Span, Writer
from strategies.hypothesis_draw import HypothesisDraw

Value = object
Production = Callable[[Draw, Value], Value]


def written(production: Callable[..., Value], value: Value) -> list[Choice]:
    writer = Writer()
    assert production(writer, value) == value
    return writer.choices


def drawn(production: Callable[..., Value], choices: list[Choice], unlike: Value) -> Value:
    """What these choices lead to; ``unlike`` shows that the wanted value has no influence."""
    data = ConjectureData.for_choices(choices)
    value = production(HypothesisDraw(data), unlike)
    assert data.choices == tuple(choices)
    return value


def integer(draw: Draw, like: int) -> int:
    return draw.integer(3, 9, like)


def option(draw: Draw, like: str) -> str:
    return draw.option(("a", "b", "c"), like)


def mostly(draw: Draw, like: str) -> str:
    return draw.mostly(("a",), ("b", "c"), 0.5, like)


def subset(draw: Draw, like: tuple[int, ...]) -> tuple[int, ...]:
    return draw.subset((2, 3, 5), like)


def level(draw: Draw, like: int) -> int:
    return draw.level((0.5, 0.5, 0.5), like)


def many(draw: Draw, like: tuple[int, ...]) -> tuple[int, ...]:
    return draw.many(Span.TASK, (1.0, 0.5, 0.5), lambda _, one: integer(draw, one), like, 3)


CHOICES = [
    (integer, 3, [3]),
    (integer, 9, [9]),
    (option, "a", [0]),
    (option, "c", [2]),
    (mostly, "a", [0]),
    (mostly, "c", [2]),
    (subset, (), [0]),
    (subset, (2, 5), [5]),
    (level, 0, [False]),
    (level, 3, [True, True, True, False]),
    (many, (3,), [True, 3, False]),
    (many, (4, 9, 3), [True, 4, True, 9, True, 3, False]),
]


@pytest.mark.parametrize(("production", "value", "choices"), CHOICES)
def test_each_value_has_its_choices(production: Callable[..., Value], value: Value, choices: list[Choice]) -> None:
    assert written(production, value) == choices


@pytest.mark.parametrize(("production", "value", "choices"), CHOICES)
def test_choices_lead_back_to_the_value(production: Callable[..., Value], value: Value, choices: list[Choice]) -> None:
    unlike = next(other for candidate, other, _ in CHOICES if candidate is production and other != value)

    assert drawn(production, choices, unlike) == value


@pytest.mark.parametrize("production", [integer, option, mostly, subset, level, many])
def test_what_is_drawn_is_what_is_written(production: Callable[..., Value]) -> None:
    unlike = next(value for candidate, value, _ in CHOICES if candidate is production)
    random = Random(0)
    values = set()
    for _ in range(100):
        draw = RandomDraw(random)
        value = production(draw, unlike)
        values.add(value)
        assert written(production, value) == draw.choices
    assert len(values) > 2


@pytest.mark.parametrize(
    ("production", "value", "problem"),
    [
        (integer, 10, "10 cannot be generated; choose 3 to 9"),
        (option, "d", "'d' cannot be generated; choose one of 'a', 'b', 'c'"),
        (mostly, "d", "'d' cannot be generated; choose one of 'a', 'b', 'c'"),
        (level, 4, "there are more elements than can be generated; leave one out"),
        (many, (), "there are fewer elements than can be generated; add one"),
        (many, (3, 3, 3, 3), "there are more elements than can be generated; leave one out"),
    ],
)
def test_what_cannot_be_generated_cannot_be_written(
    production: Callable[..., Value], value: Value, problem: str
) -> None:
    with pytest.raises(NotInGrammarError, match=problem):
        production(Writer(), value)


def test_a_subset_that_is_not_one_is_not_written() -> None:
    with pytest.raises(NotInGrammarError):
        subset(Writer(), (2, 4))


def test_what_is_given_is_a_choice_too_so_that_others_keep_their_places() -> None:
    writer = Writer()

    assert writer.option(("only",), "only") == "only"
    assert writer.mostly((), ("only",), 0.5, "only") == "only"
    assert writer.subset((), ()) == ()
    assert writer.choices == [0, 0, 0]
