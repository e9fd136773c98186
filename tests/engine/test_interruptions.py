"""Where a search interrupts tasks."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from fuzz import campaign
from fuzz.campaign import (
    SCHEDULES_EARLY,
    SCHEDULES_MAX,
    SCHEDULES_MIN,
    SCHEDULES_PER_PROGRAM,
    Counts,
    schedules,
    schedules_of,
)
from fuzz.engine import direct
from fuzz.engine.history import Event, History
from fuzz.search.draws import RandomDraw
from fuzz.search.failing import Failing
from fuzz.search.interruptions import Interruption, Interruptions, Place, interruptions
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.last_first import LastFirst
from fuzz.search.policies.profile import Profile
from fuzz.subject import Subject
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Fallocate, Operation, Read, Write
from pagecache.step import Step
from pagecache.world import WorldSpec
from strategies.case import Case
from strategies.cases import swarmed
from strategies.programs import named

SUBJECT = Subject(LINUX_2026_MENDED)


def history(*steps: tuple[int, Operation, str, str, bool]) -> History:
    """Each step: task, operation, call, what it touches, does it write?"""
    events = []
    for task, operation, call, target, writes in steps:
        events.append(Event("call", task, operation))
        events.append(Event("step", task, step=Step(call, target=(target, 0), writes=writes)))
    return History(("a", "b"), events)


def places(*steps: tuple[int, Operation, str, str, bool]) -> list[Interruption]:
    return interruptions(history(*steps), history(*steps))


def test_steps_that_nobody_else_could_notice_are_no_places() -> None:
    found = places(
        (0, Read(0), "load", "x", False),
        (0, Read(0), "lock", "mine", True),
        (0, Read(0), "load", "x", False),
        (0, Read(0), "load", "nobody writes this", False),
        (1, Write(0), "store", "x", True),
        (1, Write(0), "look", "nobody writes this", False),
    )

    assert found == [Interruption(Place("Read", "load", 2, "Write"), 0, 2, 1)]


def test_before_its_first_conflicting_step_a_task_need_not_be_interrupted() -> None:
    assert places((0, Read(0), "load", "x", False), (1, Write(0), "store", "x", True)) == []


def test_who_comes_in_between_is_the_operation_that_conflicts() -> None:
    found = places(
        (0, Write(0), "store", "x", True),
        (0, Write(0), "store", "y", True),
        (1, Collapse(0), "load", "x", False),
        (1, Fallocate(0, 1), "load", "y", False),
    )

    assert [one.place for one in found] == [
        Place("Write", "store", 2, "Fallocate"),
        Place("Fallocate", "load", 2, "Write"),
    ]


def test_what_the_other_task_touches_in_one_of_the_orders_only_counts() -> None:
    write = ((0, Write(0), "store", "x", True), (0, Write(0), "store", "y", True))
    read = (1, Read(0), "load", "x", False)
    first = history(*write, read)
    last = history(read, (1, Read(0), "load", "y", False), *write)

    assert [one.task for one in interruptions(first, first)] == []
    assert [one.task for one in interruptions(first, last)] == [0, 1]


CASE = Case(SUBJECT.kernel.name, WorldSpec(("hole", "data")), named(((Collapse(0),), (Fallocate(0, 1),))))


def places_of() -> tuple[Profile, list[Interruption]]:
    """The profile of CASE, and where both of its tasks can be interrupted."""
    execution = SUBJECT.execution(CASE, record=True)
    run = direct.run(execution, Canonical(execution))
    other = direct.run(SUBJECT.execution(CASE, record=True), LastFirst())
    assert run.history is not None
    assert other.history is not None
    return Profile.of(run.history), interruptions(run.history, other.history)


def test_the_place_that_has_been_tried_least_is_next() -> None:
    profile, found = places_of()
    tries = Interruptions()
    tried: Counter[Place] = Counter()
    for seed in range(100):
        some = list(found)
        schedule = tries.choose(some, profile, Random(seed))
        (chosen,) = set(found) - set(some)
        assert tried[chosen.place] == min(tried[one.place] for one in found)
        tried.update(one.place for one in found if one.deviation(profile.names) in schedule)

    assert len(tried) == len({one.place for one in found}) > 10


def test_a_place_is_promising_until_it_has_been_tried() -> None:
    profile, found = places_of()
    one = found[0]
    tries = Interruptions()
    assert tries.is_promising([one])

    tries.choose([one], profile, Random(0))

    assert not tries.is_promising([one])
    assert tries.is_promising(found)
    assert not tries.is_promising([])


@pytest.mark.parametrize(("visit", "counted"), [(1, 1), (3, 3), (4, 4), (7, 4), (8, 8)])
def test_late_visits_are_one_place(visit: int, counted: int) -> None:
    reads = [(0, Read(0), "load", "x", False)] * visit

    found = places((0, Read(0), "look", "x", False), *reads, (1, Write(0), "store", "x", True))

    assert (found[-1].visit, found[-1].place.visit) == (visit, counted)


def test_each_of_them_is_where_the_task_is_interrupted() -> None:
    profile, found = places_of()
    some, tries, random = list(found), Interruptions(), Random(0)
    there = []
    while some:
        before = list(some)
        schedule = tries.choose(some, profile, random)
        (chosen,) = set(before) - set(some)
        execution = SUBJECT.execution(CASE)
        run = direct.run(execution, Canonical(execution, schedule))
        there.append(chosen.deviation(profile.names) in run.deviations)

    assert len(there) == len(found) > 10
    assert all(there)


def test_half_of_them_go_back_before_the_other_task_has_ended() -> None:
    profile, found = places_of()
    tries, random = Interruptions(), Random(0)
    lengths: Counter[int] = Counter()
    for _ in range(400):
        some = list(found)
        schedule = tries.choose(some, profile, random)
        (chosen,) = set(found) - set(some)
        lengths[len(schedule) - (chosen.task > 0)] += 1

    assert set(lengths) == {1, 2}
    assert 150 < lengths[2] < 250


class Always(Interruptions):
    """Everything is promising."""

    def is_promising(self, some: object) -> bool:
        del some
        return True


class Never(Interruptions):
    """Nothing is."""

    def is_promising(self, some: object) -> bool:
        del some
        return False


@pytest.mark.parametrize(
    ("places", "most", "behind_the_sequential_ones"),
    [
        (None, 0, SCHEDULES_PER_PROGRAM),
        (Always(), SCHEDULES_MAX, SCHEDULES_MAX),
        (Always(), SCHEDULES_EARLY, SCHEDULES_EARLY),
        (Never(), SCHEDULES_MAX, SCHEDULES_MIN),
    ],
    ids=["nobody counts", "always", "always, early", "never"],
)
def test_a_program_has_as_many_schedules_as_it_promises(
    places: Interruptions | None, most: int, behind_the_sequential_ones: int
) -> None:
    case = swarmed(RandomDraw(Random(0)), SUBJECT.kernel.name)
    failing = Failing()
    counts = Counts(failing, places, most, 1) if places else None

    made = [tried for tried, _ in schedules_of(SUBJECT, case, Random(0), shares=(0.0, 0.0), counts=counts)]

    one_that_fails = sum(bool(tried.failures) for tried in made)
    assert len(made) - one_that_fails == 2 + behind_the_sequential_ones


def test_the_later_programs_are_as_determined_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    early = 20
    monkeypatch.setattr(campaign, "EARLY", early)

    def programs() -> list[str]:
        made = []
        for case, run in schedules(SUBJECT, Random(1)):
            if run is None:
                made.append(f"{case.world} {case.program}")
            if len(made) > early + 20:
                return made
        raise AssertionError

    assert programs() == programs()
