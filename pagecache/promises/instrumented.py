"""What KCSAN's compiler pass is for the kernel: who reads and writes the watched fields, and in which function.

The objects of a world that have such fields get a subclass of their own class, which tells of each access between
``listen()`` and ``heard()``.  So a protocol need not declare what it touches, and a function that reads a field without
its lock is seen however it came to do so.

An access is *marked* when it goes through :func:`pagecache.rwonce.READ_ONCE`.  A write that does not change the value
is a read, as by default in KCSAN (CONFIG_KCSAN_REPORT_VALUE_CHANGE_ONLY).

Not watched: ``i_size``, whose readers and writers have barriers of their own (i_size_read(), i_size_write());
what page tables, slots and folios hold, all of which is atomic, marked, or compared under the folio lock.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from functools import cache
from types import FrameType
from typing import Any, Final, NamedTuple

from pagecache.inode import AddressSpace, Inode, ShmemFalloc, ShmemInodeInfo
from pagecache.mm import Vma
from pagecache.rwonce import READ_ONCE
from pagecache.world import World

__all__ = ["FALLOC", "PUBLISHED", "Access", "heard", "instrument", "listen"]

FALLOC: Final = "shmem_falloc->"
"""How the names of the fields of a ShmemFalloc begin; it lives on the stack of who published it."""

PUBLISHED: Final = "inode->i_private"
"""Where it is published."""

WATCHED: Final[dict[type, dict[str, str]]] = {
    Inode: {"i_blocks": "inode->i_blocks", "i_private": PUBLISHED},
    ShmemInodeInfo: {name: f"info->{name}" for name in ("alloced", "swapped", "fallocend")},
    AddressSpace: {"nrpages": "mapping->nrpages"},
    ShmemFalloc: {name: f"{FALLOC}{name}" for name in ("start", "next", "nr_falloced", "nr_unswapped")},
    Vma: dict.fromkeys(("uffd_missing", "uffd_minor", "uffd_wp"), "vm_flags"),
}
"""By class, the fields that are watched, and what reports call them."""

ASIDE: Final = ("pagecache.promises", "fuzz")
"""The packages that look on: what they read is no access of the kernel's."""


class Access(NamedTuple):
    """One access to a watched field.

    Args:
        field: for example "info->alloced".
        function: the kernel function that did it, without the release since which it is so.
        writes: it changed the value.
        marked: a read by READ_ONCE().
    """

    field: str
    function: str
    writes: bool
    marked: bool


_heard: list[Access] | None = None  # between listen() and heard(), within one step of one run


def listen() -> None:
    """From here on accesses are noted."""
    global _heard  # noqa: PLW0603 - an object with slots has no room for whom to tell
    _heard = []


def heard() -> list[Access]:
    """What has been noted, in order; from here on nothing is."""
    global _heard
    accesses, _heard = _heard or [], None
    return accesses


def instrument(world: World) -> None:
    """Watch the fields of the file and its mappings from here on."""
    for holder in (world.inode, world.inode.info, world.mapping, *world.vmas):
        _watch(holder)


def _watch(holder: object) -> None:
    kind: Any = type(holder)
    if kind in WATCHED:
        holder.__class__ = _instrumented(kind)


@cache
def _instrumented(kind: Any) -> Any:
    """``kind``, telling of the accesses to its watched fields."""
    names = WATCHED[kind]
    told = {"__getattribute__": _reading(names), "__setattr__": _writing(names)}
    return type(kind.__name__, (kind,), {"__slots__": (), "__module__": kind.__module__, **told})


def _reading(names: dict[str, str]) -> Any:
    def __getattribute__(self: object, name: str) -> Any:  # noqa: N807 - what it becomes
        if _heard is not None and name in names:
            _note(self, names[name], writes=False)
        return object.__getattribute__(self, name)

    return __getattribute__


def _writing(names: dict[str, str]) -> Any:
    def __setattr__(self: object, name: str, value: Any) -> None:  # noqa: N807 - what it becomes
        if _heard is not None and name in names:
            changes = object.__getattribute__(self, name) != value
            _note(self, names[name], writes=changes)
        if isinstance(value, ShmemFalloc):
            _watch(value)
        object.__setattr__(self, name, value)

    return __setattr__


def _note(holder: object, field: str, *, writes: bool) -> None:
    """Note an access by whoever called who called us."""
    frames = _callers(inspect.currentframe())
    frame = next(itertools.islice(frames, 2, None))
    marked = frame.f_code is READ_ONCE.__code__
    if marked:
        frame = next(frames)
    # What begins with one underscore is a part of a kernel function that the kernel does not name.
    while re.match(r"_[^_]|<", frame.f_code.co_name):
        frame = next(frames)
    if _heard is None or frame.f_globals["__name__"].startswith(ASIDE):
        return
    if isinstance(holder, Vma):
        field = f"{holder}->{field}"
    _heard.append(Access(field, re.sub(r"(_\d+)+$", "", frame.f_code.co_name), writes, marked))


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
