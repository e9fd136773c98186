from dataclasses import replace
from random import Random

import pytest
from toy_engine import BROKEN, ToyEngine, Trace

from fuzz.engine.verdict import HELD, Outcome, Verdict
from fuzz.search.draws import RandomDraw
from fuzz.shrinking.certificate import Certificate
from fuzz.shrinking.shrink import SearchLimitError, Shrunk, measure, shrink
from pagecache.operations import Collapse, Load, PunchHole, Read, SeekHole, Store, Truncate
from pagecache.world import VmaSpec, WorldSpec
from strategies.anchors import Anchors
from strategies.case import Case, Deviation, Failure, Program, TaskSpec
from strategies.cases import case as draw_case
from strategies.programs import named

LARGE_WORLD = WorldSpec(
    ("hole", "data", "unwritten", "data"),
    hpage_order=1,
    size=4,
    vmas=(
        VmaSpec("process", 0, 4, missing=True, mapped=(3, 1)),
        VmaSpec("other", 2, 4),
    ),
)
NOISE = (
    Deviation("cpu1", "look", 2, "cpu2"),
    Deviation("cpu0", "lock", 1, "cpu1"),
    Deviation("cpu2", "look", 7, "cpu0"),
)
LARGE = Case(
    "toy",
    LARGE_WORLD,
    Program(
        (
            TaskSpec("cpu0", (Read(1), Collapse(2), Store(3, vma=1))),
            TaskSpec("cpu1", (Load(2), SeekHole(3))),
            TaskSpec("cpu2", (PunchHole(1, 2), Truncate(3))),
        )
    ),
    (*NOISE, Deviation("cpu0", "store", 2, "cpu1")),
    (Failure("cpu0", "lock", 1),),
)


def looks_between_stores(trace: Trace) -> bool:
    """A SeekHole looks while a Collapse has stored once."""
    stores = 0
    for operation, call in trace:
        stores += call == "store"
        if isinstance(operation, SeekHole) and stores % 2:
            return True
    return False


def looks_before_and_between(trace: Trace) -> bool:
    """A SeekHole looks before the first store, and again between the two."""
    seek = [
        sum(call == "store" for _, call in trace[:at])
        for at, (operation, _) in enumerate(trace)
        if isinstance(operation, SeekHole)
    ]
    return seek[:2] == [0, 1]


def shrunk(engine: ToyEngine, case: Case, **limits: int) -> Shrunk:
    return shrink(case, engine.judge, engine.search, engine.record, **limits)


def test_ends_with_what_a_person_would_write() -> None:
    engine = ToyEngine(looks_between_stores)

    end = shrunk(engine, LARGE)

    assert end.case == Case(
        "toy",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0),)]),
        (Deviation("khugepaged", "store", 2, "lseek"),),
    )
    assert end.verdict == BROKEN
    assert end.certificate == Certificate(deviations=1, exhausted=0, runs=1)


def test_fewer_deviations_matter_more_than_the_order_of_tasks() -> None:
    engine = ToyEngine(looks_before_and_between)
    started = Case(
        "toy",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0),)]),
        (
            Deviation("khugepaged", "store", 1, "lseek"),
            Deviation("lseek", "look", 2, "khugepaged"),
            Deviation("khugepaged", "store", 2, "lseek"),
        ),
    )

    end = shrunk(engine, started)

    # Collapse first needs three deviations.
    assert end.case.program == named([(SeekHole(0),), (Collapse(0),)])
    assert end.case.schedule == (
        Deviation("lseek", "look", 2, "khugepaged"),
        Deviation("khugepaged", "store", 2, "lseek"),
    )
    assert str(end.certificate) == "no schedule with fewer than 2 deviations fails (exhausted, 3 runs)"


def test_a_smaller_program_is_searched_when_its_anchors_have_moved() -> None:
    engine = ToyEngine(looks_between_stores)
    started = Case(
        "toy",
        WorldSpec(),
        named([(Collapse(0), Collapse(0)), (SeekHole(0),)]),
        (Deviation("khugepaged", "store", 4, "lseek"),),
    )

    end = shrunk(engine, started)

    assert end.case.program == named([(Collapse(0),), (SeekHole(0),)])
    assert end.case.schedule == (Deviation("khugepaged", "store", 2, "lseek"),)


def test_tasks_that_can_be_one_are_merged() -> None:
    def read_after_seek_between_stores(trace: Trace) -> bool:
        reads = [at for at, (operation, _) in enumerate(trace) if isinstance(operation, Read)]
        return looks_between_stores(trace) and bool(reads)

    started = replace(LARGE, schedule=(Deviation("cpu0", "store", 2, "cpu1"),))

    end = shrunk(ToyEngine(read_after_seek_between_stores), started)

    assert [task.name for task in end.case.program.tasks] == ["khugepaged", "lseek"]
    assert end.case.program.operations == 3


def test_a_schedule_with_fewer_deviations_is_found_even_far_from_the_first() -> None:
    def either(trace: Trace) -> bool:
        order = "".join(call[0] for _, call in trace)
        return order in ("lslslu", "lssllu")

    engine = ToyEngine(either)
    started = Case(
        "toy",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0),)]),
        (
            Deviation("khugepaged", "store", 2, "lseek"),
            Deviation("lseek", "look", 2, "khugepaged"),
            Deviation("khugepaged", "unlock", 1, "lseek"),
        ),
    )
    assert engine.judge(started) == BROKEN

    end = shrunk(engine, started)

    assert end.case.schedule == (Deviation("khugepaged", "unlock", 1, "lseek"),)
    assert end.certificate.complete


def test_a_failure_that_is_needed_stays_and_the_sequential_schedule_needs_no_certificate() -> None:
    needed = Failure("khugepaged", "xas_create_range", 1)

    def judge(case: Case) -> Verdict:
        return BROKEN if case.failures[:1] == (needed,) else HELD

    started = Case("toy", WorldSpec(), named([(Collapse(0),), (SeekHole(1),)]), (), (needed, Failure("lseek", "x", 2)))

    end = shrink(started, judge, lambda *_: (None, 1))

    assert end.case == Case("toy", WorldSpec(), named([(Collapse(0),)]), (), (needed,))
    assert str(end.certificate) == "the sequential schedule fails"


@pytest.mark.parametrize(("samples", "operations"), [(True, 2), (False, 4)])
def test_what_takes_more_deviations_than_are_searched_for_is_sampled(samples: bool, operations: int) -> None:
    """Without one of its operations the program fails with other deviations than before, and with three."""

    def deviations(case: Case) -> tuple[Deviation, ...]:
        called = f"call_{case.program.operations}"
        return tuple(Deviation("khugepaged", called, visit, "lseek") for visit in (1, 2, 3))

    def judge(case: Case) -> Verdict:
        kinds = {type(operation) for task in case.program.tasks for operation in task.operations}
        return BROKEN if kinds == {Collapse, SeekHole} and case.schedule == deviations(case) else HELD

    def sample(case: Case) -> tuple[Case | None, int]:
        there = {task.name for task in case.program.tasks} == {"khugepaged", "lseek"}
        return replace(case, schedule=deviations(case)) if samples and there else None, 1

    program = named([(Collapse(0), Collapse(0)), (SeekHole(0), SeekHole(0))])
    started = Case("toy", WorldSpec(), program)
    started = replace(started, schedule=deviations(started))

    end = shrink(started, judge, lambda *_: (None, 1), sample=sample)

    assert end.case.program.operations == operations
    assert end.certificate.complete


def test_one_deviation_does_what_two_did_where_there_are_too_many_for_a_search() -> None:
    first, second, third, fourth, instead = (Deviation("khugepaged", "store", visit, "lseek") for visit in range(1, 6))
    failing = {(first, second, third, fourth), (first, fourth, instead)}

    def judge(case: Case) -> Verdict:
        return BROKEN if case.schedule in failing else HELD

    def search(case: Case, bound: int) -> tuple[Case | None, int]:
        if bound > 2:
            raise SearchLimitError(1)
        longer = replace(case, schedule=(*case.schedule, instead))
        return (longer if bound and judge(longer) == BROKEN else None), 1

    started = Case("toy", WorldSpec(), named([(Collapse(0),), (SeekHole(0),)]), (first, second, third, fourth))

    end = shrink(started, judge, search)

    assert end.case.schedule == (first, fourth, instead)
    assert end.certificate == Certificate(deviations=3, exhausted=2, runs=1)


def test_another_signature_is_not_followed() -> None:
    engine = ToyEngine(looks_between_stores)
    other = Verdict(Outcome.DEADLOCK, "no_deadlock")

    def judge(case: Case) -> Verdict:
        return other if case.program.operations < 4 else engine.judge(case)

    def search(case: Case, bound: int) -> tuple[Case | None, int]:
        return engine.search(case, bound) if case.program.operations >= 4 else (None, 1)

    end = shrink(LARGE, judge, search, engine.record)

    assert end.verdict == BROKEN
    assert end.case.program.operations == 4


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 12))])
def test_the_answer_is_the_same_wherever_the_campaign_started(seed: int) -> None:
    engine = ToyEngine(looks_between_stores)
    anchors = Anchors(("lock", "store", "unlock", "look"))
    random = Random(seed)
    case = draw_case(RandomDraw(random), "toy", anchors)
    while not engine.judge(case).failed:
        case = draw_case(RandomDraw(random), "toy", anchors)

    assert shrunk(engine, case).case == shrunk(engine, LARGE).case


def test_one_bug_has_one_reproducer() -> None:
    def looks_under_the_lock(trace: Trace) -> bool:
        held = False
        for operation, call in trace:
            held = call == "lock" or (held and call != "unlock")
            if held and isinstance(operation, SeekHole):
                return True
        return False

    program = named([(Collapse(0),), (SeekHole(0),)])
    ends = {
        shrunk(
            ToyEngine(looks_under_the_lock),
            Case("toy", WorldSpec(), program, (Deviation("khugepaged", at, visit, "lseek"),)),
        ).case
        for at, visit in (("store", 1), ("store", 2), ("unlock", 1))
    }

    assert ends == {Case("toy", WorldSpec(), program, (Deviation("khugepaged", "store", 1, "lseek"),))}


def test_every_adopted_case_is_smaller() -> None:
    engine = ToyEngine(looks_between_stores)

    end = shrunk(engine, LARGE)

    assert measure(end.case) < measure(LARGE)
    assert shrunk(engine, end.case).case == end.case


def test_a_search_at_its_limit_leaves_the_certificate_incomplete() -> None:
    engine = ToyEngine(looks_before_and_between)

    def search(case: Case, bound: int) -> tuple[Case | None, int]:
        if bound:
            raise SearchLimitError(100)
        return engine.search(case, bound)

    started = replace(
        LARGE,
        program=named([(SeekHole(0),), (Collapse(0),)]),
        schedule=(Deviation("lseek", "look", 2, "khugepaged"), Deviation("khugepaged", "store", 2, "lseek")),
        failures=(),
    )

    end = shrink(started, engine.judge, search, engine.record)

    assert not end.certificate.complete
    assert str(end.certificate) == (
        "no schedule with fewer than 1 deviation fails (exhausted, 1 run); with fewer than 2 deviations is not known"
    )


def test_stops_when_the_runs_are_used_up() -> None:
    engine = ToyEngine(looks_between_stores)

    end = shrunk(engine, LARGE, max_runs=20)

    assert engine.judge(end.case) == BROKEN
    assert end.calls < 200
    assert not end.certificate.complete
    assert str(end.certificate).endswith("is not known")


def test_programs_larger_than_the_grammar_are_shrunk_too() -> None:
    engine = ToyEngine(looks_between_stores)
    crowd = [TaskSpec(f"cpu{number}", (Read(0),) * 6) for number in range(2, 12)]
    started = replace(LARGE, program=Program((*LARGE.program.tasks[:2], *crowd)))

    assert shrunk(engine, started).case == shrunk(engine, LARGE).case


def test_tasks_get_their_names_even_if_nothing_gets_smaller() -> None:
    tasks = (TaskSpec("cpu0", (Collapse(0),)), TaskSpec("cpu1", (SeekHole(0),)))
    started = Case("toy", WorldSpec(), Program(tasks), (Deviation("cpu0", "store", 2, "cpu1"),))

    end = shrunk(ToyEngine(looks_between_stores), started)

    assert end.case.schedule == (Deviation("khugepaged", "store", 2, "lseek"),)


def test_says_when_there_is_nothing_to_shrink() -> None:
    engine = ToyEngine(lambda _: False)

    with pytest.raises(ValueError, match=r"nothing to shrink: .* is held; pass a failure"):
        shrunk(engine, LARGE)


def test_a_search_for_another_signature_is_an_error() -> None:
    engine = ToyEngine(looks_between_stores)

    def search(case: Case, bound: int) -> tuple[Case | None, int]:  # noqa: ARG001
        return replace(case, schedule=()), 1

    with pytest.raises(ValueError, match="it must return a schedule of the program that it is given"):
        shrink(LARGE, engine.judge, search, engine.record)
