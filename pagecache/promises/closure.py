"""Let the pending operations go on, in every possible way (see :mod:`pagecache.promises.explanation`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from pagecache.promises.file_spec import FIRST, HOLE, Behaviour, Cell, Moment, Phase

__all__ = ["Cells", "Configuration", "closure", "replaced"]

T = TypeVar("T")

Cells = tuple[frozenset[Cell], ...]
"""By page, what it may be; stands for the product."""

Phases = tuple[Phase | None, ...]
"""By task, how far its pending operation has come; ``None`` without one."""

NOWHERE: Final = frozenset({Cell(HOLE)})
"""What an action sees that looks behind the last page of the world."""


class Configuration(NamedTuple):
    """Where some explanations of a history have led to: one for each choice of a cell per page.

    Args:
        size: ``i_size`` in pages.
        phases: by task, how far its pending operation has come.
        cells: by page, what it may be.
    """

    size: int
    phases: Phases
    cells: Cells


def replaced(values: tuple[T, ...], position: int, value: T) -> tuple[T, ...]:
    """``values`` with one of them replaced."""
    return (*values[:position], value, *values[position + 1 :])


class _Going(NamedTuple):
    """A pending operation that is not done yet."""

    number: int
    behaviour: Behaviour
    phase: Phase
    moment: Moment


class _Pending:
    """The operations that are under way, and what they see; it is asked the same again and again.

    Args:
        behaviours: by task.
        moments: by task, what it sees besides pages; the size, and whether pages are being removed, is filled in here.
    """

    def __init__(self, behaviours: Sequence[Behaviour | None], moments: Sequence[Moment]) -> None:
        self._behaviours = behaviours
        self._moments = moments
        self._seen: dict[tuple[int, int, bool], Moment] = {}
        self._going: dict[tuple[int, Phases], list[_Going]] = {}

    def going(self, size: int, phases: Phases) -> list[_Going]:
        """Those that are not done yet."""
        going = self._going.get((size, phases))
        if going is None:
            those = [
                (number, behaviour, phase)
                for number, (behaviour, phase) in enumerate(zip(self._behaviours, phases, strict=True))
                if behaviour is not None and phase is not None and phase[0] != "done"
            ]
            removing = any(behaviour.removes for _, behaviour, _ in those)
            going = [_Going(*each, self._moment(each[0], size, removing)) for each in those]
            self._going[size, phases] = going
        return going

    def _moment(self, number: int, size: int, removing: bool) -> Moment:
        moment = self._seen.get((number, size, removing))
        if moment is None:
            moment = self._seen[number, size, removing] = self._moments[number]._replace(size=size, removing=removing)
        return moment


def closure(
    configurations: Iterable[Configuration],
    behaviours: Sequence[Behaviour | None],
    moments: Sequence[Moment],
) -> list[Configuration]:
    """All configurations that can be reached, those apart that are contained in another.

    Args:
        configurations: where to start.
        behaviours: by task, the operation that is under way.
        moments: by task, what it sees besides pages; the size, and whether pages are being removed, is filled in here.
    """
    pending = _Pending(behaviours, moments)
    reached: defaultdict[tuple[int, Phases], list[Cells]] = defaultdict(list)
    work: list[Configuration] = []

    def reach(size: int, phases: Phases, cells: Cells) -> None:
        cells = _drifted(pending.going(size, phases), cells)
        known = reached[size, phases]
        if any(_contains(other, cells) for other in known):
            return
        known[:] = [other for other in known if not _contains(cells, other)]
        known.append(cells)
        work.append(Configuration(size, phases, cells))

    for configuration in configurations:
        reach(*configuration)
    while work:
        configuration = work.pop()
        for following in _successors(configuration, pending.going(configuration.size, configuration.phases)):
            reach(*following)
    return [Configuration(size, phases, cells) for (size, phases), known in reached.items() for cells in known]


def _contains(bigger: Cells, smaller: Cells) -> bool:
    return all(some <= more for some, more in zip(smaller, bigger, strict=True))


def _drifted(going: Sequence[_Going], cells: Cells) -> Cells:
    """The cells after every drift() any number of times."""
    drifting: defaultdict[int, list[_Going]] = defaultdict(list)
    for each in going:
        for index in each.behaviour.span(each.phase):
            drifting[index].append(each)
    if not drifting:
        return cells
    drifted = list(cells)
    for index, those in drifting.items():
        if index >= len(cells):
            continue
        found = set(cells[index])
        new = list(found)
        while new:
            cell = new.pop()
            for each in those:
                for other in each.behaviour.drift(each.phase, each.moment, index, cell):
                    if other not in found:
                        found.add(other)
                        new.append(other)
        drifted[index] = frozenset(found)
    return tuple(drifted)


def _successors(configuration: Configuration, going: Sequence[_Going]) -> Iterator[Configuration]:
    """What one action of one operation makes of a configuration."""
    size, phases, cells = configuration
    # i_rwsem: an exclusive operation holds it from its first action to its last.
    owned = any(each.behaviour.exclusive and each.phase != FIRST for each in going)
    for each in going:
        number, behaviour, phase, moment = each
        if owned and behaviour.exclusive and phase == FIRST:
            continue
        index = behaviour.index(phase)
        inside = index < len(cells)
        outcomes: defaultdict[tuple[Phase, int], set[Cell]] = defaultdict(set)
        for cell in cells[index] if inside else NOWHERE:
            for next_phase, next_size, next_cell in behaviour.act(phase, moment, cell):
                outcomes[next_phase, next_size].add(next_cell)
        for (next_phase, next_size), some in outcomes.items():
            next_cells = replaced(cells, index, frozenset(some)) if inside else cells
            yield Configuration(next_size, replaced(phases, number, next_phase), next_cells)
        settled = _settled(behaviour, phase, cells)
        if settled is not None:
            next_phase, next_cells = settled
            yield Configuration(size, replaced(phases, number, next_phase), next_cells)


def _settled(behaviour: Behaviour, phase: Phase, cells: Cells) -> tuple[Phase, Cells] | None:
    """The next phase and the pages, if all pages of the operation's span can be settled."""
    next_phase = behaviour.settles(phase)
    if next_phase is None:
        return None
    settled = list(cells)
    for index in behaviour.span(phase):
        if index >= len(cells):
            continue
        left = (behaviour.settle(phase, index, cell) for cell in cells[index])
        settled[index] = frozenset(cell for cell in left if cell is not None)
        if not settled[index]:
            return None
    return next_phase, tuple(settled)
