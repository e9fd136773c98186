"""Swarm testing: each program is made of a few kinds of operations only, so that any two kinds often meet.

Groce et al., "Swarm testing", ISSTA 2012.  With thirty kinds, a program that draws each of its operations anew hardly
ever has the same kind twice, or a pair and its undoing: register, punch and touch; write, read and read again.

Most swarms have a theme, of which all of their kinds are: those that use the same mechanism, like the ioctls of
userfaultfd and the faults that wait for them.  Two kinds of thirty meet by chance in one program of some hundreds, and
each mechanism that the model learns would make the others rarer.  The other swarms are of any kinds: somebody looks,
something changes.

A swarm is only ever drawn.  What is written, for the shrinker, is the program, as one of any kinds: a program fits into
many swarms, and no value may have two spellings.
"""

from __future__ import annotations

from typing import Final

from pagecache.operations import (
    CloseFile,
    CloseWrite,
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
from pagecache.world import WorldSpec
from strategies.grammar import Draw
from strategies.operations import COLLAPSE, Kinds, others

__all__ = ["swarm", "with_another"]

NR_OTHERS: Final = (1, 1, 2, 3)  # kinds that are no collapse; one more without it, since few kinds fail alone
WITHOUT_COLLAPSE: Final = 0.2  # most functions of the page cache have mistakes that no collapse is needed for
THEME: Final = 0.6
ANOTHER: Final = 0.4  # what two kinds of operations do, a third one has to show now and then
LOOK: Final = 0.5  # most of what the thread argued about is what somebody sees meanwhile

Kind = type[Operation]

MISSING_PAGES: Final[tuple[Kind, ...]] = (
    SeekHole,
    Touch,
    Load,
    Store,
    PunchHole,
    UffdRegister,
    UffdUnregister,
    UffdCopy,
    UffdZeropage,
)
OTHER_EVENTS: Final[tuple[Kind, ...]] = (
    Load,
    Poke,
    DontNeed,
    PageOut,
    UffdRegister,
    UffdContinue,
    UffdWriteProtect,
)
FILE: Final[tuple[Kind, ...]] = (Read, Write, SeekHole, SeekData, Stat, Truncate, PunchHole, Fallocate, Load)
MAPPINGS: Final[tuple[Kind, ...]] = (
    Load,
    Store,
    Mincore,
    Munmap,
    Mremap,
    DontNeed,
    PinWrite,
    Truncate,
    PunchHole,
    PageOut,
    Migrate,
)
RECLAIM: Final[tuple[Kind, ...]] = (
    Load,
    Write,
    Fallocate,
    PageOut,
    Swapoff,
    Migrate,
    Split,
    MemoryFailure,
    Khugepaged,
    Truncate,
)
SUPERBLOCK: Final[tuple[Kind, ...]] = (Load, Write, Fallocate, Truncate, PageOut, Split, Shrink, CloseFile)
WRITERS: Final[tuple[Kind, ...]] = (Read, Write, Load, Store, OpenWrite, CloseWrite, Writeback, Truncate, PageOut)

THEMES: Final[dict[str, tuple[tuple[Kind, ...], ...]]] = {
    "shmem": (MISSING_PAGES, FILE, MAPPINGS, RECLAIM),
    "file": (WRITERS, MAPPINGS, RECLAIM),
}
"""By backing; the kinds that are not modelled there are left out."""


def swarm(draw: Draw, world: WorldSpec) -> Kinds:
    """One to four kinds of operations for ``world``, a Collapse mostly among them."""
    collapse = () if draw.boolean(WITHOUT_COLLAPSE, like=False) else COLLAPSE
    nr_others = draw.option(NR_OTHERS, NR_OTHERS[0]) + (not collapse)
    theme = _theme(draw, world) if draw.boolean(THEME, like=False) else ()
    kinds = (draw.option(theme, theme[0]) if theme else _any(draw, world) for _ in range(nr_others))
    return (*collapse, *dict.fromkeys(kinds))


def with_another(draw: Draw, world: WorldSpec, kinds: Kinds) -> Kinds:
    """``kinds``, and now and then one more, of any sort."""
    another = _any(draw, world) if draw.boolean(ANOTHER, like=False) else None
    return (*kinds, another) if another else kinds


def _theme(draw: Draw, world: WorldSpec) -> tuple[Kind, ...]:
    """Kinds that use the same mechanism; those of a registration where there is one."""
    if any(vma.minor or vma.wp for vma in world.vmas):
        return OTHER_EVENTS
    if world.others:
        return SUPERBLOCK
    themes = THEMES[world.backing]
    if any(vma.missing for vma in world.vmas):
        themes = (MISSING_PAGES, *themes)
    return tuple(made for made in draw.option(themes, themes[0]) if made.fits(world))


def _any(draw: Draw, world: WorldSpec) -> Kind:
    """What is no Collapse."""
    looks, changes = others(world)
    kinds = looks if draw.boolean(LOOK, like=False) else changes
    return draw.option(kinds, kinds[0])
