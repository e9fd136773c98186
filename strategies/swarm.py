"""Swarm testing: each program is made of a few kinds of operations only, so that any two kinds often meet.

Groce et al., "Swarm testing", ISSTA 2012.  With thirty kinds, a program that draws each of its operations anew hardly
ever has the same kind twice, or a pair and its undoing: register, punch and touch; write, read and read again.

A swarm is only ever drawn.  What is written, for the shrinker, is the program, as one of any kinds: a program fits into
many swarms, and no value may have two spellings.
"""

from __future__ import annotations

from typing import Final

from strategies.grammar import Draw
from strategies.operations import CHANGE, COLLAPSE, OTHERS, Kinds

__all__ = ["swarm"]

NR_OTHERS: Final = (1, 2, 3)  # kinds that are no collapse
WITHOUT_COLLAPSE: Final = 0.3  # most functions of the page cache have mistakes that no collapse is needed for


def swarm(draw: Draw, backing: str) -> Kinds:
    """One to four kinds of operations on such a file, mostly a Collapse among them."""
    looks, changes = OTHERS[backing]
    others = tuple(draw.mostly(looks, changes, CHANGE, looks[0]) for _ in range(draw.option(NR_OTHERS, NR_OTHERS[0])))
    collapse = () if draw.boolean(WITHOUT_COLLAPSE, like=False) else COLLAPSE
    return (*collapse, *dict.fromkeys(others))
