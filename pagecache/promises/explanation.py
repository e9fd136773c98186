"""All explanations of a history at once: a subset construction over the specification of the file.

An explanation of what was called and returned so far is a way to order the atomic actions of the
operations (:mod:`pagecache.promises.file_spec`).  Of each we keep only where it has led to, its
*configuration*: the size, how far each pending operation has come, and the pages.  The set of all
configurations is carried along: a call adds an operation at its first phase; a return first lets
every pending operation go on in every possible way, then keeps the configurations in which the operation
is done with the result that was seen.  None left: nothing explains the history, and this return is where it
became so (just-in-time linearization: Lowe, "Testing for linearizability", 2017).

**Products.**  Truncating eight pages has 3**8 half-way states, and no observer can tell most of them
apart.  A page changes without regard to other pages as long as no operation makes progress, so a configuration
holds, for each page, the *set* of what it may be, and stands for their product.  This loses nothing: an action
that looks at a page narrows that page's set, and nothing else.

**Memory.**  The sets are the states of an automaton whose letters are calls and returns.  A campaign runs the
same program under thousands of schedules, which differ in the order of few calls and returns; so states and
transitions are kept, per world, and a run is a walk along dictionary look-ups.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final

from pagecache.operations import (
    Collapse,
    DontNeed,
    Khugepaged,
    MemoryFailure,
    Migrate,
    Operation,
    PageOut,
    Result,
)
from pagecache.promises.behaviours import BEHAVIOURS
from pagecache.promises.closure import Configuration, closure, replaced
from pagecache.promises.file_spec import (
    AND_SO_ON,
    ANY_ERROR,
    ANYTHING,
    NO,
    YES,
    Behaviour,
    Moment,
    Phase,
    as_read,
    initial_cells,
)
from pagecache.promises.private_spec import PRIVATE_BEHAVIOURS
from pagecache.promises.regular_spec import REGULAR_BEHAVIOURS
from pagecache.promises.vma_spec import VmaFacts, vmas_changed_by
from pagecache.step import Task
from pagecache.world import PAGES_MAX, WorldSpec

__all__ = ["STATES_MAX", "Automaton", "State", "automaton_of"]

STATES_MAX: Final = 5_000
"""How many states an automaton keeps before it begins anew; a program of six operations has some hundreds."""

FLUSH_LATER: Final = Collapse | Khugepaged | PageOut | Migrate | DontNeed
"""What unmaps with TTU_BATCH_FLUSH, and ends with try_to_unmap_flush(), or unmaps and ends with tlb_finish_mmu()."""


class State:
    """What all explanations of a history have led to, and how histories go on from here.

    Args:
        automaton: keeps the states.
        pending: by task, the operation that is under way.
        vmas: what is known about the mappings.
        huge: the indices of the large folios of the beginning, and of the ranges for which a Collapse has been called;
            all of them if new folios may be huge.
        configurations: never empty.
    """

    __slots__ = ("_after_call", "_after_return", "_closed", "automaton", "configurations", "huge", "pending", "vmas")

    def __init__(
        self,
        automaton: Automaton,
        pending: tuple[Behaviour | None, ...],
        vmas: tuple[VmaFacts, ...],
        huge: frozenset[int],
        configurations: frozenset[Configuration],
    ) -> None:
        self.automaton = automaton
        self.pending = pending
        self.vmas = vmas
        self.huge = huge
        self.configurations = configurations
        self._closed: list[Configuration] | None = None
        self._after_call: dict[tuple[int, str, int, Operation], State] = {}
        self._after_return: dict[tuple[int, Result], State | None] = {}

    def called(self, task: Task, number: int, operation: Operation) -> State:
        """The state after ``task`` has called its ``number``-th operation."""
        letter = (task.number, task.name, number, operation)
        state = self._after_call.get(letter)
        if state is None:
            state = self._after_call[letter] = self._call(task, number, operation)
        return state

    def returned(self, task: Task, result: Result) -> State | None:
        """The state after ``task``'s operation has returned ``result``; ``None`` if nothing explains that."""
        letter = (task.number, result)
        try:
            return self._after_return[letter]
        except KeyError:
            state = self._after_return[letter] = self._return(task.number, result)
            return state

    def results(self, task: Task) -> list[Result]:
        """What ``task``'s operation could return now."""
        results = {phase[1] for *_, phase in self._done(task.number)}
        return sorted(results, key=lambda result: (isinstance(result, str), result))

    def closed(self) -> list[Configuration]:
        """The configurations after the pending operations have gone on, or not, in every possible way."""
        if self._closed is None:
            self._closed = closure(self.configurations, self.pending, self._moments())
        return self._closed

    def differences(self, contents: Sequence[str], size: int) -> list[tuple[int, list[str]]]:
        """Where a file differs from all that is possible now; empty if it is one of them.

        Args:
            contents: by page, HOLE, UNWRITTEN or a tag, the private copies included (private_cells()); ANYTHING where
                nobody can look.
            size: its size in pages.

        Returns:
            For the possible files that come closest: the pages that differ, -1 for the size, each with what
            the possible files have there.
        """
        closest: list[tuple[int, list[str]]] = []
        fewest = len(contents) + 2
        for configuration in self.closed():
            differences = [] if configuration.size == size else [(-1, [str(configuration.size)])]
            for index, (cells, content) in enumerate(zip(configuration.cells, contents, strict=True)):
                possible = sorted({as_read(cell.content) for cell in cells})
                if content not in (*possible, ANYTHING):
                    differences.append((index, possible))
            if not differences:
                return []
            fewest, closest = min((fewest, closest), (len(differences), differences))
        return closest

    def _moments(self) -> list[Moment]:
        """By task, what its pending operation sees besides pages."""
        running = [behaviour.operation for behaviour in self.pending if behaviour is not None]
        plain = Moment(
            0,
            YES,
            NO,
            self.automaton.may_fail,
            self.huge,
            swapping=self.automaton.swapping,
            alone=len(running) == 1,
            failing=frozenset(one.index for one in running if isinstance(one, MemoryFailure)),
            reclaiming=any(isinstance(one, PageOut) for one in running),
            unmapping=any(isinstance(one, FLUSH_LATER) for one in running),
        )
        moments = []
        for behaviour in self.pending:
            vma = None if behaviour is None else getattr(behaviour.operation, "vma", None)
            if vma is None:
                moments.append(plain)
            else:
                facts = self.vmas[vma]
                moments.append(
                    plain._replace(
                        mapped=facts.mapped,
                        registered=facts.registered,
                        minor=facts.minor_registered,
                        wp=facts.wp_registered,
                        discarding=any(isinstance(one, DontNeed) and one.vma == vma for one in running),
                    )
                )
        return moments

    def _done(self, number: int) -> Iterator[tuple[Configuration, Phase]]:
        for configuration in self.closed():
            phase = configuration.phases[number]
            if phase is not None and phase[0] == "done":
                yield configuration, phase

    def _call(self, task: Task, number: int, operation: Operation) -> State:
        spec = self.automaton.spec
        behaviours = BEHAVIOURS if spec.backing == "shmem" else REGULAR_BEHAVIOURS
        vma = getattr(operation, "vma", None)
        if vma is not None and spec.vmas[vma].private:
            behaviours = PRIVATE_BEHAVIOURS
        behaviour = behaviours[type(operation)].of_call(spec, task, number, operation)
        missing = task.number + 1 - len(self.pending)
        pending = replaced(self.pending + (None,) * missing, task.number, behaviour)
        configurations = frozenset(
            Configuration(size, replaced(phases + (None,) * missing, task.number, behaviour.first), cells)
            for size, phases, cells in self.configurations
        )
        vmas, huge = self.vmas, self.huge
        for changed in vmas_changed_by(operation):
            vmas = replaced(vmas, changed, vmas[changed].called(operation, changed))
        if isinstance(operation, Collapse):
            huge |= {*range(operation.start, operation.start + behaviour.hpage_nr)}
        return self.automaton.state(pending, vmas, huge, configurations)

    def _return(self, number: int, result: Result) -> State | None:
        behaviour = self.pending[number]
        assert behaviour is not None
        operation = behaviour.operation
        configurations = frozenset(
            configuration._replace(phases=replaced(configuration.phases, number, None))
            for configuration, phase in self._done(number)
            if _means(phase, result)
        )
        if not configurations:
            return None
        vmas = self.vmas
        for changed in vmas_changed_by(operation):
            vmas = replaced(vmas, changed, vmas[changed].returned(operation, result, changed))
        return self.automaton.state(replaced(self.pending, number, None), vmas, self.huge, configurations)


class Automaton:
    """The states reached so far from one world.

    Args:
        spec: the world before anything runs.
        may_fail: are failures injected?
        swapping: may pages be on the swap device?
    """

    def __init__(self, spec: WorldSpec, *, may_fail: bool, swapping: bool = False) -> None:
        self.spec = spec
        self.may_fail = may_fail
        self.swapping = swapping
        self._states: dict[tuple[object, ...], State] = {}
        self.initial = self._begin()

    def _begin(self) -> State:
        """The state before anything runs, and nothing else."""
        self._states.clear()
        vmas = tuple(VmaFacts.of(vma) for vma in self.spec.vmas)
        cells = tuple(frozenset({cell}) for cell in initial_cells(self.spec))
        huge = frozenset(index for first, order in self.spec.large for index in range(first, first + (1 << order)))
        if self.spec.huge != "never":
            huge = frozenset(range(PAGES_MAX))
        return self.state((), vmas, huge, frozenset({Configuration(self.spec.size, (), cells)}))

    def state(
        self,
        pending: tuple[Behaviour | None, ...],
        vmas: tuple[VmaFacts, ...],
        huge: frozenset[int],
        configurations: frozenset[Configuration],
    ) -> State:
        """The one state with this content."""
        content = (pending, vmas, huge, configurations)
        state = self._states.get(content)
        if state is None:
            if len(self._states) >= STATES_MAX:
                # The states lead to each other, so all of them go: the next run begins anew.
                self.initial = self._begin()
            state = self._states[content] = State(self, pending, vmas, huge, configurations)
        return state


@functools.lru_cache(maxsize=8)
def automaton_of(spec: WorldSpec, *, may_fail: bool, swapping: bool = False) -> Automaton:
    """The automaton that all runs in such a world share.

    A memory of pure functions: what it remembers never changes an answer.
    """
    return Automaton(spec, may_fail=may_fail, swapping=swapping)


def _means(phase: Phase, result: Result) -> bool:
    """Is ``result`` what an operation returns in this last phase?"""
    expected = phase[1]
    if expected == ANYTHING:
        return True
    if expected == ANY_ERROR:
        return isinstance(result, str)
    if isinstance(expected, str) and expected.endswith(AND_SO_ON):
        return isinstance(result, str) and result.startswith(expected.removesuffix(AND_SO_ON))
    return expected == result
