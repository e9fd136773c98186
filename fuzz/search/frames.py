"""Where a suspended kernel function stands: its frames, their locals, and what is on their value stacks.

A frame's locals are not all of it.  The iterator of a loop, a temporary of a half-evaluated expression, the exception
that an ``except`` clause is handling live on the interpreter's value stack, which no attribute shows.  Two
points that differ only there have different futures, so a fingerprint of the locals alone would merge
them.  The garbage collector does see them: :func:`gc.get_referents` of a coroutine lists, after its function and code,
its locals and then its value stack.  (``gen_traverse()`` and ``_PyFrame_Traverse()`` in CPython.)

Of the locals, those that are written before they are read again do not count (:mod:`fuzz.search.liveness`).

The model avoids the question by the law on awaits (see :mod:`pagecache.step`); a kernel of one's own need not know it.
"""

from __future__ import annotations

import gc
from collections.abc import Coroutine, Iterator, Sequence
from functools import cache
from types import CodeType, CoroutineType, FrameType, FunctionType, GeneratorType
from typing import Any, NamedTuple

from fuzz.search.liveness import live_variables
from fuzz.search.shape import UNBOUND
from pagecache.step import Step

__all__ = ["FingerprintError", "Standing", "standing"]


class FingerprintError(Exception):
    """A point cannot be compared with others, because something in it has no description; never guessed."""


class Standing(NamedTuple):
    """One frame.

    Args:
        routine: what it is the frame of.
        awaits: what that is waiting for.
        code: its function's code.
        instruction: the offset of the await at which it is suspended.
        values: its variables that could still be read, in the order of their slots, UNBOUND if they have no value; then
            what is on its value stack.
    """

    routine: CoroutineType[Any, Any, Any]
    awaits: object
    code: CodeType
    instruction: int
    values: list[object]

    def named(self) -> Iterator[tuple[str, object]]:
        """Each value with its name, for messages."""
        names = [f"the variable {name!r}" for name, _, is_read in _variables(self.code, self.instruction) if is_read]
        names += ["a temporary value or loop iterator"] * (len(self.values) - len(names))
        return zip(names, self.values, strict=True)

    def is_that_of(self, routine: CoroutineType[Any, Any, Any], awaits: object) -> bool:
        """Is ``routine`` still in the same await, so that nothing of its frame has changed?

        Unless it shares variables with functions inside of it, which may run.
        """
        return (
            self.routine is routine and self.awaits is awaits and not (self.code.co_cellvars or self.code.co_freevars)
        )


@cache
def _variables(code: CodeType, instruction: int) -> tuple[tuple[str, bool, bool], ...]:
    """The variables of a function in the order of their slots.

    For each, whether the slot holds a cell, and whether it could still be read if the function is suspended at
    ``instruction``.
    """
    cells = {*code.co_cellvars, *code.co_freevars}
    names = dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    live = live_variables(code)[instruction]
    return tuple((name, name in cells, name in cells or name in live) for name in names)


def standing(routine: Coroutine[Step, Any, Any], known: Sequence[Standing] = ()) -> list[Standing]:
    """The frames of a suspended kernel function, outermost first, down to the step.

    Args:
        routine: the function.
        known: where it stood before; what has not moved is taken from there.

    Raises:
        FingerprintError: if something other than coroutines and a Step is being awaited.
    """
    found: list[Standing] = []
    awaited: object = routine
    while type(awaited) is CoroutineType:
        awaits = awaited.cr_await
        before = known[len(found)] if len(found) < len(known) else None
        if before is not None and before.is_that_of(awaited, awaits):
            found.append(before)
        else:
            frame, code = awaited.cr_frame, awaited.cr_code
            if frame is None:
                raise FingerprintError(
                    f"a kernel function awaits {awaited!r}, which has ended; await each coroutine once"
                )
            found.append(Standing(awaited, awaits, code, frame.f_lasti, _values(awaited, frame)))
        awaited = awaits
    if type(awaited) is not GeneratorType or awaited.gi_code is not Step.__await__.__code__:
        raise FingerprintError(
            f"a kernel function awaits {awaited!r}, whose state is hidden; await step(...) or an 'async def' function"
        )
    return found


def _values(routine: CoroutineType[Any, Any, Any], frame: FrameType) -> list[object]:
    code, bound = frame.f_code, frame.f_locals
    referents = gc.get_referents(routine)
    slot = _first_slot(referents, code)
    values = []
    for name, is_cell, is_read in _variables(code, frame.f_lasti):
        value = bound.get(name, UNBOUND)
        if is_read:
            values.append(value)
        if is_cell:
            slot += 1
        elif value is not UNBOUND:
            if slot >= len(referents) or referents[slot] is not value:
                raise FingerprintError(
                    f"this Python keeps the variable {name!r} of {code.co_qualname}() elsewhere than expected; the "
                    "exhaustive search needs a CPython whose gc.get_referents() lists locals, then the value stack"
                )
            slot += 1
    values.extend(value for value in referents[slot:] if value is not routine.cr_await)
    return values


def _first_slot(referents: list[object], code: CodeType) -> int:
    """The position of the first variable, which comes after the function and its code."""
    for position in range(1, len(referents)):
        if referents[position] is code and type(referents[position - 1]) is FunctionType:
            return position + 1
    return len(referents)
