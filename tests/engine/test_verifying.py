"""``fuzz.verify``: a program of one's own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from memory import Memory, lock, read, unlock, write
from reference_programs import REFERENCE_PROGRAMS

import fuzz
from fuzz import Program
from fuzz.search.frames import FingerprintError
from pagecache.promises.promise import Watcher


async def increment(memory: Memory, locked: bool = False) -> None:
    if locked:
        await lock(memory, "m")
    x = await read(memory, "x")
    await write(memory, "x", x + 1)
    if locked:
        await unlock(memory, "m")


def counting(*, locked: bool) -> Program:
    body = partial(increment, locked=locked)

    def check(memory: Memory) -> str | None:
        return None if memory.values["x"] == 2 else f"x is {memory.values['x']}"

    return Program(Memory(("m",), x=0), {"one": [body], "two": [body]}, check=check)


@pytest.mark.parametrize("how", [{}, {"classes": True}, {"deviations": 5}, {"preemptions": 5}], ids=str)
def test_never(how: Any) -> None:
    answer = fuzz.verify(lambda: counting(locked=True), **how)

    assert answer.never
    assert answer.counterexample is None
    assert str(answer).startswith("Never: all schedules")
    assert (answer.classes > 0) == ("classes" in how)


@pytest.mark.parametrize("how", [{}, {"classes": True}, {"deviations": 5}, {"preemptions": 5}], ids=str)
def test_the_shortest_counterexample(how: Any) -> None:
    answer = fuzz.verify(lambda: counting(locked=False), **how)

    assert not answer.never
    assert answer.counterexample is not None
    assert answer.counterexample.shortest
    assert [str(deviation) for deviation in answer.counterexample.schedule] == ["one at write#1: run two"]
    assert str(answer).startswith(f"{answer.counterexample}\n\nFound after ")
    lines = str(answer).splitlines()
    assert lines[3].split() == ["3", ">", "|", "|", "increment(locked=False)"]
    assert lines[9:12] == ["", "Broken promise: The check passes.", "x is 1"]
    assert lines[13].startswith("Why: It fails if two runs after one's read(x) (step 2)")
    assert lines[-4:-1] == [
        "Schedule: one at write#1: run two",
        "Minimal: no schedule with fewer than 1 deviation fails.",
        "",
    ]
    assert lines[-1].startswith(f"Found after {answer.runs} run")


@pytest.mark.parametrize("name", ["account", "bluetooth_driver", "reorder_3", "twostage", "wronglock_3"])
@pytest.mark.parametrize("how", [{}, {"classes": True}, {"deviations": 2}], ids=str)
def test_the_reference_programs_fail(name: str, how: Any) -> None:
    answer = fuzz.verify(REFERENCE_PROGRAMS[name], **how)

    assert answer.counterexample is not None
    assert answer.counterexample.shortest


def test_what_excludes_each_other_is_refused() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        fuzz.verify(lambda: counting(locked=True), classes=True, deviations=1)


def test_a_watcher_that_looks_between_steps_forbids_classes() -> None:
    class Looking(Watcher):
        def after(self, task: object, step: object) -> None:
            del task, step

    def make() -> Program:
        memory: Any = Memory(x=0)
        return Program(memory, {"one": [increment]}, watchers=[("nothing_happens", Looking(memory))])

    assert fuzz.verify(make).never
    with pytest.raises(ValueError, match="the watcher of nothing_happens looks at the state between two steps"):
        fuzz.verify(make, classes=True)


def test_a_state_without_a_description_is_refused_but_not_by_classes() -> None:
    def make() -> Program:
        memory = Memory(x=0)
        memory.values["x"] = 0
        memory.more = (number for number in range(3))  # type: ignore[attr-defined]
        return Program(memory, {"one": [increment], "two": [increment]})

    with pytest.raises(FingerprintError, match="generator"):
        fuzz.verify(make)
    assert fuzz.verify(make, classes=True).never
