"""The checker against two slower ones: each interleaving by itself, and plain linearizability."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pagecache.operations import (
    EVENT,
    Collapse,
    Fallocate,
    Load,
    Mincore,
    Munmap,
    Operation,
    PunchHole,
    Read,
    Result,
    SeekData,
    SeekHole,
    Store,
    Touch,
    Truncate,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdZeropage,
    Write,
)
from pagecache.promises.explanation import Automaton, State
from pagecache.promises.file_spec import FIRST, HOLE, UNWRITTEN, Behaviour, Cell, Moment, Phase, initial_cells
from pagecache.step import Task
from pagecache.world import VmaSpec, WorldSpec

PAGES = 2
INDEX = st.integers(0, PAGES - 1)

WORLDS = st.builds(
    lambda pages, size, missing: WorldSpec(
        tuple("hole" if index >= size and page == "data" else page for index, page in enumerate(pages)),
        size=size,
        vmas=(VmaSpec(missing=missing), VmaSpec(start=1)),
    ),
    st.tuples(*[st.sampled_from(["data", "hole", "unwritten"])] * PAGES),
    st.integers(0, PAGES),
    st.booleans(),
)

OPERATIONS = st.one_of(
    st.builds(Collapse, st.just(0)),
    *(st.builds(kind, INDEX, st.integers(0, 1)) for kind in (Load, Store, Touch, Mincore, UffdCopy, UffdZeropage)),
    *(st.builds(kind, INDEX) for kind in (Read, Write, SeekData, SeekHole)),
    st.builds(Truncate, st.integers(0, PAGES)),
    st.builds(PunchHole, st.just(0), st.integers(1, PAGES)),
    st.builds(Fallocate, st.just(0), st.integers(1, PAGES), st.booleans()),
    *(st.builds(kind, st.just(0)) for kind in (UffdRegister, UffdUnregister, Munmap)),
)

WRONG: list[Result] = ["d0", 0, 1, 2, "EEXIST"]

# Each interleaving by itself: no products, nothing shared, nothing remembered.

Point = tuple[int, tuple[Phase | None, ...], tuple[Cell, ...]]


def put(values: tuple, position: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:position], value, *values[position + 1 :])


def actions(point: Point, pending: tuple[Behaviour | None, ...], moments: list[Moment]) -> set[Point]:
    """All points one action away."""
    size, phases, cells = point
    found: set[Point] = set()
    under_way = [
        (number, behaviour, phase)
        for number, (behaviour, phase) in enumerate(zip(pending, phases, strict=True))
        if behaviour is not None and phase is not None and phase[0] != "done"
    ]
    for number, behaviour, phase in under_way:
        moment = moments[number]._replace(size=size)
        if behaviour.exclusive and phase == FIRST and any(b.exclusive and p != FIRST for _, b, p in under_way):
            continue
        index = behaviour.index(phase)
        for after, next_size, cell in behaviour.act(phase, moment, cells[index] if index < PAGES else Cell(HOLE)):
            found.add((next_size, put(phases, number, after), put(cells, index, cell) if index < PAGES else cells))
        span = [index for index in behaviour.span(phase) if index < PAGES]
        for index in span:
            for cell in behaviour.drift(phase, moment, index, cells[index]):
                found.add((size, phases, put(cells, index, cell)))
        left = [behaviour.settle(phase, index, cells[index]) for index in span]
        settled = behaviour.settles(phase)
        if settled is not None and None not in left:
            kept = dict(zip(span, left, strict=True))
            after_cells = tuple(kept.get(index, cell) or cell for index, cell in enumerate(cells))
            found.add((size, put(phases, number, settled), after_cells))
    return found


def all_points(start: set[Point], pending: tuple[Behaviour | None, ...], moments: list[Moment]) -> set[Point]:
    found, new = set(start), list(start)
    while new:
        for point in actions(new.pop(), pending, moments):
            if point not in found:
                found.add(point)
                new.append(point)
    return found


def expanded(state: State) -> set[Point]:
    """The points that a state's configurations stand for."""
    return {
        (configuration.size, configuration.phases, cells)
        for configuration in state.closed()
        for cells in itertools.product(*configuration.cells)
    }


def done_with(point: Point, number: int, result: Result) -> bool:
    phase = point[1][number]
    if phase is None or phase[0] != "done":
        return False
    expected = phase[1]
    return expected in (result, "anything") or (expected == "an error" and isinstance(result, str))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), spec=WORLDS, may_fail=st.booleans())
def test_it_finds_the_same_explanations_as_each_interleaving_by_itself(
    data: st.DataObject, spec: WorldSpec, *, may_fail: bool
) -> None:
    state = Automaton(spec, may_fail=may_fail).initial
    points: set[Point] = {(spec.size, (None, None), initial_cells(spec))}
    tasks = [Task("a", 0), Task("b", 1)]
    counts = [0, 0]
    for task in tasks:  # from the start both have a place in the phases
        state = state.called(task, 0, UffdRegister(vma=1))
        after = state.returned(task, "EINVAL")
        assert after is not None
        state = after
    for turn in range(data.draw(st.integers(3, 9))):
        number = turn if turn < 2 else data.draw(st.integers(0, 1))
        task = tasks[number]
        behaviour = state.pending[number]
        if behaviour is None:
            counts[number] += 1
            state = state.called(task, counts[number], data.draw(OPERATIONS))
            begun = state.pending[number]
            assert begun is not None
            points = {(size, put(phases, number, begun.first), cells) for size, phases, cells in points}
            continue
        points = all_points(points, state.pending, state._moments())
        assert points == expanded(state)

        choices: list[Result] = state.results(task) if data.draw(st.integers(0, 7)) else []
        result = data.draw(st.sampled_from(choices or WRONG))
        after = state.returned(task, result)
        points = {
            (size, put(phases, number, None), cells)
            for size, phases, cells in points
            if done_with((size, phases, cells), number, result)
        }
        assert (after is not None) == bool(points)
        if after is None:
            return
        state = after


# Plain linearizability: had every operation been atomic, its answers would have been fine, too.


class AtomicFile:
    """A sparse file whose operations happen at once."""

    def __init__(self, spec: WorldSpec) -> None:
        self.pages = [f"d{index}" if page == "data" else page for index, page in enumerate(spec.pages)]
        self.size = spec.size
        self.vmas = spec.vmas
        self.mapped = [True for _ in spec.vmas]
        self.missing = [vma.missing for vma in spec.vmas]

    def has(self, index: int) -> bool:
        return self.pages[index] not in (HOLE, UNWRITTEN)

    def run(self, operation: Operation, tag: str) -> Result | None:
        """The answer; ``None`` if it waits for user space."""
        match operation:
            case Read(index):
                return 0 if index >= self.size else self.pages[index] if self.has(index) else "0"
            case Write(index):
                self.pages[index], self.size = tag, max(self.size, index + 1)
                return 1
            case Load(index, vma) | Store(index, vma) | Touch(index, vma):
                return self.access(operation, index, vma, tag)
            case SeekData(index):
                return next((i for i in range(index, self.size) if self.has(i)), "ENXIO")
            case SeekHole(index):
                if index >= self.size:
                    return "ENXIO"
                return next((i for i in range(index, self.size) if not self.has(i)), self.size)
            case Mincore(index, vma):
                return int(self.has(index)) if self.maps(vma, index) else "ENOMEM"
            case Truncate(size):
                if size <= self.size:  # a file that grows keeps what fallocate() has reserved behind its end
                    self.pages[size:] = [HOLE] * (PAGES - size)
                self.size = size
            case PunchHole(start, length):
                self.pages[start : start + length] = [HOLE] * length
            case Fallocate(start, length, keep_size):
                for index in range(start, start + length):
                    self.pages[index] = {HOLE: UNWRITTEN, UNWRITTEN: "0"}.get(self.pages[index], self.pages[index])
                self.size = self.size if keep_size else max(self.size, start + length)
            case Collapse():
                self.pages = [page if self.has(index) else "0" for index, page in enumerate(self.pages)]
            case UffdCopy(index, vma) | UffdZeropage(index, vma):
                return self.supply(index, vma, tag if isinstance(operation, UffdCopy) else "0")
            case UffdRegister(vma) | UffdUnregister(vma):
                if not self.mapped[vma]:
                    return "EINVAL"
                self.missing[vma] = isinstance(operation, UffdRegister)
            case Munmap(vma):
                self.mapped[vma] = self.missing[vma] = False
        return 0

    def maps(self, vma: int, index: int) -> bool:
        return self.mapped[vma] and self.vmas[vma].start <= index < self.vmas[vma].end

    def access(self, operation: Operation, index: int, vma: int, tag: str) -> Result | None:
        if not self.maps(vma, index):
            return "SIGSEGV"
        if index >= self.size:
            return "SIGBUS"
        if self.pages[index] == HOLE and self.missing[vma]:
            return EVENT if isinstance(operation, Touch) else None
        if not self.has(index):
            self.pages[index] = "0"
        if isinstance(operation, Store):
            self.pages[index] = tag
            return 0
        return self.pages[index]

    def supply(self, index: int, vma: int, content: str) -> Result:
        if not (self.maps(vma, index) and self.missing[vma]):
            return "ENOENT"
        if index >= self.size:
            return "EFAULT"
        if self.pages[index] != HOLE:
            return "EEXIST"
        self.pages[index] = content
        return 0


@settings(max_examples=100, deadline=None)
@given(data=st.data(), spec=WORLDS)
def test_what_atomic_operations_answer_is_always_explained(data: st.DataObject, spec: WorldSpec) -> None:
    state = Automaton(spec, may_fail=False).initial
    file = AtomicFile(spec)
    tasks = [Task(name, number) for number, name in enumerate("abc")]
    answers: dict[int, Result] = {}
    under_way: dict[int, Operation] = {}
    counts = [0, 0, 0]
    for _ in range(data.draw(st.integers(3, 24))):
        number = data.draw(st.integers(0, 2))
        task = tasks[number]
        if number in answers:  # returns what it answered when it happened
            del under_way[number]
            after = state.returned(task, answers.pop(number))
            assert after is not None
            state = after
        elif number in under_way:  # happens
            answer = file.run(under_way[number], f"{task.name}.{counts[number]}")
            if answer is not None:
                answers[number] = answer
        else:  # is called
            counts[number] += 1
            under_way[number] = data.draw(OPERATIONS)
            state = state.called(task, counts[number], under_way[number])
    assert state.differences(file.pages, file.size) == []
