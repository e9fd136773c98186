from collections.abc import Iterator
from dataclasses import replace
from random import Random

from fuzz.search.draws import RandomDraw
from fuzz.shrinking.naming import canonical
from fuzz.shrinking.simplify import fewer_deviations, simpler, variations
from pagecache.operations import CloseFile, Collapse, Load, Munmap, PunchHole, SeekHole, Shrink, Truncate, UffdRegister
from pagecache.world import VmaSpec, WorldSpec
from strategies.anchors import Anchors
from strategies.case import Case, Deviation, Failure, Program, TaskSpec
from strategies.cases import case, write
from strategies.programs import named

ANCHORS = Anchors(("xas_load", "xas_store"), ("folio_alloc",))


def sample(number: int, size: int) -> list[Case]:
    random = Random(number)
    return [case(RandomDraw(random), "k", ANCHORS) for _ in range(size)]


def test_whatever_is_simpler_is_valid_and_can_be_written() -> None:
    edits = 0
    for value in sample(1, 150):
        for made in simpler(value):
            edits += 1
            assert made != value
            assert not any(one.problem(made.world) for task in made.program.tasks for one in task.operations)
            assert made.program.operations <= value.program.operations
            assert len(made.schedule) <= len(value.schedule)
            assert canonical(made) == made
            write(made)
    assert edits > 2000


def test_variations_are_not_larger() -> None:
    for value in sample(3, 60):
        for made in variations(value):
            assert made != value
            assert not any(one.problem(made.world) for task in made.program.tasks for one in task.operations)
            assert len(made.program.tasks) == len(value.program.tasks)
            assert value.program.operations - made.program.operations in (0, 1)
            assert len(made.world.pages) == len(value.world.pages)
            assert len(made.world.vmas) == len(value.world.vmas)
            assert canonical(made) == made
            write(made)


def test_variations_of_a_small_case() -> None:
    value = Case("k", WorldSpec(), named([(Truncate(0), Collapse(0))]))

    made = {one for one in variations(value) if one.program.operations == 2}

    worlds = [
        WorldSpec(("hole", "data")),
        WorldSpec(("unwritten", "data")),
        WorldSpec(("swapped", "data")),
        WorldSpec(("zeroes", "data")),
        WorldSpec(("data", "hole")),
        WorldSpec(("data", "unwritten")),
        WorldSpec(("data", "swapped")),
        WorldSpec(("data", "zeroes")),
        WorldSpec(vmas=(VmaSpec(missing=True),)),
        WorldSpec(vmas=(VmaSpec(minor=True),)),
        WorldSpec(vmas=(VmaSpec(wp=True),)),
        WorldSpec(vmas=(VmaSpec(mapped=(0,)),)),
        WorldSpec(vmas=(VmaSpec(mapped=(1,)),)),
    ]
    programs = [((Collapse(0), Truncate(0)),), ((Truncate(1), Collapse(0)),), ((Truncate(2), Collapse(0)),)]
    assert made == {replace(value, world=world) for world in worlds} | {
        replace(value, program=named(program)) for program in programs
    }


def test_a_large_folio_is_simpler_as_pages() -> None:
    value = Case("k", WorldSpec(("data",) * 8, 3, 8, (VmaSpec(end=8),), ((0, 2), (4, 1))), named([(Load(6),)]))

    def larges(cases: Iterator[Case], pages: int) -> set[tuple[tuple[int, int], ...]]:
        return {one.world.large for one in cases if len(one.world.pages) == pages}

    assert larges(simpler(value), 8) >= {((4, 1),), ((0, 1), (4, 1)), ((2, 1), (4, 1)), ((0, 2),)}
    assert larges(simpler(value), 4) == {((0, 2),), ((0, 1),)}


def test_other_files_go_unless_they_are_closed_and_the_numbers_follow() -> None:
    world = WorldSpec(huge="always", others=("pinned", "idle", "pinned"))
    value = Case("k", world, named([(Shrink(),), (CloseFile(2),)]))

    made = {(one.world.others, str(one.program)) for one in simpler(value) if one.world.others != world.others}

    assert made == {
        (("idle", "pinned"), "kswapd: Shrink() || close: CloseFile(file=1)"),
        (("pinned", "pinned"), "kswapd: Shrink() || close: CloseFile(file=2)"),
        (("pinned", "idle"), "kswapd: Shrink() || close: CloseFile(file=2)"),
        (("idle", "idle", "pinned"), "kswapd: Shrink() || close: CloseFile(file=2)"),
        (("pinned", "idle", "idle"), "kswapd: Shrink() || close: CloseFile(file=2)"),
    }
    assert all(one.world.huge == "always" for one in simpler(value) if one.world.others)


def test_what_a_large_folio_holds_changes_with_it_only() -> None:
    value = Case("k", WorldSpec(large=((0, 1),)), named([(Load(1),)]))

    assert {one.world.large for one in variations(value) if "hole" in one.world.pages} == {()}
    assert all(one.world.pages == ("data", "data") for one in variations(value) if one.world.large)


def test_what_an_operation_would_do_can_be_done_already() -> None:
    punch, register = (PunchHole(0), Collapse(0)), (UffdRegister(0), Load(1))
    value = Case("k", WorldSpec(), named([punch, register]))

    made = list(variations(value))

    assert replace(value, world=WorldSpec(("hole", "data")), program=named([(Collapse(0),), register])) in made
    assert replace(value, world=WorldSpec(vmas=(VmaSpec(missing=True),)), program=named([punch, (Load(1),)])) in made


def test_a_range_that_is_punched_already_is_holes() -> None:
    world = WorldSpec(("data",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),), large=((0, 1),))
    value = Case("k", world, named([(PunchHole(1, 3), Load(0))]))

    worlds = [one.world for one in variations(value) if one.program == named([(Load(0),)])]

    assert replace(world, pages=("data", "hole", "hole", "hole"), large=()) in worlds
    assert replace(world, pages=("data", "data", "hole", "hole")) in worlds


def test_what_fails_later_because_of_what_is_gone_fails_sooner() -> None:
    value = Case("k", WorldSpec(), named([(Collapse(0), Load(0))]), (), (Failure("khugepaged", "folio_alloc", 2),))

    made = [one.failures for one in simpler(value) if one.program == named([(Load(0),)])]

    assert made[:2] == [(Failure("load", "folio_alloc", 2),), (Failure("load", "folio_alloc", 1),)]


def test_a_collapse_that_is_done_already_has_left_a_huge_page_and_perhaps_a_pmd() -> None:
    munmap = (Munmap(),)
    value = Case("k", WorldSpec(vmas=(VmaSpec(huge=True),)), named([(Collapse(0), Truncate(0)), munmap]))

    made = list(variations(value))

    for mapped in ((), (0, 1)):
        world = WorldSpec(vmas=(VmaSpec(mapped=mapped, huge=True),), large=((0, 1),))
        assert replace(value, world=world, program=named([(Truncate(0),), munmap])) in made


def test_whatever_is_generated_is_canonical() -> None:
    for value in sample(2, 200):
        assert canonical(value) == value


def test_canonical_names_are_those_of_the_grammar() -> None:
    value = Case(
        "k",
        WorldSpec(vmas=(VmaSpec("qemu", mapped=(1, 0)), VmaSpec("host"), VmaSpec("qemu"))),
        Program((TaskSpec("cpu1", (SeekHole(0),)), TaskSpec("cpu0", (SeekHole(1),)))),
        (Deviation("cpu1", "xas_load", 1, "cpu0"),),
        (Failure("cpu0", "xas_load", 2),),
    )

    assert canonical(value) == Case(
        "k",
        WorldSpec(vmas=(VmaSpec("A", mapped=(0, 1)), VmaSpec("B"), VmaSpec("A"))),
        named([(SeekHole(0),), (SeekHole(1),)]),
        (Deviation("lseek", "xas_load", 1, "lseek2"),),
        (Failure("lseek2", "xas_load", 2),),
    )


def test_a_task_that_goes_takes_its_deviations_and_failures_along() -> None:
    value = Case(
        "k",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0),), (SeekHole(1),)]),
        (
            Deviation("khugepaged", "xas_store", 1, "lseek"),
            Deviation("lseek", "xas_load", 1, "lseek2"),
            Deviation("khugepaged", "xas_store", 2, "lseek2"),
        ),
        (Failure("lseek", "xas_load", 1), Failure("khugepaged", "folio_alloc", 1)),
    )

    assert Case(
        "k",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(1),)]),
        (Deviation("khugepaged", "xas_store", 2, "lseek"),),
        (Failure("khugepaged", "folio_alloc", 1),),
    ) in simpler(value)


def test_tasks_that_become_one_keep_the_deviations_to_others() -> None:
    value = Case(
        "k",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0),), (Load(1),)]),
        (Deviation("khugepaged", "xas_store", 1, "load"), Deviation("load", "xas_load", 1, "lseek")),
    )

    assert Case(
        "k",
        WorldSpec(),
        named([(Collapse(0),), (SeekHole(0), Load(1))]),
        (Deviation("khugepaged", "xas_store", 1, "lseek"),),
    ) in simpler(value)


def test_a_vma_that_goes_renumbers_the_others() -> None:
    value = Case(
        "k",
        WorldSpec(vmas=(VmaSpec("A"), VmaSpec("B", missing=True), VmaSpec("C", mapped=(0,)))),
        named([(Load(0, vma=2), Load(1, vma=1)), (Munmap(vma=0),)]),
    )

    assert Case(
        "k",
        WorldSpec(vmas=(VmaSpec("A"), VmaSpec("B", mapped=(0,)))),
        named([(Load(0, vma=1), Load(1, vma=0)), (Munmap(vma=0),)]),
    ) in simpler(value)


def test_a_file_loses_its_first_huge_page() -> None:
    value = Case(
        "k",
        WorldSpec(("hole", "data", "data", "hole"), 1, 4, (VmaSpec("A", 1, 4, mapped=(1, 2)),)),
        named([(Collapse(2), PunchHole(3), PunchHole(0, 4)), (Truncate(3),)]),
    )

    assert Case(
        "k",
        WorldSpec(("data", "hole"), 1, 2, (VmaSpec("A", 0, 2, mapped=(0,)),)),
        named([(Collapse(0), PunchHole(1), PunchHole(0, 2)), (Truncate(1),)]),
    ) in simpler(value)


def test_huge_pages_get_smaller() -> None:
    value = Case("k", WorldSpec(("data", "data", "hole", "data"), 2, 4, (VmaSpec("A", 0, 4),)), named([(Load(3),)]))

    assert Case("k", WorldSpec(("hole", "data"), 1, 2, (VmaSpec("A", 0, 2),)), named([(Load(1),)])) in simpler(value)
    assert replace(value, world=replace(value.world, hpage_order=1)) in simpler(value)


def test_pages_change_places_with_all_that_is_said_about_them() -> None:
    value = Case(
        "k",
        WorldSpec(("hole", "data"), vmas=(VmaSpec(mapped=(1,)),)),
        named([(Collapse(0),), (Load(1), PunchHole(0), PunchHole(0, 2))]),
    )

    assert Case(
        "k",
        WorldSpec(("data", "hole"), vmas=(VmaSpec(mapped=(0,)),)),
        named([(Collapse(0),), (Load(0), PunchHole(1), PunchHole(0, 2))]),
    ) in simpler(value)


def test_the_simplest_case_has_nothing_simpler() -> None:
    assert list(simpler(Case("k", WorldSpec(), named([(Collapse(0),)])))) == []


def test_deviations_are_left_out_in_halves_and_one_by_one() -> None:
    schedule = tuple(Deviation("khugepaged", "xas_load", visit, "lseek") for visit in (1, 2, 3, 4))
    value = Case("k", WorldSpec(), named([(Collapse(0),), (SeekHole(0),)]), schedule)

    kept = [tuple(one.visit for one in made.schedule) for made in fewer_deviations(value)]

    assert kept == [(), (3, 4), (1, 2), (2, 3, 4), (1, 3, 4), (1, 2, 4), (1, 2, 3)]
