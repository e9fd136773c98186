"""Operations that make sense in a given world, mostly around the range that is being collapsed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from pagecache.operations import (
    OPERATIONS,
    UFFD_MODES,
    CloseFile,
    CloseWrite,
    Collapse,
    DontNeed,
    Fallocate,
    Khugepaged,
    Load,
    MemoryFailure,
    Migrate,
    Mincore,
    Mremap,
    Munmap,
    OpenWrite,
    Operation,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Shrink,
    Split,
    Stat,
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
from pagecache.world import BACKINGS, WorldSpec
from strategies.grammar import Draw

__all__ = ["PARAMETERS", "SELDOM", "Kinds", "operation", "others"]

Parameter = Callable[[Draw, WorldSpec, list[Any], Any], Any]
"""Draws one field: gets the world, the fields before it, and what it shall be like."""

FIELDS: Final = 2
"""Operations with fewer take choices without a meaning, so that none is shorter, hence simpler, than a Collapse."""
OUTSIDE: Final = 0.05  # a mapping that does not cover the index: EINVAL or SIGSEGV, worth a try now and then
FILLED: Final = 0.1  # EEXIST, unless somebody takes the page away; a hole may be filled by the time, too
KEEP_SIZE: Final = 0.3
UNLOCKED: Final = 0.5
OTHER_MODE: Final = 0.4
LIFT: Final = 0.2
DONTUNMAP: Final = 0.3


def _index(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.integer(0, len(world.pages) - 1, like)


def _hole(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    """Where there is something to fill, mostly."""
    indices = range(len(world.pages))
    holes = tuple(index for index in indices if world.pages[index] == "hole")
    rest = tuple(index for index in indices if index not in holes)
    return draw.mostly(holes, rest, FILLED, like)


def _huge_index(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.option(range(0, len(world.pages), 1 << world.hpage_order), like)


def _length(draw: Draw, world: WorldSpec, before: list[Any], like: int) -> int:
    return draw.integer(1, len(world.pages) - before[0], like)


def _size(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.integer(0, len(world.pages), like)


def _order(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.integer(0, world.hpage_order - 1, like)


def _max_ptes(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.integer(0, (1 << world.hpage_order) - 1, like)


def _keep_size(draw: Draw, _: WorldSpec, __: list[Any], like: bool) -> bool:
    return draw.boolean(KEEP_SIZE, like)


def _unlocked(draw: Draw, _: WorldSpec, __: list[Any], like: bool) -> bool:
    return draw.boolean(UNLOCKED, like)


def _mode(draw: Draw, _: WorldSpec, __: list[Any], like: str) -> str:
    return draw.mostly(UFFD_MODES[:1], UFFD_MODES[1:], OTHER_MODE, like)


def _file(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.option(range(1, len(world.others) + 1), like)


def _lift(draw: Draw, _: WorldSpec, __: list[Any], like: bool) -> bool:
    return draw.boolean(LIFT, like)


def _vma_to_move(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.option(tuple(dict.fromkeys(vma for vma, _ in Mremap.pairs(world))), like)


def _new_vma(draw: Draw, world: WorldSpec, before: list[Any], like: int) -> int:
    return draw.option(tuple(new for vma, new in Mremap.pairs(world) if vma == before[0]), like)


def _dontunmap(draw: Draw, _: WorldSpec, __: list[Any], like: bool) -> bool:
    return draw.boolean(DONTUNMAP, like)


def _any_vma(draw: Draw, world: WorldSpec, _: list[Any], like: int) -> int:
    return draw.option(range(len(world.vmas)), like)


def _vma_of_index(draw: Draw, world: WorldSpec, before: list[Any], like: int) -> int:
    return draw.mostly(*_covering(world, before[0], before[0] + 1), OUTSIDE, like)


def _vma_of_huge_page(draw: Draw, world: WorldSpec, before: list[Any], like: int) -> int:
    return draw.mostly(*_covering(world, before[0], before[0] + (1 << world.hpage_order)), OUTSIDE, like)


def _covering(world: WorldSpec, start: int, end: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The numbers of the VMAs that cover these indices, and of those that do not."""
    covers = [vma.start <= start and end <= vma.end for vma in world.vmas]
    return tuple(n for n, yes in enumerate(covers) if yes), tuple(n for n, yes in enumerate(covers) if not yes)


PARAMETERS: Final[dict[type[Operation], tuple[Parameter, ...]]] = {
    Collapse: (_huge_index, _vma_of_huge_page),
    Load: (_index, _vma_of_index),
    Store: (_index, _vma_of_index),
    Touch: (_index, _vma_of_index),
    Read: (_index,),
    Write: (_index,),
    SeekData: (_index,),
    SeekHole: (_index,),
    Mincore: (_index, _vma_of_index),
    Stat: (),
    Truncate: (_size,),
    PunchHole: (_index, _length),
    Fallocate: (_index, _length, _keep_size),
    UffdRegister: (_any_vma, _mode),
    UffdUnregister: (_any_vma,),
    UffdCopy: (_hole, _vma_of_index),
    UffdZeropage: (_hole, _vma_of_index),
    Munmap: (_any_vma,),
    PageOut: (_index,),
    MemoryFailure: (_index,),
    PinWrite: (_index, _vma_of_index, _unlocked),
    Migrate: (_index,),
    Split: (_index, _order),
    OpenWrite: (),
    CloseWrite: (),
    Writeback: (_index,),
    Poke: (_index, _vma_of_index),
    UffdWriteProtect: (_index, _vma_of_index, _lift),
    UffdContinue: (_index, _vma_of_index),
    Swapoff: (),
    Khugepaged: (_huge_index, _vma_of_huge_page, _max_ptes, _max_ptes),
    Shrink: (),
    CloseFile: (_file,),
    DontNeed: (_index, _length, _vma_of_index),
    Mremap: (_vma_to_move, _new_vma, _dontunmap),
}
"""How each operation's fields are drawn, in their order."""

Kinds = Sequence[type[Operation] | Operation]
"""Operations to choose from; an instance is one with all its arguments."""

COLLAPSE: Final[tuple[type[Operation], ...]] = (Collapse,)
LOOKS: Final[tuple[type[Operation], ...]] = (SeekHole, SeekData, Mincore, Touch)
SELDOM: Final[tuple[type[Operation], ...]] = (*(made for made in OPERATIONS if made.files > 1), Mremap)
"""What fits few worlds: it is about other files, or takes two mappings that are alike."""
CHANGES: Final = tuple(made for made in OPERATIONS if made not in (*COLLAPSE, *LOOKS, *SELDOM))
OTHERS: Final[dict[str, tuple[Sequence[type[Operation]], Sequence[type[Operation]]]]] = {
    backing: (
        tuple(made for made in LOOKS if backing in made.backings),
        tuple(made for made in CHANGES if backing in made.backings),
    )
    for backing in BACKINGS
}
"""By backing, what is no Collapse: what looks, and what changes something, in any world."""
CHANGE: Final = 0.6  # the others look: most of what the thread argued about is what somebody sees meanwhile
_NAMES: Final = {made: tuple(field.name for field in dataclasses.fields(made)) for made in OPERATIONS}


def operation(draw: Draw, world: WorldSpec, other: float, like: Operation, kinds: Kinds = ()) -> Operation:
    """An operation without a problem in ``world``: a Collapse, with probability ``other`` another one.

    With ``kinds``, one of those: a Collapse only if it is among them, the others equally likely; an instance as it is.
    """
    kinds = tuple(made for made in kinds if made.fits(world))
    if kinds:
        chosen = _of(draw, kinds, other)
        if isinstance(chosen, Operation):
            return chosen
        made = chosen
    elif draw.boolean(other, type(like) not in COLLAPSE):
        looks, changes = others(world)
        made = draw.mostly(looks, changes, CHANGE, type(like))
    else:
        made = draw.option(COLLAPSE, type(like))
    given = type(like) is made
    values: list[Any] = []
    for name, parameter in zip(_NAMES[made], PARAMETERS[made], strict=True):
        values.append(parameter(draw, world, values, getattr(like, name) if given else 0))
    for _ in range(len(values), FIELDS):
        draw.integer(0, 0, 0)
    return made(*values)


def others(world: WorldSpec) -> tuple[Sequence[type[Operation]], Sequence[type[Operation]]]:
    """What is no Collapse and fits ``world``: what looks, and what changes something."""
    looks, changes = OTHERS[world.backing]
    return looks, (*changes, *(made for made in SELDOM if made.fits(world)))


def _of(draw: Draw, kinds: Kinds, other: float) -> type[Operation] | Operation:
    collapses = tuple(made for made in kinds if made in COLLAPSE or type(made) in COLLAPSE)
    others = tuple(made for made in kinds if made not in collapses)
    if others and (not collapses or draw.boolean(other, like=False)):
        return draw.option(others, others[0])
    return collapses[0] if len(collapses) == 1 else draw.option(collapses, collapses[0])
