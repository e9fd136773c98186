"""Worlds with fewer, simpler, other or exchanged pages and mappings; operations move along."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from fuzz.shrinking.naming import canonical, threads_of, with_threads
from fuzz.shrinking.program_edits import fewer_operations, swapped_tasks
from pagecache.operations import Collapse, Operation
from pagecache.world import HUGE, LARGE_STATES, OTHER_STATES, Large, VmaSpec, WorldSpec
from strategies.case import Case

__all__ = [
    "already_done",
    "fewer_others",
    "fewer_vmas",
    "other_pages",
    "other_vmas",
    "simpler_large",
    "simpler_pages",
    "simpler_vmas",
    "smaller_files",
    "swapped_pages",
]

CACHED: Final = ("data", "dirty")  # of what a large folio can hold, what is in memory, so that it can be mapped


def _with_world(case: Case, world: WorldSpec, change: Callable[[Operation], Operation]) -> Case:
    threads = [(names, tuple(map(change, operations))) for names, operations in threads_of(case)]
    return with_threads(replace(case, world=world), threads)


# The file


def smaller_files(case: Case) -> Iterator[Case]:
    """A file without its first or its last huge page, one huge page of a lower order, or a lower order."""
    world = case.world
    end = len(world.pages)
    order = world.hpage_order
    nr = 1 << order
    windows = [(order, nr, end), (order, 0, end - nr)] if end > nr else []
    if order > 1:
        windows += [(order - 1, start, start + nr // 2) for start in range(0, end, nr // 2)]
        windows += [(order - 1, 0, end)]
    for lower, start, stop in windows:
        cut = _cut(case, lower, start, stop)
        if cut is not None:
            yield cut


def _cut(case: Case, order: int, start: int, end: int) -> Case | None:
    """The case with only the pages from ``start`` to ``end``; operations elsewhere move inside."""
    world = case.world
    pages = end - start

    def inside(bound: int) -> int:
        return min(max(bound, start), end) - start

    vmas = []
    for vma in world.vmas:
        if inside(vma.start) >= inside(vma.end):
            return None
        mapped = tuple(index - start for index in vma.mapped if start <= index < end)
        vmas.append(replace(vma, start=inside(vma.start), end=inside(vma.end), mapped=mapped))

    def move(operation: Operation) -> Operation:
        changes: dict[str, int] = {}
        for field in dataclasses.fields(operation):
            value = getattr(operation, field.name)
            if field.name in ("index", "start"):
                changes[field.name] = (value - start) % pages
            elif field.name == "size":
                changes[field.name] = inside(value)
            elif field.name == "length":
                changes[field.name] = min(value, pages - changes["start"])
            elif field.name in ("max_ptes_none", "max_ptes_swap"):
                changes[field.name] = min(value, (1 << order) - 1)
        if isinstance(operation, Collapse):
            changes["start"] = changes["start"] >> order << order
        return replace(operation, **changes)

    large = tuple(
        (first - start, min(one, order)) for first, one in world.large if start <= first and first + (1 << one) <= end
    )
    cut = replace(
        world, pages=world.pages[start:end], hpage_order=order, size=inside(world.size), vmas=tuple(vmas), large=large
    )
    return _with_world(case, cut, move)


def simpler_pages(case: Case) -> Iterator[Case]:
    """No store buffers, small new folios, a size that is the whole file's, and each page in each simpler state."""
    world = case.world
    if world.store_buffers:
        yield with_threads(replace(case, world=replace(world, store_buffers=False)), threads_of(case))
    for huge in HUGE[bool(world.others) : HUGE.index(world.huge)]:
        yield replace(case, world=replace(world, huge=huge))
    if world.size < len(world.pages):
        yield replace(case, world=replace(world, size=len(world.pages)))
    for index, state in enumerate(world.pages):
        yield from _with_page(case, index, world.states[: world.states.index(state)])


def fewer_others(case: Case) -> Iterator[Case]:
    """Without each of the other files, if no operation is about one that is not there then; or without its pin."""
    others = case.world.others
    for gone in range(len(others)):

        def renumber(operation: Operation, gone: int = gone) -> Operation:
            number = getattr(operation, "file", 0)
            return replace(operation, file=number - 1) if number > gone + 1 else operation  # type: ignore[call-arg]

        fewer = _with_world(case, replace(case.world, others=others[:gone] + others[gone + 1 :]), renumber)
        operations = [operation for task in fewer.program.tasks for operation in task.operations]
        if not any(operation.problem(fewer.world) for operation in operations):
            yield fewer
    for number, state in enumerate(others):
        for simpler in OTHER_STATES[: OTHER_STATES.index(state)]:
            changed = (*others[:number], simpler, *others[number + 1 :])
            yield replace(case, world=replace(case.world, others=changed))


def other_pages(case: Case) -> Iterator[Case]:
    """Each page in each other state."""
    for index in range(len(case.world.pages)):
        yield from _with_page(case, index, case.world.states)


def _with_page(case: Case, index: int, states: tuple[str, ...]) -> Iterator[Case]:
    """The page at ``index`` in each of ``states``; it is mapped nowhere if that is not data."""
    world = case.world
    for state in states:
        if state in ("data", "swapped", "zeroes", "dirty", "shadow") and index >= world.size:
            continue
        inside = range(index, index + 1)
        large = world.large if state == world.pages[index] else _outside(world.large, inside)
        yield _with_pages(case, inside, state, large)


def _punched(case: Case) -> Iterator[Case]:
    """Each range of two pages or more as holes."""
    count = len(case.world.pages)
    for start, end in itertools.combinations(range(count + 1), 2):
        if end - start > 1:
            inside = range(start, end)
            yield _with_pages(case, inside, "hole", _outside(case.world.large, inside))


def _truncated(case: Case) -> Iterator[Case]:
    """The file ending before each of its pages, and holes behind its end."""
    world = case.world
    for size in range(world.size):
        behind = range(size, len(world.pages))
        shorter = _with_pages(case, behind, "hole", _outside(world.large, behind))
        yield replace(shorter, world=replace(shorter.world, size=size))


def _in_one(case: Case) -> Iterator[Case]:
    """The pages of each huge page in one large folio, mapped by a PMD or not; or swapped out or evicted as one."""
    world = case.world
    nr = 1 << world.hpage_order
    for first in range(0, world.size - nr + 1, nr):
        inside = range(first, first + nr)
        large = tuple(sorted([*_outside(world.large, inside), (first, world.hpage_order)]))
        for state in LARGE_STATES:
            if state in world.states:
                huge = _with_pages(case, inside, state, large)
                yield huge
                if state in CACHED and (mapped := _mapped_by_pmds(huge.world, inside)) != huge.world:
                    yield replace(huge, world=mapped)


def _mapped_by_pmds(world: WorldSpec, inside: range) -> WorldSpec:
    """``world`` with the pages ``inside`` mapped as a whole, as a collapse leaves them, wherever they can be."""
    return replace(
        world,
        vmas=tuple(
            replace(vma, mapped=tuple(sorted({*vma.mapped, *inside})))
            if vma.huge and vma.start <= inside.start and inside.stop <= vma.end
            else vma
            for vma in world.vmas
        ),
    )


def _with_pages(case: Case, inside: range, state: str, large: tuple[Large, ...]) -> Case:
    """The pages ``inside`` in ``state``, mapped nowhere if that is not data; and what is in large folios then."""
    world = case.world
    vmas = world.vmas
    if state not in ("data", "zeroes", "dirty"):
        vmas = tuple(replace(vma, mapped=tuple(one for one in vma.mapped if one not in inside)) for vma in vmas)
    pages = (*world.pages[: inside.start], *(state,) * len(inside), *world.pages[inside.stop :])
    return replace(case, world=replace(world, pages=pages, vmas=vmas, large=large))


def _outside(large: tuple[Large, ...], inside: range) -> tuple[Large, ...]:
    """Those that have no page ``inside``."""
    return tuple(one for one in large if one[0] + (1 << one[1]) <= inside.start or inside.stop <= one[0])


def simpler_large(case: Case) -> Iterator[Case]:
    """Each large folio as pages, or one half of it as pages."""
    large = case.world.large
    for number, (first, order) in enumerate(large):
        others: list[tuple[Large, ...]] = [()]
        if order > 1:
            others += [((first, order - 1),), ((first + (1 << order - 1), order - 1),)]
        for other in others:
            yield replace(case, world=replace(case.world, large=(*large[:number], *other, *large[number + 1 :])))


def swapped_pages(case: Case) -> Iterator[Case]:
    """Two neighbouring pages exchanged, with everything that is said about them."""
    world = case.world
    bounds = {bound for vma in world.vmas for bound in (vma.start, vma.end)} | {world.size}
    inside = {index for first, order in world.large for index in range(first, first + (1 << order))}
    bounds |= inside | {index + 1 for index in inside}
    for second in sorted(set(range(1, len(world.pages))) - bounds):  # no bound between them: they are alike
        place = {second - 1: second, second: second - 1}
        pages = tuple(world.pages[place.get(index, index)] for index in range(len(world.pages)))
        vmas = tuple(
            replace(vma, mapped=tuple(sorted(place.get(index, index) for index in vma.mapped))) for vma in world.vmas
        )

        def move(operation: Operation, place: dict[int, int] = place) -> Operation:
            if isinstance(operation, Collapse) or getattr(operation, "length", 1) > 1:
                return operation
            fields = [field.name for field in dataclasses.fields(operation) if field.name in ("index", "start")]
            indices = {name: getattr(operation, name) for name in fields}
            return replace(operation, **{name: place.get(index, index) for name, index in indices.items()})

        yield _with_world(case, replace(world, pages=pages, vmas=vmas), move)


# Its mappings


def fewer_vmas(case: Case) -> Iterator[Case]:
    """Without each VMA; who used it uses the first one now."""
    vmas = case.world.vmas
    for gone in range(len(vmas) if len(vmas) > 1 else 0):

        def renumber(operation: Operation, gone: int = gone) -> Operation:
            number = getattr(operation, "vma", None)
            if number is None:
                return operation
            return replace(operation, vma=0 if number == gone else number - (number > gone))  # type: ignore[call-arg]

        yield canonical(_with_world(case, replace(case.world, vmas=vmas[:gone] + vmas[gone + 1 :]), renumber))


def simpler_vmas(case: Case) -> Iterator[Case]:
    """Each VMA of the first process, of the whole file, in no special mode, with nothing or less mapped."""

    def simpler(vma: VmaSpec) -> Iterator[VmaSpec]:
        yield replace(vma, mm="A")
        yield replace(vma, start=0, end=len(case.world.pages))
        yield replace(vma, missing=False)
        yield replace(vma, minor=False)
        yield replace(vma, wp=False)
        yield replace(vma, huge=False)
        yield replace(vma, writable=False)
        yield replace(vma, around=False)
        yield replace(vma, private=False)
        yield replace(vma, mapped=())
        for gone in vma.mapped:
            yield replace(vma, mapped=tuple(index for index in vma.mapped if index != gone))

    return _with_vma(case, simpler)


def other_vmas(case: Case) -> Iterator[Case]:
    """Each VMA registered or not, or writable or not, with each page mapped or not."""

    def other(vma: VmaSpec) -> Iterator[VmaSpec]:
        if case.world.backing == "shmem":
            yield replace(vma, missing=not vma.missing, minor=False, wp=False)
            # These two have no fault-around.
            yield replace(vma, missing=False, minor=not vma.minor, wp=False, around=False)
            yield replace(vma, missing=False, minor=False, wp=not vma.wp, around=False)
        else:
            yield replace(vma, writable=not vma.writable)
        for index in range(vma.start, vma.end):
            if case.world.pages[index] in ("data", "dirty"):
                yield replace(vma, mapped=tuple(sorted({index} ^ set(vma.mapped))))

    return _with_vma(case, other)


def _with_vma(case: Case, others: Callable[[VmaSpec], Iterator[VmaSpec]]) -> Iterator[Case]:
    vmas = case.world.vmas
    for number, vma in enumerate(vmas):
        for other in others(vma):
            world = replace(case.world, vmas=(*vmas[:number], other, *vmas[number + 1 :]))
            yield canonical(replace(case, world=world))


# Both


def already_done(case: Case) -> Iterator[Case]:
    """An operation less, and one thing in the world as it may have left it.

    That is a page or a range punched, the file truncated, a huge page made or swapped out, a VMA registered.  Or
    another task begins: whoever ran first did so for that operation's sake.
    """
    less = list(fewer_operations(case))
    for without in itertools.chain(less, *map(swapped_tasks, less)):
        yield from other_pages(without)
        yield from _punched(without)
        yield from _truncated(without)
        yield from _in_one(without)
        yield from other_vmas(without)
