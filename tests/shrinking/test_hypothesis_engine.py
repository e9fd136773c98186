"""The contract with Hypothesis' internals: if one of these breaks, so has the adapter, not the shrinker."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase

from fuzz.shrinking.hypothesis_engine import Minimal, shrink_choices
from strategies.grammar import Choice, Draw, Span, Writer

Numbers = tuple[int, ...]

MORE = (0.9,) * 20


def numbers(draw: Draw, like: Numbers = ()) -> Numbers:
    return draw.many(Span.VMA, MORE, lambda _, one: draw.integer(0, 1000, one), like, 0)


def written(value: Numbers) -> list[Choice]:
    writer = Writer()
    numbers(writer, value)
    return writer.choices


@pytest.mark.parametrize(
    ("start", "interesting", "minimal"),
    [
        ((7, 3, 9), lambda _: True, ()),
        ((900, 17, 5), lambda value: len(value) >= 2, (0, 0)),
        ((5, 900, 17, 40), lambda value: any(one >= 23 for one in value), (23,)),
        ((500, 3, 400), lambda value: sum(value) >= 100 and len(value) >= 2, (0, 100)),
        ((8, 2, 6, 8, 1, 8), lambda value: len(value) != len(set(value)), (0, 0)),
        ((3, 2, 1), lambda value: list(value) != sorted(value), (1, 0)),
    ],
)
def test_shrinks_to_the_exact_minimum(start: Numbers, interesting: Callable[[Numbers], bool], minimal: Numbers) -> None:
    assert shrink_choices(written(start), numbers, interesting, 2000).value == minimal


def test_the_answer_and_the_calls_are_the_same_each_time() -> None:
    def shrink() -> Minimal[Numbers]:
        return shrink_choices(written((500, 3, 400, 77)), numbers, lambda value: sum(value) >= 321, 2000)

    first = shrink()

    assert first.finished
    assert shrink() == first


def test_the_answer_does_not_depend_on_the_modules_that_are_loaded() -> None:
    program = (
        "from test_hypothesis_engine import *\n"
        "print(shrink_choices(written((500, 3, 400, 77)), numbers, lambda value: sum(value) >= 321, 2000))\n"
    )
    elsewhere = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.rpartition("/")[0],
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    here = shrink_choices(written((500, 3, 400, 77)), numbers, lambda value: sum(value) >= 321, 2000)
    assert elsewhere.stdout == f"{here}\n"


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_asks_no_more_often_than_allowed(limit: int) -> None:
    asked: list[Numbers] = []

    minimal = shrink_choices(written((500, 3, 400)), numbers, lambda value: not asked.append(value), limit)

    assert len(asked) <= limit
    assert minimal.calls == len(asked)


def test_an_exhausted_limit_still_gives_the_best_so_far() -> None:
    start = tuple(range(100, 120))

    minimal = shrink_choices(written(start), numbers, lambda value: sum(value) >= 100, 12)

    assert not minimal.finished
    assert minimal.calls == 12
    assert sum(minimal.value) >= 100
    assert len(minimal.choices) <= len(written(start))


def test_the_choices_lead_to_the_value() -> None:
    minimal = shrink_choices(written((9, 900)), numbers, lambda value: sum(value) >= 321, 2000)

    assert list(minimal.choices) == written(minimal.value)


@pytest.mark.parametrize(("choices", "problem"), [([False], "not interesting"), ([True], "incomplete")])
def test_says_when_there_is_nothing_to_shrink(choices: list[Choice], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"{problem}; pass the choices of a failure"):
        shrink_choices(choices, numbers, bool, 10)


def test_an_error_of_the_predicate_is_not_swallowed() -> None:
    def crash(_: Numbers) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shrink_choices(written((1,)), numbers, crash, 10)


def test_touches_no_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("a database was used")

    for method in ("fetch", "save", "delete"):
        monkeypatch.setattr(DirectoryBasedExampleDatabase, method, touched)

    shrink_choices(written((5, 900)), numbers, lambda value: sum(value) >= 23, 2000)

    assert capsys.readouterr() == ("", "")
