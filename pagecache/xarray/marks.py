"""Marks: three bits for each entry, and for each node above it (``lib/xarray.c``).

The page cache uses them as tags (dirty, writeback, to be written).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pagecache.step import step
from pagecache.xarray.node import NR_MARKS, XaNode
from pagecache.xarray.state import must_hold

if TYPE_CHECKING:
    from pagecache.xarray.array import XArray
    from pagecache.xarray.state import XaState

__all__ = [
    "XA_MARK_0",
    "XA_MARK_1",
    "XA_MARK_2",
    "marks_at",
    "xa_marked",
    "xas_clear_mark",
    "xas_get_mark",
    "xas_init_marks",
    "xas_set_mark",
]

XA_MARK_0: Final = 0
XA_MARK_1: Final = 1
XA_MARK_2: Final = 2


def xa_marked(xa: XArray, mark: int) -> bool:
    """``xa_marked()``: does any entry have the mark?"""
    return bool(xa.marks >> mark & 1)


async def xas_get_mark(xas: XaState, mark: int) -> bool:
    """``xas_get_mark()``: has the entry at the cursor, which has been walked there, the mark?"""
    await step("xas_get_mark", xas.index, mark, target=None if xas.locked else ("mark", xas.index))
    return get_mark(xas, mark)


async def xas_set_mark(xas: XaState, mark: int) -> None:
    """``xas_set_mark()``: mark the entry at the cursor and the nodes above; nothing if it has not been walked."""
    current = await step("xas_set_mark", xas.index, mark, target=("mark", xas.index), writes=True)
    must_hold(xas, current, "xas_set_mark()")
    set_mark(xas, mark)


async def xas_clear_mark(xas: XaState, mark: int) -> None:
    """``xas_clear_mark()``: and of the nodes above, where no other entry has it."""
    current = await step("xas_clear_mark", xas.index, mark, target=("mark", xas.index), writes=True)
    must_hold(xas, current, "xas_clear_mark()")
    clear_mark(xas, mark)


async def xas_init_marks(xas: XaState) -> None:
    """``xas_init_marks()``: clear all marks of the entry at the cursor."""
    current = await step("xas_init_marks", xas.index, target=("mark", xas.index), writes=True)
    must_hold(xas, current, "xas_init_marks()")
    init_marks(xas)


def get_mark(xas: XaState, mark: int) -> bool:
    """The effect of ``xas_get_mark()``."""
    if not xas.valid:
        return False
    if xas.node is None:
        return xa_marked(xas.xa, mark)
    return bool(xas.node.marks[mark] >> xas.offset & 1)


def set_mark(xas: XaState, mark: int) -> None:
    """The effect of ``xas_set_mark()``."""
    if not xas.valid:
        return
    offset = xas.offset
    node = xas.node
    while node is not None:
        if node.marks[mark] >> offset & 1:
            return
        change(node, mark, node.marks[mark] | 1 << offset)
        offset = node.offset
        node = node.parent
    xas.xa.marks |= 1 << mark


def clear_mark(xas: XaState, mark: int) -> None:
    """The effect of ``xas_clear_mark()``."""
    if not xas.valid:
        return
    offset = xas.offset
    node = xas.node
    while node is not None:
        if not node.marks[mark] >> offset & 1:
            return
        change(node, mark, node.marks[mark] & ~(1 << offset))
        if node.marks[mark]:
            return
        offset = node.offset
        node = node.parent
    xas.xa.marks &= ~(1 << mark)


def init_marks(xas: XaState) -> None:
    """The effect of ``xas_init_marks()``."""
    for mark in range(NR_MARKS):
        clear_mark(xas, mark)


def squash_marks(xas: XaState, node: XaNode) -> None:
    """``xas_squash_marks()``: the entries of the cursor's slots become one, which has the marks of all."""
    siblings = ((1 << xas.sibs) - 1) << xas.offset + 1
    for mark in range(NR_MARKS):
        if node.marks[mark] & siblings:
            change(node, mark, node.marks[mark] & ~siblings | 1 << xas.offset)


def change(node: XaNode, mark: int, bits: int) -> None:
    """Set the bits of one mark."""
    node.marks = (*node.marks[:mark], bits, *node.marks[mark + 1 :])


def marks_at(xa: XArray, index: int) -> tuple[bool, ...]:
    """The marks of the entry at ``index``, by a walk of its own; for tests and watchers."""
    place = xa.place_of(index)
    if place is None:
        return tuple(bool(xa.marks >> mark & 1) and index == 0 for mark in range(NR_MARKS))
    node, offset = place
    return tuple(bool(node.marks[mark] >> offset & 1) for mark in range(NR_MARKS))
