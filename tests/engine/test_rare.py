"""What a search over many programs takes for rare."""

from __future__ import annotations

from random import Random

import pytest

from fuzz.campaign import EARLY, SCHEDULES_MAX, SCHEDULES_MIN, SCHEDULES_PER_PROGRAM, schedules, schedules_of
from fuzz.engine import direct
from fuzz.engine.history import Event, History
from fuzz.search.behaviour import possible_reads_of_others, reads_of_others
from fuzz.search.draws import RandomDraw
from fuzz.search.policies.random_walk import RandomWalk
from fuzz.search.rare import ENOUGH, TRIES_MAX, Rare
from fuzz.subject import Subject
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Operation, Read, Write
from pagecache.step import Step
from strategies.cases import swarmed

PAIR = frozenset({"a pair"})
NONE: frozenset[str] = frozenset()


def history(*steps: tuple[int, Operation, str, bool]) -> History:
    """Each step, by task, operation and call, touches the same; does it write?"""
    events = []
    for task, operation, call, writes in steps:
        events.append(Event("call", task, operation))
        events.append(Event("step", task, step=Step(call, target=("slot", 0), writes=writes)))
    return History(("a", "b"), events)


def test_what_is_possible_does_not_depend_on_the_order() -> None:
    load, store = (0, Read(0), "load", False), (1, Write(0), "store", True)
    pair = (("Write", "store"), ("Read", "load"))

    assert reads_of_others(history(load, store)) == set()
    assert reads_of_others(history(store, load)) == {pair}
    assert possible_reads_of_others(history(load, store)) == {pair}
    assert possible_reads_of_others(history(store, load)) == {pair}


def test_nobody_reads_from_himself_or_from_who_does_not_write() -> None:
    assert possible_reads_of_others(history((0, Write(0), "store", True), (0, Read(0), "load", False))) == set()
    assert possible_reads_of_others(history((0, Read(0), "load", False), (1, Read(0), "load", False))) == set()


@pytest.mark.parametrize("seed", range(20))
def test_what_happens_is_possible(seed: int) -> None:
    random = Random(seed)
    subject = Subject(LINUX_2026_MENDED)
    execution = subject.execution(swarmed(RandomDraw(random), subject.kernel.name), record=True)
    run = direct.run(execution, RandomWalk(random))

    assert run.history is not None
    assert reads_of_others(run.history) <= possible_reads_of_others(run.history)


def test_a_pair_is_promising_until_it_has_been_seen_often_enough() -> None:
    rare = Rare()
    for _ in range(ENOUGH):
        assert rare.is_promising(PAIR)
        rare.note(PAIR, NONE)

    assert not rare.is_promising(PAIR)


def test_a_pair_that_does_not_come_is_given_up() -> None:
    rare = Rare()
    for _ in range(TRIES_MAX):
        assert rare.is_promising(PAIR)
        rare.note(NONE, PAIR)

    assert not rare.is_promising(PAIR)


def test_a_program_without_pairs_promises_nothing() -> None:
    assert not Rare().is_promising(NONE)


class Always(Rare):
    """Everything is promising."""

    def is_promising(self, possible: object) -> bool:
        del possible
        return True


class Never(Rare):
    """Nothing is."""

    def is_promising(self, possible: object) -> bool:
        del possible
        return False


@pytest.mark.parametrize(
    ("rare", "behind_the_sequential_ones"),
    [(None, SCHEDULES_PER_PROGRAM), (Always(), SCHEDULES_MAX), (Never(), SCHEDULES_MIN)],
    ids=["nobody looks", "always", "never"],
)
def test_a_program_has_as_many_schedules_as_it_promises(rare: Rare | None, behind_the_sequential_ones: int) -> None:
    subject = Subject(LINUX_2026_MENDED)
    case = swarmed(RandomDraw(Random(0)), subject.kernel.name)

    made = list(schedules_of(subject, case, Random(0), shares=(0.0, 0.0), rare=rare))

    assert len(made) == 2 + behind_the_sequential_ones


def test_the_later_programs_are_as_determined_as_the_first() -> None:
    def programs() -> list[str]:
        made = []
        for case, run in schedules(Subject(LINUX_2026_MENDED), Random(1)):
            if run is None:
                made.append(f"{case.world} {case.program}")
            if len(made) > EARLY + 5:
                return made
        raise AssertionError

    assert programs() == programs()
