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
    CloseWrite,
    Collapse,
    DontNeed,
    Fallocate,
    Load,
    MemoryFailure,
    Migrate,
    Mincore,
    Mremap,
    Munmap,
    OpenWrite,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    SeekHole,
    Shrink,
    Split,
    Store,
    Swapoff,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
    Write,
    Writeback,
)
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.cases import focused, swarmed

SWAPS = 250
MANY = 5_000
WALKS = 3
SWAPS_OF_A_WALK = 6

TWO_PAGES = {"hpage_order": (1,), "pages": ("data", "hole")}

FOCI = {
    "huge pages that are mapped by PMDs": Focus(
        (Collapse, Load, Mincore, Migrate, Munmap, PinWrite, Read, Split, Store, Truncate, UffdWriteProtect),
        {
            "vma.huge": (True,),
            "vma.wp": (True, False),
            "vma.missing": (False,),
            "pages": ("data",),
            "hpage_order": (1,),
        },
    ),
    "page tables": Focus(
        (Collapse, Load, Munmap, PunchHole, Store, Truncate), {"vmas": (1, 2), "vma.huge": (False,), **TWO_PAGES}
    ),
    "private mappings": Focus(
        (Collapse, Load, Store, PinWrite, Mincore, PunchHole, Truncate, UffdCopy, UffdZeropage, UffdWriteProtect),
        {"vma.private": (True,), "vma.huge": (False, True), "vma.missing": (True, False), **TWO_PAGES},
    ),
    "page tables that are taken away": Focus(
        (Collapse, DontNeed, Load, Mincore, PageOut, PinWrite, Split, Store, UffdCopy, UffdContinue, UffdWriteProtect),
        {
            "vma.huge": (True, False),
            "vma.private": (False, True),
            "vma.missing": (True, False),
            "vma.wp": (False,),
            "vma.minor": (False,),
            **TWO_PAGES,
        },
    ),
    "a PMD lock that somebody tries to get": Focus(
        (DontNeed(0, 2), Collapse, Load, Migrate(0), PageOut, PinWrite, Split(0, 0), Store),
        worlds=(
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0,)), VmaSpec(huge=True, mapped=(0, 1))), large=((0, 1),)),
        ),
    ),
    "page tables that are moved": Focus(
        (Collapse, Load, Migrate, Mremap, Munmap, PageOut, PinWrite, Split, Store, Truncate),
        {
            "vmas": (2, 3),
            "vma.mm": ("A",),
            "vma.range": ((0, 2), (0, 1)),
            "vma.huge": (True, False),
            "vma.missing": (True, False),
            "huge_pages": (1,),
            **TWO_PAGES,
        },
    ),
    "missing pages": Focus(
        (Collapse, Load, Poke, PunchHole, Touch, UffdContinue, UffdCopy, UffdRegister, UffdUnregister, UffdZeropage),
        {"vma.missing": (True, False), **TWO_PAGES},
    ),
    "write protection": Focus(
        (Collapse, Load, Migrate, PageOut, PunchHole, Store, Truncate, UffdWriteProtect),
        {"vma.wp": (True,), "vma.missing": (False,), "pages": ("data",), "hpage_order": (1,)},
    ),
    "swap": Focus(
        (Collapse, Load, MemoryFailure, Migrate, PageOut, Read, Swapoff, Truncate, Write),
        {"pages": ("data", "swapped"), "hpage_order": (1,)},
    ),
    "large folios": Focus(
        (Collapse, Fallocate, Load, MemoryFailure, Migrate, PageOut, PunchHole, Read, Split, Truncate, Write),
        {"huge": ("always", "sizes"), "pages": ("data", "hole"), "hpage_order": (1, 2)},
    ),
    "regular files": Focus(
        (CloseWrite, Collapse, Load, Munmap, OpenWrite, PageOut, PinWrite, Read, Store, Truncate, Write, Writeback),
        {"backing": ("file",), "vma.writable": (True, False), "hpage_order": (1,)},
    ),
    "store buffers": Focus(
        (Collapse, Fallocate, Load, PunchHole, Read, SeekHole, Touch, Truncate, UffdRegister, Write),
        {"store_buffers": (True,), **TWO_PAGES},
    ),
    "store buffers, and a count": Focus(
        (CloseWrite, Collapse, Load, OpenWrite, Read, Truncate, Write),
        {"store_buffers": (True,), "backing": ("file",), "hpage_order": (1,)},
    ),
    "several files": Focus(
        (CloseFile, Shrink, Load, Store, Fallocate, PunchHole, Truncate),
        {"huge": ("always",), "pages": ("hole",), "others": (("pinned", "idle"), ("idle", "pinned", "idle"))},
    ),
}

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


def swap_steps(kernel: str, draw: Callable[[], Case], random: Random, wanted: int = SWAPS) -> None:
    """Swap so many times in runs of random cases."""
    subject = Subject(EVERY_KERNEL[kernel], ())
    swaps = 0
    while swaps < wanted:
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


@pytest.mark.parametrize("name", FOCI)
def test_so_do_those_about(name: str) -> None:
    random = Random(len(name))

    swap_steps("linux-2026-mended", lambda: focused(RandomDraw(random), "linux-2026-mended", FOCI[name]), random)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["linux-6.2", "linux-6.4-mended", "linux-2026", "b38-put-while-on-our-list"])
@pytest.mark.parametrize("name", FOCI)
def test_twenty_times_as_often(kernel: str, name: str) -> None:
    random = Random(len(name))

    swap_steps(kernel, lambda: focused(RandomDraw(random), kernel, FOCI[name]), random, MANY)
