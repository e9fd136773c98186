"""Runs as the engine would record them."""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.engine.history import Event, History
from fuzz.engine.verdict import Outcome, Verdict
from pagecache.operations import Collapse, Operation, Result, SeekHole, UffdCopy
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure, Program, TaskSpec

Line = Operation | Step | Result
"""A call, a step, or a return."""


def history(names: Sequence[str], *turns: tuple[int, bool, Sequence[Line]]) -> History:
    """A history from turns: which task, whether the schedule deviated to it, and what it did."""
    events: list[Event] = []
    operations: dict[int, Operation] = {}
    for task, deviates, lines in turns:
        taken = False
        for line in lines:
            if isinstance(line, Operation):
                operations[task] = line
                events.append(Event("call", task, operation=line))
            elif isinstance(line, Step):
                events.append(Event("step", task, step=line, deviates=deviates and not taken))
                taken = True
            else:
                events.append(Event("return", task, operation=operations[task], result=line))
    return History(tuple(names), events)


RACE_CASE = Case(
    kernel="linux-6.2",
    world=WorldSpec(
        ("data", "hole", "hole", "hole"), 1, 4, (VmaSpec("A", 0, 2, missing=True), VmaSpec("B", 0, 4, mapped=(0,)))
    ),
    program=Program(
        (
            TaskSpec("khugepaged", (Collapse(0),)),
            TaskSpec("lseek", (SeekHole(1),)),
            TaskSpec("uffd", (UffdCopy(1),)),
        )
    ),
    schedule=(Deviation("khugepaged", "xas_store", 2, "uffd"), Deviation("uffd", "shmem_mfill_atomic_pte", 1, "lseek")),
    failures=(Failure("khugepaged", "xas_create_range", 1),),
)

RACE = history(
    ("khugepaged", "lseek", "uffd"),
    (
        0,
        False,
        [
            Collapse(0),
            Step("xas_load", 0),
            Step("folio_lock", "F0"),
            Step("xas_create_range", 0, 1, fails="ENOMEM"),
            Step("xas_create_range", 0, 1, fails="ENOMEM"),
            Step("xas_store", 0, "H1"),
        ],
    ),
    (2, True, [UffdCopy(1), Step("down_read", "mmap_lock of A"), Step("xas_load", 1), Step("folio_try_get", "H1")]),
    (1, True, [SeekHole(1), Step("i_size_read"), Step("xas_load", 1), 2]),
    (
        2,
        False,
        [Step("shmem_mfill_atomic_pte", "a very long list of arguments that no column holds", "vma0"), "EEXIST"],
    ),
    (0, False, [*(Step("xas_load", index) for index in range(11)), "EAGAIN"]),
)

RACE_VERDICT = Verdict(
    Outcome.VIOLATED,
    "data_is_never_reported_as_a_hole",
    "lseek's SeekHole(index=1) said that index 2 is the next hole, but index 1 was one from the start to the end, and "
    "nobody had written there.",
)

DEADLOCK_CASE = Case(
    "freeze", WorldSpec(), Program((TaskSpec("khugepaged", (Collapse(0),)), TaskSpec("mincore", (SeekHole(0),))))
)

DEADLOCK = history(
    ("khugepaged", "mincore"),
    (0, False, [Collapse(0), Step("folio_ref_freeze", "F1", 2)]),
    (1, False, [SeekHole(0), Step("xas_load", 0)]),
)

DEADLOCK_VERDICT = Verdict(
    Outcome.DEADLOCK,
    "no_deadlock",
    "Nobody can run any more:\n"
    "  khugepaged  at folio_lock(F0)      waits for the lock of F0, held by mincore\n"
    "  mincore     at folio_try_get(F1)   waits for the frozen reference count of F1, held by khugepaged, long",
)
