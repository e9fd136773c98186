"""What a bug looks like in the end: for each the smallest case, as a value; and a large one that is the same bug.

The large ones have three tasks, six operations, pages and mappings that nobody needs, and the schedule of a
random walk, written down once.  The essence is in there somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pagecache.operations import (
    Collapse,
    Load,
    Mincore,
    Operation,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Store,
    Touch,
    UffdRegister,
    Write,
)
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Deviation
from strategies.programs import named

__all__ = ["REPRODUCERS", "Reproducer", "Situation"]

Threads = Sequence[Sequence[Operation]]


@dataclass(frozen=True, slots=True)
class Situation:
    """A case of no kernel in particular.

    Args:
        world: where.
        threads: what the tasks do.
        schedule: a deviation in each line.
    """

    world: WorldSpec
    threads: Threads
    schedule: str = ""

    def on(self, kernel: str) -> Case:
        """The case on a kernel."""
        schedule = tuple(
            Deviation(task, at, int(visit), run)
            for task, at, visit, run in re.findall(r"(\w+) at (\w+)#(\d+): run (\w+)", self.schedule)
        )
        return Case(kernel, self.world, named(tuple(thread) for thread in self.threads), schedule)


@dataclass(frozen=True, slots=True)
class Reproducer:
    """A bug.

    Args:
        kernel: where it is.
        promise: what it breaks.
        minimal: to what ``large`` shrinks.
        large: the same, and more.
        others: cases as small that break the promise in another way: a campaign may come upon them first.
    """

    kernel: str
    promise: str
    minimal: Situation
    large: Situation
    others: tuple[Situation, ...] = ()

    def __str__(self) -> str:
        return f"{self.kernel}: {self.promise}"


LOST = "every_call_is_explained_by_a_sparse_file"
UFFD = "a_page_observed_missing_is_not_filled_without_an_event"
SPINS = "no_lookup_spins_on_a_sleeping_task"

COLLAPSE = (Collapse(0),)


def small(*pages: str, vmas: tuple[VmaSpec, ...] = (VmaSpec(),)) -> WorldSpec:
    return WorldSpec(pages, vmas=vmas)


def whole(mm: str = "A", *, missing: bool = False, mapped: tuple[int, ...] = ()) -> VmaSpec:
    return VmaSpec(mm, 0, 4, missing, mapped)


def large(*pages: str, vmas: tuple[VmaSpec, ...]) -> WorldSpec:
    return WorldSpec(pages, size=4, vmas=vmas)


LOOKS_AT_THE_FIRST_PAGE = Situation(
    small("data", "data"), [COLLAPSE, [SeekHole(0)]], "khugepaged at folio_trylock#2: run lseek"
)

LOOKS_AT_THE_FIRST_PAGE_LARGE = Situation(
    large("data", "data", "data", "hole", vmas=(whole(), whole("B", mapped=(0, 1)))),
    [[Read(3), Collapse(0)], [Load(2, vma=1), Store(3)], [SeekHole(0), Mincore(3, vma=1)]],
    """
    read at folio_trylock#1: run load
    load at i_private#1: run read
    read at folio_isolate_lru#1: run lseek
    lseek at xas_load#1: run load
    load at xas_load#1: run read
    read at spin_lock#1: run load
    load at folio_lock#1: run read
    read at xas_lock_irq#2: run load
    load at folio_add_lru#1: run read
    read at folio_trylock#2: run load
    load at folio_mark_uptodate#1: run read
    read at xas_lock_irq#3: run lseek
    """,
)

TAIL = (VmaSpec(), VmaSpec("A", 1, 2, missing=True))
TAIL_LARGE = large("data", "hole", "data", "data", vmas=(whole(), VmaSpec("B", 1, 4, missing=True)))
ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE = Situation(small("data", "hole", vmas=TAIL), [[SeekHole(0), Collapse(0)]])
ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE_OTHERS = (
    Situation(small("data", "hole", vmas=TAIL[::-1]), [[SeekHole(0), Collapse(0, vma=1)]]),
    Situation(small("data", "data", vmas=TAIL), [[PunchHole(1), Collapse(0)]]),
    Situation(small("data", "data", vmas=TAIL[::-1]), [[PunchHole(1), Collapse(0, vma=1)]]),
    # Of a lower order, all of the huge page would be punched: no single edit leads from here to those above.
    Situation(
        WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4), VmaSpec(start=1, end=4, missing=True))),
        [[PunchHole(0, 2), Collapse(0)]],
    ),
)

HOLE_AFTER_THE_CHECK = Situation(  # another mistake of v2, with the same symptom (P10)
    small("data", "hole"), [[Collapse(0)], [UffdRegister(), SeekHole(1)]], "khugepaged at xas_store#2: run uffd"
)

REPRODUCERS = (
    Reproducer(
        "linux-4.8",
        LOST,
        Situation(small("data", "hole"), [COLLAPSE]),
        Situation(
            large("data", "hole", "data", "data", vmas=(whole(),)),
            [[Mincore(2), Collapse(0)], [Load(2), Read(3)], [SeekData(2), Collapse(2)]],
            """
            mincore at folio_try_get#1: run lseek
            lseek at xas_reload#1: run mincore
            mincore at xas_lock_irq#1: run lseek
            lseek at folio_ref_freeze#1: run load
            load at xas_reload#1: run lseek
            lseek at spin_lock#1: run load
            load at folio_try_get#2: run mincore
            mincore at xas_store#2: run lseek
            mincore at folio_unlock#1: run lseek
            mincore at folio_unlock#1: run load
            """,
        ),
    ),
    Reproducer("linux-6.2", LOST, LOOKS_AT_THE_FIRST_PAGE, LOOKS_AT_THE_FIRST_PAGE_LARGE),
    Reproducer(
        "linux-6.2",
        UFFD,
        Situation(small("data", "hole", vmas=(VmaSpec(missing=True),)), [[SeekHole(0), Collapse(0)]]),
        Situation(
            large("data", "hole", "data", "data", vmas=(whole(missing=True), whole("B"))),
            [[Read(2), Mincore(1)], [Collapse(0), SeekData(2)], [SeekHole(0), Write(2)]],
            """
            read at folio_try_get#1: run lseek
            lseek at xas_load#3: run khugepaged
            khugepaged at xas_store#1: run read
            read at folio_lock#1: run lseek
            lseek at folio_try_get#2: run read
            read at i_size_read#3: run lseek
            lseek at folio_lock#1: run khugepaged
            khugepaged at xas_store#2: run lseek
            """,
        ),
        (Situation(small("data", "data", vmas=(VmaSpec(missing=True),)), [[PunchHole(0), Collapse(0)]]),),
    ),
    Reproducer(
        "stevens-v1",
        "no_task_sleeps_in_atomic_context",
        Situation(small("data", "data"), [COLLAPSE]),
        Situation(
            large("data", "data", "data", "hole", vmas=(whole(), whole("B", missing=True))),
            [[Read(2), Collapse(2)], [Load(2), Store(1)], [SeekHole(0), Collapse(0)]],
            """
            read at i_size_read#1: run lseek
            lseek at xas_reload#3: run read
            read at i_size_read#2: run load
            load at xas_reload#1: run read
            read at folio_unlock#1: run load
            read at copy_page_to_iter#1: run lseek
            lseek at up_write#1: run load
            load at down_read#2: run read
            read at down_read#2: run load
            load at i_size_read#2: run read
            """,
        ),
    ),
    Reproducer("stevens-v2", LOST, LOOKS_AT_THE_FIRST_PAGE, LOOKS_AT_THE_FIRST_PAGE_LARGE),
    Reproducer(
        "stevens-v2",
        UFFD,
        ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE,
        Situation(
            TAIL_LARGE,
            [[Read(2), Collapse(0)], [Load(2), Store(3)], [SeekHole(0), Mincore(1, vma=1)]],
            """
            read at i_size_read#2: run load
            load at folio_try_get#1: run read
            read at xas_load#1: run load
            load at folio_lock#1: run read
            read at i_size_read#3: run lseek
            lseek at folio_put#2: run read
            read at up_read#1: run load
            load at folio_try_get#2: run read
            read at spin_lock#1: run load
            load at folio_lock#2: run read
            read at folio_mark_uptodate#1: run load
            read at folio_add_lru#1: run lseek
            """,
        ),
        (*ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE_OTHERS, HOLE_AFTER_THE_CHECK),
    ),
    Reproducer(
        "wilcox-2023-02",
        "every_reference_is_accounted_for",
        Situation(small("data", "hole"), [COLLAPSE, [Touch(1)]], "khugepaged at try_to_unmap_flush#1: run touch"),
        Situation(
            large("data", "hole", "data", "hole", vmas=(whole(), whole("B", mapped=(0,)))),
            [[Read(2), Collapse(0)], [Load(2), Touch(1)], [Mincore(2), Store(3)]],
            """
            read at down_read#1: run mincore
            mincore at folio_put#1: run load
            load at down_read#1: run read
            read at ptep_get_and_clear#1: run mincore
            mincore at pte_alloc#1: run load
            load at folio_try_get#1: run read
            read at xas_lock_irq#2: run mincore
            read at try_to_unmap_flush#1: run load
            """,
        ),
    ),
    Reproducer(
        "wilcox-2023-02-literal",
        "every_slot_points_to_a_live_folio_that_agrees",
        Situation(small("data", "data"), [COLLAPSE]),
        Situation(
            large("data", "hole", "data", "data", vmas=(whole(), whole("B"))),
            [[Read(2), Collapse(2)], [Load(2), Store(1)], [SeekHole(0), Collapse(0)]],
            """
            read at xas_load#1: run load
            load at pte_alloc#1: run read
            load at pte_alloc#1: run lseek
            lseek at xas_load#1: run load
            read at spin_lock#1: run lseek
            lseek at xas_reload#1: run read
            read at ptep_get_and_clear#1: run lseek
            lseek at folio_try_get#2: run read
            read at folio_ref_freeze#1: run lseek
            lseek at folio_test_uptodate#2: run read
            read at copy_mc_highpage#1: run lseek
            """,
        ),
    ),
    Reproducer(
        "retry-during-scan",
        SPINS,
        Situation(small("data", "hole"), [COLLAPSE, [SeekHole(0)]], "khugepaged at try_to_unmap_flush#1: run lseek"),
        Situation(
            large("data", "hole", "data", "data", vmas=(whole(), whole("B"))),
            [[Read(2), Collapse(0)], [Load(2), Store(3)], [SeekHole(0), Write(2)]],
            """
            read at i_size_read#2: run load
            load at i_size_read#1: run read
            read at folio_put#1: run load
            read at down_read#1: run lseek
            lseek at xas_load#1: run read
            read at copy_mc_highpage#1: run lseek
            """,
        ),
        (Situation(small("hole", "data"), [COLLAPSE, COLLAPSE], "khugepaged at folio_trylock#1: run khugepaged2"),),
    ),
    Reproducer(
        "stevens-v3",
        UFFD,
        ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE,
        Situation(
            TAIL_LARGE,
            [[Read(2), Collapse(0)], [Load(2), Store(3)], [SeekHole(0), Mincore(1, vma=1)]],
            """
            read at i_size_read#1: run lseek
            read at folio_ref_freeze#1: run load
            load at down_read#2: run read
            read at xas_store#1: run load
            load at xas_reload#2: run read
            """,
        ),
        ASKS_ONLY_WHO_MAPS_THE_FIRST_PAGE_OTHERS,
    ),
    Reproducer(
        "stevens-v5",
        SPINS,
        Situation(small("data", "hole"), [COLLAPSE, [SeekHole(0)]], "khugepaged at spin_lock#1: run lseek"),
        Situation(
            large("data", "hole", "data", "data", vmas=(whole(), whole("B"))),
            [[Read(2), Collapse(0)], [Load(2), Store(3)], [SeekHole(0), Write(2)]],
            """
            read at i_size_read#1: run load
            load at xas_load#1: run read
            read at xas_load#1: run load
            load at xas_reload#1: run read
            read at xas_reload#1: run load
            load at i_private#2: run lseek
            lseek at xas_load#1: run load
            load at xas_reload#2: run read
            read at try_to_unmap_flush#1: run load
            load at set_pte_at#2: run lseek
            """,
        ),
        (
            Situation(
                small("data", "data", vmas=(VmaSpec(mapped=(1,)),)),
                [COLLAPSE, [SeekHole(0)]],
                "khugepaged at folio_trylock#2: run lseek",
            ),
        ),
    ),
    Reproducer(
        "stevens-v5",
        "no_deadlock",
        Situation(
            small("data", "data", vmas=(VmaSpec(mapped=(1,)),)),
            [COLLAPSE, [Mincore(0)]],
            "khugepaged at spin_lock#1: run mincore",
        ),
        Situation(
            large("data", "data", "data", "data", vmas=(whole(mapped=(1,)), whole("B"))),
            [[Read(2), Collapse(0)], [Load(2), Mincore(0)], [Store(3), Read(2)]],
            """
            read at xas_load#1: run load
            load at folio_try_get#1: run store
            store at folio_try_get#1: run read
            read at copy_page_to_iter#1: run store
            store at folio_lock#1: run load
            load at folio_unlock#1: run read
            read at xas_load#3: run store
            store at spin_lock#1: run read
            read at down_read#2: run store
            read at spin_lock#1: run load
            """,
        ),
    ),
)
