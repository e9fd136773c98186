"""Which variables a suspended function may still read.

A variable that will be written before it is read again cannot influence the future, and two points that differ only in
such variables are the same point.  On programs of two or three operations this halves the states of the
exhaustive search, and more.

The textbook's backward analysis, over the bytecode; wherever this Python's instructions leave a doubt, a variable
counts as live, which costs states and nothing else: only a plain ``STORE_FAST`` ends a life, anything else that names
a variable needs it, and whatever could fall through does.
"""

from __future__ import annotations

import dis
from collections.abc import Mapping
from functools import cache
from types import CodeType
from typing import Final

__all__ = ["live_variables"]

_JUMPS: Final = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_NEVER_FALL_THROUGH: Final = frozenset(
    {"RETURN_VALUE", "RERAISE", "RAISE_VARARGS", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"}
)
_READ_ALL: Final = frozenset({"locals", "vars", "dir", "eval", "exec"})

_Names = frozenset[str]


@cache
def live_variables(code: CodeType) -> Mapping[int, _Names]:
    """By offset of an instruction at which a function can be suspended, the variables that it may still read.

    Those that share a cell with another function may be left out: they are always live.
    """
    instructions = list(dis.get_instructions(code))
    if not _READ_ALL.isdisjoint(code.co_names):
        return dict.fromkeys((one.offset for one in instructions), frozenset(code.co_varnames))
    live: list[_Names] = [frozenset()] * len(instructions)
    following, handlers = _following(instructions), _handlers(code, instructions)

    def union(positions: list[int]) -> _Names:
        return frozenset[str]().union(*(live[position] for position in positions))

    changed = True
    while changed:
        changed = False
        for position in range(len(instructions) - 1, -1, -1):
            before = _before(instructions[position], union(following[position])) | union(handlers[position])
            if before != live[position]:
                live[position] = before
                changed = True
    return {
        # Whether the instruction at which it is suspended is over or is going to be repeated is not for us to say.
        one.offset: live[position] | union(following[position])
        for position, one in enumerate(instructions)
    }


def _before(instruction: dis.Instruction, after: _Names) -> _Names:
    """What is live before an instruction, given what is live after it."""
    if "FAST" not in instruction.opname:
        return after
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    return after.difference(names) if instruction.opname == "STORE_FAST" else after.union(names)


def _positions(instructions: list[dis.Instruction]) -> dict[int, int]:
    return {instruction.offset: position for position, instruction in enumerate(instructions)}


def _following(instructions: list[dis.Instruction]) -> list[list[int]]:
    """By position, the positions of the instructions that may come next if nothing is raised."""
    positions = _positions(instructions)
    following = []
    for position, instruction in enumerate(instructions):
        falls_through = instruction.opname not in _NEVER_FALL_THROUGH and position + 1 < len(instructions)
        jumps = instruction.opcode in _JUMPS
        following.append([position + 1] * falls_through + ([positions[instruction.argval]] if jumps else []))
    return following


def _handlers(code: CodeType, instructions: list[dis.Instruction]) -> list[list[int]]:
    """By position, where it goes on if something is raised there."""
    positions = _positions(instructions)
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # 3.11 to 3.14, not in typeshed
    return [
        [positions[entry.target] for entry in entries if entry.start <= instruction.offset <= entry.end]
        for instruction in instructions
    ]
