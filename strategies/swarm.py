"""Swarm testing: each program is made of a few kinds of operations only, so that any two kinds often meet.

Groce et al., "Swarm testing", ISSTA 2012.  With thirty kinds, a program that draws each of its operations anew hardly
ever has the same kind twice, or a pair and its undoing: register, punch and touch; write, read and read again.

Nor are all kinds equally likely: somebody looks, something changes; and what only its own mechanism minds, like
swapoff(2), comes seldom, lest each mechanism that the model learns make the others rarer.

A swarm is only ever drawn.  What is written, for the shrinker, is the program, as one of any kinds: a program fits into
many swarms, and no value may have two spellings.
"""

from __future__ import annotations

from typing import Final

from pagecache.operations import (
    MemoryFailure,
    Migrate,
    Operation,
    PinWrite,
    Poke,
    Split,
    Stat,
    Swapoff,
    UffdContinue,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
)
from strategies.grammar import Draw
from strategies.operations import COLLAPSE, OTHERS, Kinds

__all__ = ["swarm"]

NR_OTHERS: Final = (1, 1, 2, 3)  # kinds that are no collapse
WITHOUT_COLLAPSE: Final = 0.25  # most functions of the page cache have mistakes that no collapse is needed for
LOOK: Final = 0.45  # most of what the thread argued about is what somebody sees meanwhile
SELDOM: Final = 0.35  # of what changes something
OF_THEIR_OWN: Final = frozenset(
    {MemoryFailure, Migrate, PinWrite, Poke, Split, Stat, Swapoff}
    | {UffdContinue, UffdUnregister, UffdWriteProtect, UffdZeropage}
)
"""Kinds whose mistakes are mostly their own."""


def swarm(draw: Draw, backing: str) -> Kinds:
    """One to four kinds of operations on such a file, mostly a Collapse among them."""
    others = tuple(_other(draw, backing) for _ in range(draw.option(NR_OTHERS, NR_OTHERS[0])))
    collapse = () if draw.boolean(WITHOUT_COLLAPSE, like=False) else COLLAPSE
    return (*collapse, *dict.fromkeys(others))


def _other(draw: Draw, backing: str) -> type[Operation]:
    """What is no Collapse."""
    looks, changes = OTHERS[backing]
    if draw.boolean(LOOK, like=False):
        return draw.option(looks, looks[0])
    usual = tuple(made for made in changes if made not in OF_THEIR_OWN)
    seldom = tuple(made for made in changes if made in OF_THEIR_OWN)
    return draw.mostly(usual, seldom, SELDOM, usual[0])
