"""Why a schedule fails, as it is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from fuzz import Program, step
from fuzz.engine.execution import Execution
from fuzz.report.examine import explained
from fuzz.report.explanation import Explanation, explain
from fuzz.search.explore import deviation_bounded
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import Collapse, SeekHole, Store
from pagecache.world import WorldSpec
from strategies.case import Case, Deviation
from strategies.programs import named


class Counter:
    def __init__(self) -> None:
        self.value = 0
        self.ready = False


async def increment(counter: Counter) -> None:
    await step("load", target=("value", 0))
    seen = counter.value
    await step("think", target=("thoughts", 0))
    await step("store", target=("value", 0), writes=True)
    counter.value = seen + 1


async def publish(counter: Counter) -> None:
    await step("set_ready", target=("ready", 0), writes=True)
    counter.ready = True
    await step("store", target=("value", 0), writes=True)
    counter.value = 7


async def consume(counter: Counter) -> None:
    await step("load_ready", target=("ready", 0))
    if counter.ready:
        await step("load", target=("value", 0))
        assert counter.value == 7, "not published"


async def overwrite(counter: Counter) -> None:
    await step("store", target=("value", 0), writes=True)
    counter.value = 1


def counted(counter: Counter) -> str | None:
    return None if counter.value == 2 else f"counted {counter.value} of 2"


def last_wins(counter: Counter) -> str | None:
    return None if counter.value == 7 else f"the last value is {counter.value}"


def lost_update() -> Program:
    return Program(Counter(), {"one": [increment], "two": [increment]}, check=counted)


def published_early() -> Program:
    return Program(Counter(), {"writer": [publish], "reader": [consume]})


def overwritten() -> Program:
    return Program(Counter(), {"first": [overwrite], "second": [publish]}, check=last_wins)


def why(make: Callable[[], Program]) -> Explanation:
    def execution() -> Execution:
        return make().execution(record=True)

    found = deviation_bounded(execution, 2)
    assert found.failure is not None
    explanation = explain(execution, found.failure.deviations)
    assert explanation is not None
    return explanation


LOST_UPDATE = """\
It fails if two runs after one's load() (step 2) and before one's store() (step 9). \
one looks at value 0 (load(), step 2) before two changes it (store(), step 6). \
two changes value 0 (store(), step 6) before one does (store(), step 9). \
The nearest schedule that passes has 'one at load#1: run two' instead."""

PUBLISHED_EARLY = """\
It fails if reader runs after writer's set_ready() (step 2) and before writer's store(), which this run does not take. \
reader looks at ready 0 (load_ready(), step 4) after writer has changed it (set_ready(), step 2). \
The nearest schedule that passes has 'writer at set_ready#1: run reader' instead."""

OVERWRITTEN = """\
It fails if second runs before first's store() (step 6). \
second changes value 0 (store(), step 3) before first does (store(), step 6). \
Without that deviation it passes."""


@pytest.mark.parametrize(
    ("make", "told"),
    [(lost_update, LOST_UPDATE), (published_early, PUBLISHED_EARLY), (overwritten, OVERWRITTEN)],
    ids=["a lost update", "published early", "overwritten"],
)
def test_the_window_the_conflicts_and_the_nearest_schedule_that_passes(make: Callable[[], Program], told: str) -> None:
    assert str(why(make)) == told


def test_json_has_the_same() -> None:
    answer = json.loads(json.dumps(why(lost_update).as_json()))

    assert answer["conflicts"][0] == {
        "first": 2,
        "second": 6,
        "target": "value 0",
        "sentence": "one looks at value 0 (load(), step 2) before two changes it (store(), step 6).",
    }
    assert answer["passing"] == ["one at load#1: run two"]


def test_what_holds_or_does_not_deviate_has_no_explanation() -> None:
    def execution() -> Execution:
        return lost_update().execution(record=True)

    assert explain(execution, ()) is None
    assert explain(execution, (Deviation("one", "load", 1, "two"),)) is None


def test_the_window_of_the_patch_of_february_2023() -> None:
    case = Case(
        "wilcox-2023-02",
        WorldSpec(("data", "hole")),
        named(((Collapse(0),), (Store(1),))),
        (Deviation("khugepaged", "try_to_unmap_flush", 1, "store"),),
    )
    explanation = explained(case, KERNELS_BY_NAME[case.kernel])

    assert explanation is not None
    assert "and before khugepaged's xas_lock_irq() (step " in explanation.window


def test_the_window_of_6_2() -> None:
    """From the store of a page that is not uptodate: data looks like a hole."""
    world, program = WorldSpec(), named(((Collapse(0),), (SeekHole(0),)))
    case = Case("linux-6.2", world, program, (Deviation("khugepaged", "folio_trylock", 2, "lseek"),))
    explanation = explained(case, KERNELS_BY_NAME[case.kernel])

    assert explanation is not None
    assert "after khugepaged has changed it (xas_store(0, H2), step " in str(explanation)
