"""A cursor and how long its node may be trusted (``struct xa_state``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pagecache.locks import acquire, lock_step, release
from pagecache.step import KernelBug, RcuSection, Target, Task, UseAfterFree, step
from pagecache.touched import NRPAGES, TREE
from pagecache.xarray.entry import SiblingEntry

if TYPE_CHECKING:
    from pagecache.xarray.array import XArray
    from pagecache.xarray.node import XaNode

__all__ = [
    "XAS_BOUNDS",
    "XAS_ERROR",
    "XAS_NODE",
    "XAS_RESTART",
    "XaState",
    "must_hold",
    "protect",
    "xas_lock_irq",
    "xas_pause",
    "xas_reset",
    "xas_set",
    "xas_set_err",
    "xas_set_order",
    "xas_unlock_irq",
]

XAS_RESTART: Final = "restart"
XAS_NODE: Final = "node"
XAS_BOUNDS: Final = "bounds"
XAS_ERROR: Final = "error"


class XaState:
    """A cursor (``struct xa_state``): the entry of 2**order indices at ``index``, and where a walk has come to.

    ``state`` is what the kernel encodes in ``xa_node``:

    * ``XAS_RESTART``: the next call walks from the top to ``index``;
    * ``XAS_NODE``: it stands at ``offset`` of ``node``, or at the root entry if ``node`` is ``None``;
    * ``XAS_BOUNDS``: a walk has left the tree;
    * ``XAS_ERROR``: see ``error``.

    ``shift`` and ``sibs`` are its size: 1 + ``sibs`` slots of a node with that shift.  ``spares`` are nodes that have
    been allocated for it (``xa_alloc``).  ``locked`` is true between xas_lock_irq() and xas_unlock_irq() of
    this cursor; ``section`` is the RCU section in which a lockless walk found its node.
    """

    __slots__ = ("error", "index", "locked", "node", "offset", "section", "shift", "sibs", "spares", "state", "xa")

    def __init__(self, xa: XArray, index: int, order: int = 0) -> None:
        self.xa = xa
        self.index = index >> order << order
        self.node: XaNode | None = None
        self.offset = 0
        self.state = XAS_RESTART
        self.error = ""
        self.locked = False
        self.section: RcuSection | None = None
        self.spares: list[XaNode] = []
        self.shift = 0
        self.sibs = 0
        self.order = order

    def __str__(self) -> str:
        return str(self.index)

    @property
    def order(self) -> int:
        """The order of the entry it operates on."""
        return self.shift + self.sibs.bit_length()

    @order.setter
    def order(self, order: int) -> None:
        rest = order % self.xa.chunk_shift
        self.shift = order - rest
        self.sibs = (1 << rest) - 1

    @property
    def restart(self) -> bool:
        """Does the next walk begin at the top?"""
        return self.state == XAS_RESTART

    @property
    def valid(self) -> bool:
        """``xas_valid()``."""
        return self.state == XAS_NODE

    def reserve(self, node: XaNode) -> None:
        """Have one spare node more."""
        self.spares = [*self.spares, node]
        self.xa.nr_spares += 1

    def leave(self, state: str) -> None:
        """Stand in no node any more."""
        self.state = state
        self.node = None
        self.offset = 0
        self.section = None


def xas_set(xas: XaState, index: int) -> None:
    """``xas_set()``: point the cursor at ``index``, without walking there."""
    xas.index = index
    xas_reset(xas)


def xas_set_order(xas: XaState, index: int, order: int) -> None:
    """``xas_set_order()``: point the cursor at an entry of 2**order indices."""
    xas.order = order
    xas_set(xas, index >> order << order)


def xas_reset(xas: XaState) -> None:
    """``xas_reset()``: start again from the top, and forget an error.  Spare nodes stay with the cursor."""
    xas.leave(XAS_RESTART)
    xas.error = ""


def xas_set_err(xas: XaState, error: str) -> None:
    """``xas_set_err()``."""
    xas.leave(XAS_ERROR)
    xas.error = error


def xas_pause(xas: XaState) -> None:
    """``xas_pause()``: on to the index behind the current entry, and start again from the top.

    For loops that drop the lock: the next xas_next() or xas_find() then walks to the next entry and does not
    advance once more.  It reads the node's siblings, so the lock or the RCU section must still be the one in which
    the cursor came there.  Under the lock it is no step; without it, the siblings it sees are those of now.
    """
    if not xas.valid:
        return
    node = xas.node
    if node is None:
        xas.index += 1
    else:
        offset = xas.offset + 1
        while offset < len(node.slots) and type(node.slots[offset]) is SiblingEntry:
            offset += 1
        xas.index = (xas.index >> node.shift << node.shift) + ((offset - xas.offset) << node.shift)
    xas.leave(XAS_RESTART)


async def xas_lock_irq(xas: XaState) -> Task:
    """``xas_lock_irq()``: take the ``xa_lock``; what it protects may change right behind it."""
    current = await lock_step("xas_lock_irq", xas.xa.xa_lock, also=[(NRPAGES, True), (TREE, True)])
    acquire(xas.xa.xa_lock, current)
    xas.locked = True
    return current


async def xas_unlock_irq(xas: XaState, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``xas_unlock_irq()``.  Like spin_unlock(), nobody can tell when exactly it happens; ``also`` as in Step."""
    current = await step("xas_unlock_irq", also=also)
    release(xas.xa.xa_lock, current)
    xas.locked = False


def must_hold(xas: XaState, current: Task, call: str) -> None:
    """Whoever changes the tree, or reads it in one step, holds the lock, and has found his node under it.

    Raises:
        KernelBug: if not.
    """
    owner = xas.xa.xa_lock.owner
    if owner is not current:
        raise KernelBug(f"{call} by {current} without the xa_lock, held by {owner}")
    node = xas.node
    if node is not None and node.dead:
        raise KernelBug(
            f"{call} by {current} at index {xas.index} with a stale cursor: its node was freed "
            f"after the xa_lock had been dropped"
        )


def protect(xas: XaState, current: Task, node: XaNode | None, call: str) -> None:
    """A lockless load from ``node`` is about to happen.

    Raises:
        KernelBug: outside of an RCU read-side section (lockdep's "suspicious RCU usage").
        UseAfterFree: if the node is dead and was found in a section that has ended.
    """
    if not current.atomic:
        raise KernelBug(f"{call} by {current} without the xa_lock, outside of an RCU read-side section")
    if node is not None and node.dead and (xas.section is None or xas.section.over):
        raise UseAfterFree(
            f"{call} by {current} at index {xas.index} read a node that was freed: "
            "the cursor found it in an RCU section that has ended"
        )
    if xas.section is None or xas.section.over:
        xas.section = current.rcu_section()
