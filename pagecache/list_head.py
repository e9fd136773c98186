"""``struct list_head`` (``include/linux/list.h``), store by store.

A list is changed under its lock, as a rule; whoever changes its own entry without it changes the neighbours, too, and
meets whoever changes those.  So each store that another CPU could see is a step.  With CONFIG_DEBUG_LIST, which
distributions build with, an entry whose neighbours do not lead back to it is a BUG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pagecache.step import KernelBug, Target, step

if TYPE_CHECKING:
    from pagecache.inode import Inode

__all__ = [
    "LISTS",
    "ListHead",
    "list_add_tail",
    "list_del_init",
    "list_empty",
    "list_empty_careful",
    "list_move",
    "list_next",
    "list_splice_tail",
]

LISTS: Final[Target] = ("lists", 0)
"""All list heads: one name, since each operation on an entry touches three of them."""


class ListHead:
    """``struct list_head``: the head of a list, or the entry of an inode, which is its container."""

    __fingerprint_skip__: ClassVar = ("name",)
    __slots__ = ("inode", "name", "next", "prev")

    def __init__(self, name: str, inode: Inode | None = None) -> None:
        self.name = name
        self.inode = inode
        self.next = self.prev = self

    def __str__(self) -> str:
        return self.name

    def entries(self) -> list[ListHead]:
        """What follows the head, as far as it can be followed: for who looks at a list that nobody is changing."""
        met: list[ListHead] = []
        entry = self.next
        while entry is not self and entry not in met:
            met.append(entry)
            entry = entry.next
        return met


async def list_empty(entry: ListHead) -> bool:
    """``list_empty()``: is nothing in the list, or the entry in none?"""
    await step("list_empty", entry, target=LISTS)
    return entry.next is entry


async def list_empty_careful(entry: ListHead) -> bool:
    """``list_empty_careful()``: the same while another CPU may be in list_del_init(), which stores next, then prev."""
    await step("list_empty_careful", entry, target=LISTS)
    return entry.next is entry and entry.prev is entry


async def list_next(entry: ListHead) -> ListHead:
    """``entry->next``, as list_for_each_safe() reads it."""
    await step("list_next", entry, target=LISTS)
    return entry.next


async def list_add_tail(new: ListHead, head: ListHead) -> None:
    """``list_add_tail()``: into the list before its head, that is behind the others."""
    await _list_add(new, head.prev, head)


async def list_del_init(entry: ListHead) -> None:
    """``list_del_init()``: out of its list, and in none.

    Raises:
        KernelBug: "list_del corruption" of __list_del_entry_valid().
    """
    await _list_del_entry(entry)
    await step("INIT_LIST_HEAD", entry, target=LISTS, writes=True)
    entry.next = entry
    await step("INIT_LIST_HEAD", entry, target=LISTS, writes=True)
    entry.prev = entry


async def list_move(entry: ListHead, head: ListHead) -> None:
    """``list_move()``: out of its list, and to the front of another one.

    Raises:
        KernelBug: "list_del corruption" of __list_del_entry_valid().
    """
    await _list_del_entry(entry)
    await _list_add(entry, head, head.next)


async def list_splice_tail(batch: ListHead, head: ListHead) -> None:
    """``list_splice_tail()``: all entries of one list, to the end of another one."""
    await step("list_splice_tail", batch, head, target=LISTS, writes=True)
    if batch.next is not batch:
        first, last, prev = batch.next, batch.prev, head.prev
        first.prev, prev.next = prev, first
        last.next, head.prev = head, last


async def _list_del_entry(entry: ListHead) -> None:
    """``__list_del_entry()``: each neighbour is made to point to the other one; the entry itself stays as it is."""
    await step("__list_del_entry_valid", entry, target=LISTS)
    prev, following = entry.prev, entry.next
    if prev.next is not entry or following.prev is not entry:
        raise KernelBug(
            f"list_del corruption: {entry} is between {prev}, which leads to {prev.next}, "
            f"and {following}, which leads back to {following.prev}"
        )
    await step("__list_del", following, prev, target=LISTS, writes=True)
    following.prev = prev
    await step("__list_del", prev, following, target=LISTS, writes=True)
    prev.next = following


async def _list_add(new: ListHead, prev: ListHead, following: ListHead) -> None:
    """``__list_add()``: backwards first, forwards last: who walks without the lock finds all or nothing of it."""
    await step("__list_add", following, new, target=LISTS, writes=True)
    following.prev = new
    new.next, new.prev = following, prev
    await step("__list_add", prev, new, target=LISTS, writes=True)
    prev.next = new
