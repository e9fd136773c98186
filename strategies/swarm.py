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
    Khugepaged,
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

NR_OTHERS: Final = (1, 1, 2, 3)  # kinds that are no collapse; one more without it, since few kinds fail alone
WITHOUT_COLLAPSE: Final = 0.2  # most functions of the page cache have mistakes that no collapse is needed for
LOOK: Final = 0.5  # most of what the thread argued about is what somebody sees meanwhile
OF_THEIR_OWN: Final = frozenset(
    {Khugepaged, MemoryFailure, Migrate, PinWrite, Poke, Split, Stat, Swapoff}
    | {UffdContinue, UffdUnregister, UffdWriteProtect, UffdZeropage}
)
"""Kinds whose mistakes are mostly their own: half as likely as the others that change something."""


def swarm(draw: Draw, backing: str) -> Kinds:
    """One to four kinds of operations on such a file, mostly a Collapse among them."""
    collapse = () if draw.boolean(WITHOUT_COLLAPSE, like=False) else COLLAPSE
    nr_others = draw.option(NR_OTHERS, NR_OTHERS[0]) + (not collapse)
    return (*collapse, *dict.fromkeys(_other(draw, backing) for _ in range(nr_others)))


def _other(draw: Draw, backing: str) -> type[Operation]:
    """What is no Collapse."""
    looks, changes = map(tuple, OTHERS[backing])
    if draw.boolean(LOOK, like=False):
        return draw.option(looks, looks[0])
    weighted = changes + tuple(made for made in changes if made not in OF_THEIR_OWN)
    return draw.option(weighted, weighted[0])
