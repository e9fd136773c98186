"""Steps name all that they touch: two next to each other that do not conflict can be swapped without a difference.

Random runs of random programs of the page cache are stopped anywhere; two tasks take their next actions in one order,
and in the other.  If the two do not depend on each other (:mod:`fuzz.search.visible`), both ways must lead to one
state, by its fingerprint.  What fails here makes partial-order reduction miss
something, and misleads every policy that asks which steps conflict: name what is touched, as the step's target or in
``also`` (:mod:`pagecache.touched`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from fuzz.engine.execution import Execution
from fuzz.search.draws import RandomDraw
from fuzz.search.fingerprint import Fingerprinter
from fuzz.search.visible import Action, conflict, take
from fuzz.subject import Subject
from pagecache.history import EVERY_KERNEL, Focus
from pagecache.operations import (
    CloseFile,
    Collapse,
    Fallocate,
    Load,
    Migrate,
    Mincore,
    Munmap,
    PinWrite,
    PunchHole,
    Read,
    Shrink,
    Split,
    Store,
    Truncate,
    UffdWriteProtect,
)
from strategies.case import Case
from strategies.cases import focused, swarmed

SWAPS = 500
WALKS = 3
SWAPS_OF_A_WALK = 6

HUGE = Focus(
    (Collapse, Load, Mincore, Migrate, Munmap, PinWrite, Read, Split, Store, Truncate, UffdWriteProtect),
    {
        "vma.huge": (True,),
        "vma.wp": (True, False),
        "vma.missing": (False,),
        "pages": ("data",),
        "hpage_order": (1,),
    },
)

FILES = Focus(
    (CloseFile, Shrink, Load, Store, Fallocate, PunchHole, Truncate),
    {"huge": ("always",), "pages": ("hole",), "others": (("pinned", "idle"), ("idle", "pinned", "idle"))},
)

Make = Callable[[], Execution]


def walked(make: Make, choices: Sequence[int]) -> tuple[Execution, Action | None]:
    """A run after these choices, and what the last of them did."""
    execution = make()
    action = None
    for number in choices:
        execution.runnable()
        action = take(execution, number, calls=True)
    return execution, action


def random_walk(make: Make, random: Random) -> list[int]:
    execution = make()
    choices: list[int] = []
    while runnable := execution.runnable():
        choices.append(random.choice(list(runnable)))
        take(execution, choices[-1], calls=True)
    execution.close()
    return choices


def can_go_on(execution: Execution, number: int) -> bool:
    step = execution.pending[number]
    return step is not None and (step.ready is None or step.ready())


def swapped(make: Make, before: Sequence[int], fingerprinter: Fingerprinter, random: Random) -> bool:
    """Swap two independent actions after ``before``.  Returns whether there were such two."""
    execution, _ = walked(make, before)
    runnable = list(execution.runnable())
    execution.close()
    if len(runnable) < 2:
        return False
    one, other = random.sample(runnable, 2)
    first, action = walked(make, [*before, one])
    second, other_action = walked(make, [*before, other])
    assert action is not None
    assert other_action is not None
    steps = f"{second.pending[one]} by {second.tasks[one]} and {first.pending[other]} by {first.tasks[other]}"
    independent = not (action.ends or other_action.ends or conflict(action.accesses, other_action.accesses))
    if independent:
        assert can_go_on(first, other), (
            f"one of {steps} keeps the other from happening, and they name nothing in common"
        )
        assert can_go_on(second, one), f"one of {steps} keeps the other from happening, and they name nothing in common"
        for run, number in ((first, other), (second, one)):
            run.runnable()
            take(run, number, calls=True)
        assert (first.verdict is None) == (second.verdict is None), f"the order of {steps} decides how the run ends"
        if first.verdict is None:
            message = f"{steps} name nothing in common, but their order makes a difference"
            assert fingerprinter.point(first) == fingerprinter.point(second), message
    first.close()
    second.close()
    return independent


def swap_steps(kernel: str, draw: Callable[[], Case], random: Random) -> None:
    """Swap SWAPS times in runs of random cases."""
    subject = Subject(EVERY_KERNEL[kernel], ())
    swaps = 0
    while swaps < SWAPS:
        case = draw()
        if len(case.program.tasks) < 2:
            continue

        def make(case: Case = case) -> Execution:
            return subject.execution(case)

        fingerprinter = Fingerprinter()
        for _ in range(WALKS):
            choices = random_walk(make, random)
            for _ in range(SWAPS_OF_A_WALK):
                before = choices[: random.randrange(len(choices))] if choices else []
                swaps += swapped(make, before, fingerprinter, random)


@pytest.mark.parametrize("kernel", ["linux-6.2", "stevens-v5", "linux-6.4", "linux-2026", "linux-2026-mended"])
def test_steps_name_all_that_they_touch(kernel: str) -> None:
    random = Random(len(kernel))

    swap_steps(kernel, lambda: swarmed(RandomDraw(random), kernel), random)


@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-2026-mended"])
def test_so_do_those_about_huge_pages_that_are_mapped_by_pmds(kernel: str) -> None:
    random = Random(len(kernel))

    swap_steps(kernel, lambda: focused(RandomDraw(random), kernel, HUGE), random)


@pytest.mark.parametrize("kernel", ["linux-6.4-mended", "b38-put-while-on-our-list"])
def test_so_do_those_about_several_files(kernel: str) -> None:
    random = Random(len(kernel))

    swap_steps(kernel, lambda: focused(RandomDraw(random), kernel, FILES), random)
