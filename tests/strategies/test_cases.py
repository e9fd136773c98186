"""Generated cases: valid, writable, useful, cheap, and simple when shrunk."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.internal.conjecture.data import ConjectureData

from fuzz.search.draws import RandomDraw
from pagecache.operations import (
    OPERATIONS,
    CloseFile,
    Collapse,
    Load,
    Mremap,
    Operation,
    SeekHole,
    Shrink,
    UffdRegister,
)
from pagecache.world import PAGE_STATES, VmaSpec, WorldSpec
from strategies.anchors import Anchors
from strategies.case import Case, Deviation, Failure, Program, TaskSpec
from strategies.cases import case, cases, programs_and_worlds, write
from strategies.grammar import NotInGrammarError
from strategies.hypothesis_draw import HypothesisDraw
from strategies.operations import PARAMETERS, SELDOM
from strategies.programs import named, program
from strategies.swarm import swarm
from strategies.worlds import world

ANCHORS = Anchors(("xas_load", "xas_store", "folio_lock"), ("folio_alloc",))
SAMPLE = 2000


def sample(number: int, anchors: Anchors = ANCHORS) -> list[tuple[Case, RandomDraw]]:
    random = Random(number)
    draws = [RandomDraw(random) for _ in range(SAMPLE)]
    return [(case(draw, "k", anchors), draw) for draw in draws]


def operations(value: Case) -> list[Operation]:
    return [operation for task in value.program.tasks for operation in task.operations]


def read(choices: list[int | bool], anchors: Anchors) -> Case:
    data = ConjectureData.for_choices(choices)
    value = case(HypothesisDraw(data), "k", anchors)
    assert data.choices == tuple(choices)
    assert data.misaligned_at is None
    return value


def test_every_operation_has_parameters_in_the_order_of_the_table() -> None:
    assert tuple(PARAMETERS) == OPERATIONS


@settings(max_examples=200, database=None, derandomize=True, deadline=None)
@given(cases("k", ANCHORS))
def test_what_hypothesis_generates_is_read_back_from_its_choices(value: Case) -> None:
    assert read(write(value, ANCHORS), ANCHORS) == value


def test_what_a_campaign_generates_is_read_back_from_its_choices() -> None:
    for value, draw in sample(1):
        choices = write(value, ANCHORS)

        assert choices == draw.choices
        assert read(choices, ANCHORS) == value


def test_the_wanted_case_has_no_influence_on_what_is_drawn() -> None:
    for (wanted, _), (value, draw) in zip(sample(8)[:200], sample(9)[:200], strict=True):
        data = ConjectureData.for_choices(draw.choices)

        assert case(HypothesisDraw(data), "k", ANCHORS, wanted) == value


def test_a_case_is_written_with_no_more_anchors_than_it_has() -> None:
    for value, _ in sample(2)[:200]:
        assert read(write(value), Anchors.of(value)) == value


def test_every_operation_makes_sense_in_its_world() -> None:
    for value, _ in sample(3):
        assert [one.problem(value.world) for one in operations(value)] == [""] * len(operations(value))


def test_every_deviation_names_two_tasks_of_the_program() -> None:
    seen = 0
    for value, _ in sample(4):
        names = {task.name for task in value.tasks}
        assert len(names) == len(value.tasks)
        for one in value.schedule:
            assert {one.task, one.run} <= names
            assert one.task != one.run
            assert one.at in ANCHORS.calls
            seen += 1
        assert {one.task for one in value.failures} <= names
    assert seen > SAMPLE / 2


def test_names_are_what_a_task_does_first() -> None:
    program = named([(SeekHole(0), Collapse(0)), (Collapse(0),), (SeekHole(1),), (UffdRegister(),)])

    assert [task.name for task in program.tasks] == ["lseek", "khugepaged", "lseek2", "uffd"]


def collapses_something(value: Case) -> bool:
    nr = 1 << value.world.hpage_order
    vmas = value.world.vmas
    return any(
        isinstance(one, Collapse) and vmas[one.vma].start <= one.start and one.start + nr <= vmas[one.vma].end
        for one in operations(value)
    )


def test_generation_is_biased_to_what_is_useful() -> None:
    values = [value for number in (5, 10, 11) for value, _ in sample(number)]

    def share(holds: Callable[[Case], bool]) -> float:
        return sum(map(holds, values)) / len(values)

    assert share(collapses_something) > 0.9
    assert share(lambda value: 2 <= len(value.program.tasks) <= 4) > 0.95
    assert share(lambda value: max(len(task.operations) for task in value.program.tasks) <= 4) > 0.99
    assert 0.6 < share(lambda value: len(value.world.pages) == 2) < 0.8
    assert 0.05 < share(lambda value: value.world.hpage_order > 1) < 0.2
    assert 0.3 < share(lambda value: any(vma.missing for vma in value.world.vmas)) < 0.8
    assert 0.4 < share(lambda value: len(value.world.vmas) > 1) < 0.6
    assert share(lambda value: any(vma.start for vma in value.world.vmas)) > 0.05
    assert share(lambda value: len({vma.mm for vma in value.world.vmas}) > 1) > 0.05
    assert share(lambda value: any(vma.mapped for vma in value.world.vmas)) > 0.4
    assert 0.02 < share(lambda value: value.world.large != ()) < 0.08
    for state in PAGE_STATES:
        assert share(lambda value, state=state: state in value.world.pages) > 0.1  # type: ignore[misc]


def test_every_operation_is_generated() -> None:
    seen = Counter(type(one) for value, _ in sample(6) for one in operations(value))

    often = [made for made in OPERATIONS if made not in SELDOM]
    assert min(seen[made] for made in often if "shmem" in made.backings) > SAMPLE / 50
    assert min(seen[made] for made in often) > SAMPLE / 200


def test_what_fits_few_worlds_is_generated_there() -> None:
    draw = RandomDraw(Random(0))
    several_files = WorldSpec(huge="always", others=("pinned", "idle"))
    mappings_alike = WorldSpec(vmas=(VmaSpec(), VmaSpec()))
    for spec, kinds in ((several_files, (Shrink, CloseFile)), (mappings_alike, (Mremap,))):
        seen: Counter[type[Operation]] = Counter()
        for _ in range(500):
            value = program(draw, spec, kinds=swarm(draw, spec))
            seen.update(type(one) for task in value.tasks for one in task.operations)

        assert min(seen[made] for made in kinds) > 20


def test_mappings_that_are_alike_can_be_asked_for() -> None:
    draw = RandomDraw(Random(0))
    features = {"hpage_order": (1,), "huge_pages": (2,), "vmas": (2, 3), "vma.mm": ("A",), "vma.range": ((1, 3),)}
    seen = [world(draw, features=features).vmas for _ in range(50)]

    assert {len(vmas) for vmas in seen} == {2, 3}
    assert {(vma.mm, vma.start, vma.end) for vmas in seen for vma in vmas} == {("A", 1, 3)}


def test_a_case_takes_few_choices() -> None:
    taken = sorted(len(draw.choices) for _, draw in sample(7, Anchors()))

    assert taken[SAMPLE // 2] <= 45
    assert taken[-1] <= 200


SEEK = named([(Collapse(0),), (SeekHole(0),)])
ONE_DEVIATION = (Deviation("khugepaged", "xas_load", 1, "lseek"),)


def collapses_while_another_seeks(value: Case) -> bool:
    """In this order: which task comes first is for the closing passes, Hypothesis exchanges them mostly."""
    first, *others = value.program.tasks
    return isinstance(first.operations[0], Collapse) and any(
        isinstance(one, SeekHole) for task in others for one in task.operations
    )


@pytest.mark.parametrize(
    ("predicate", "minimal"),
    [
        (lambda _: True, Case("k", WorldSpec(), named([(Collapse(0),)]))),
        (collapses_while_another_seeks, Case("k", WorldSpec(), SEEK)),
        (
            lambda value: collapses_while_another_seeks(value) and value.schedule,
            Case("k", WorldSpec(), SEEK, ONE_DEVIATION),
        ),
        (
            lambda value: any(one.at == "folio_lock" and one.visit >= 3 for one in value.schedule),
            Case(
                "k",
                WorldSpec(),
                named([(Collapse(0),), (Collapse(0),)]),
                (Deviation("khugepaged", "folio_lock", 3, "khugepaged2"),),
            ),
        ),
        (
            lambda value: value.failures,
            Case("k", WorldSpec(), named([(Collapse(0),)]), (), (Failure("khugepaged", "folio_alloc", 1),)),
        ),
        pytest.param(
            lambda value: (
                any(isinstance(one, Load) and one.index == 3 for one in operations(value))
                and value.world.hpage_order == 1
                and value.world.backing == "shmem"  # in a regular file a Load is another choice
            ),
            Case("k", WorldSpec(("data",) * 4, 1, 4, (VmaSpec("A", 0, 4),)), named([(Load(3),)])),
            marks=pytest.mark.slow,
        ),
        (
            lambda value: value.world.hpage_order == 2,
            Case("k", WorldSpec(("data",) * 4, 2, 4, (VmaSpec("A", 0, 4),)), named([(Collapse(0),)])),
        ),
        (
            lambda value: value.world.large,
            Case("k", WorldSpec(large=((0, 1),)), named([(Collapse(0),)])),
        ),
        (
            lambda value: any(vma.mm != "A" and vma.missing for vma in value.world.vmas),
            Case(
                "k",
                WorldSpec(vmas=(VmaSpec(), VmaSpec("B", missing=True))),
                named([(Collapse(0),)]),
            ),
        ),
        (
            lambda value: "hole" in value.world.pages and any(vma.mapped for vma in value.world.vmas),
            Case("k", WorldSpec(("data", "hole"), vmas=(VmaSpec(mapped=(0,)),)), named([(Collapse(0),)])),
        ),
    ],
)
def test_shrinks_to_what_a_person_would_write(predicate: Callable[[Case], object], minimal: Case) -> None:
    found = find(
        cases("k", ANCHORS),
        lambda value: bool(predicate(value)),
        settings=settings(
            max_examples=20_000,
            database=None,
            derandomize=True,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=tuple(HealthCheck),
        ),
    )

    assert found == minimal


@settings(max_examples=50, database=None, derandomize=True, deadline=None)
@given(programs_and_worlds("k", failing=("folio_alloc",)))
def test_programs_for_campaigns_have_no_schedule(value: Case) -> None:
    assert value.schedule == ()
    assert {one.at for one in value.failures} <= {"folio_alloc"}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Case("k", WorldSpec(vmas=(VmaSpec("process"),)), SEEK), "'process' cannot be generated; choose one of 'A'"),
        (Case("k", WorldSpec(), named([(Collapse(0),)] * 9)), "there are more elements"),
        (
            Case("k", WorldSpec(), SEEK, (Deviation("cpu0", "xas_load", 1, "lseek"),)),
            "'cpu0' cannot be generated; choose one of 'khugepaged', 'lseek'",
        ),
    ],
)
def test_a_case_that_is_never_generated_cannot_be_written(value: Case, problem: str) -> None:
    with pytest.raises(NotInGrammarError, match=problem):
        write(value)


def test_names_of_tasks_are_not_part_of_what_is_written() -> None:
    renamed = Case("k", WorldSpec(), Program(tuple(TaskSpec("cpu", task.operations) for task in SEEK.tasks)))

    assert read(write(renamed), Anchors()) == Case("k", WorldSpec(), SEEK)


def test_a_strategy_says_what_it_is() -> None:
    assert repr(programs_and_worlds("linux-6.4")) == "programs_and_worlds('linux-6.4')"


def test_some_mappings_have_fault_around() -> None:
    vmas = [vma for value, _ in sample(3) for vma in value.world.vmas]
    around = [vma for vma in vmas if vma.around]

    assert 0.01 < len(around) / len(vmas) < 0.1
    assert {vma.huge for vma in around} == {vma.writable for vma in around} == {False, True}


def test_some_mappings_are_private_with_a_userfaultfd_of_any_mode() -> None:
    vmas = [vma for value, _ in sample(3) for vma in value.world.vmas if vma.private]

    assert {vma.huge for vma in vmas} == {False, True}
    assert {"missing" if vma.missing else "minor" if vma.minor else "wp" if vma.wp else "" for vma in vmas} == {
        "",
        "missing",
        "minor",
        "wp",
    }
