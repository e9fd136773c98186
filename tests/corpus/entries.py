"""An entry with a bit of everything, and a strategy for all that the format can say."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from fuzz.corpus.entry import VERDICTS, Entry, Found, entry_name, head_comment
from fuzz.corpus.entry_reader import Vocabulary
from fuzz.engine.verdict import Outcome
from pagecache.operations import OPERATIONS, Collapse, Fallocate, Operation, SeekHole, UffdCopy, UffdRegister
from pagecache.world import LARGE_STATES, PAGE_STATES, VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure, Program, TaskSpec

WORDS = Vocabulary(
    kernels=("linux-6.2", "stevens-v2"),
    promises=("data_is_never_reported_as_a_hole", "no_deadlock", "no_livelock"),
)

PROMISE = "data_is_never_reported_as_a_hole"

CASE = Case(
    kernel="linux-6.2",
    world=WorldSpec(
        pages=("data", "hole", "data", "unwritten"),
        hpage_order=1,
        size=4,
        vmas=(VmaSpec("A", 0, 4, missing=True, mapped=(0, 2)), VmaSpec("B", 1, 2)),
    ),
    program=Program(
        (
            TaskSpec("khugepaged", (Collapse(0),)),
            TaskSpec("lseek", (SeekHole(1), Fallocate(2, 2, keep_size=True))),
            TaskSpec("uffd", (UffdRegister(vma=1), UffdCopy(1, vma=1))),
        )
    ),
    schedule=(Deviation("khugepaged", "xas_store", 2, "lseek"), Deviation("lseek", "i_size_read", 1, "uffd")),
    failures=(Failure("khugepaged", "xas_create_range", 1),),
)

WHY = "SEEK_HOLE takes no lock.  It took the huge folio, stored before it was uptodate, for a page never written."

NAME = entry_name(CASE, PROMISE)

ENTRY = Entry(
    name=NAME,
    case=CASE,
    outcome=Outcome.VIOLATED,
    broken=PROMISE,
    steps=("khugepaged Collapse(start=0)", "khugepaged xas_load(0)", 'lseek xas_store(0, "\t\\é")', "lseek = 0"),
    minimal="no schedule with fewer than 2 deviations fails (exhausted, 37 runs)",
    found=Found(seed=7, schedules=213),
    head=head_comment(NAME, "Sometimes under linux-6.2", WHY),
)


@st.composite
def worlds(draw: st.DrawFn) -> WorldSpec:
    order = draw(st.integers(1, 3))
    length = draw(st.integers(1, 8 >> order)) << order
    size = draw(st.integers(0, length))
    states = [draw(st.sampled_from(PAGE_STATES if index < size else PAGE_STATES[1:3])) for index in range(length)]
    vmas = draw(st.lists(vmas_of(states), min_size=1, max_size=4))
    large = [(first, 1) for first in range(0, length, 2) if states[first] == states[first + 1] in LARGE_STATES]
    some = draw(st.lists(st.sampled_from(large), unique=True)) if large else []
    return WorldSpec(tuple(states), order, size, tuple(vmas), tuple(sorted(some)))


@st.composite
def vmas_of(draw: st.DrawFn, states: list[str]) -> VmaSpec:
    start = draw(st.integers(0, len(states) - 1))
    end = draw(st.integers(start + 1, len(states)))
    present = [index for index in range(start, end) if states[index] == "data"]
    mapped = draw(st.lists(st.sampled_from(present), unique=True)) if present else []
    return VmaSpec(draw(st.sampled_from("AB")), start, end, draw(st.booleans()), tuple(mapped))


@st.composite
def operations(draw: st.DrawFn, world: WorldSpec) -> Operation:
    kind = draw(st.sampled_from(OPERATIONS))
    values = {
        field.name: draw(st.booleans() if field.type == "bool" else st.integers(0, len(world.pages)))
        for field in dataclasses.fields(kind)
    }
    operation = kind(**values)
    return Collapse(0) if operation.problem(world) else operation


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    world = draw(worlds())
    words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
    calls = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(str.isidentifier)
    names = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    tasks = tuple(TaskSpec(name, tuple(draw(st.lists(operations(world), min_size=1, max_size=3)))) for name in names)
    anchors = st.tuples(st.sampled_from(names), calls, st.integers(1, 99))
    schedule = tuple(
        Deviation(*anchor, run)
        for anchor in (draw(st.lists(anchors, max_size=3)) if len(names) > 1 else [])
        for run in names
        if run != anchor[0]
    )
    failures = tuple(Failure(*anchor) for anchor in draw(st.lists(anchors, max_size=2)))
    lines = st.builds("{} {}".format, st.sampled_from(names), st.text(st.characters(codec="utf-8"), min_size=1))
    outcome = draw(st.sampled_from(VERDICTS))
    return Entry(
        name="entry",
        case=Case(draw(st.sampled_from(WORDS.kernels)), world, Program(tasks), schedule, failures),
        outcome=outcome,
        broken="" if outcome is Outcome.HELD else draw(st.sampled_from(WORDS.promises)),
        steps=tuple(draw(st.lists(lines, max_size=5))),
        minimal=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        found=draw(st.none() | st.builds(Found, st.integers(0), st.integers(0))),
        head=head_comment("entry", "Never", draw(st.text(st.characters(codec="utf-8"), max_size=200))),
    )
