"""What a task of a program can do, mostly system calls: frozen records with one coroutine each.

The ``repr`` of an operation is what reports and the corpus show; fields that have their default are left
out.  Sizes, indices and lengths are counted in pages of the file.  ``vma`` is the number of a mapping in
the world's list.

Results are what user space gets: an ``int``, the content of a page (see :mod:`pagecache.folio`), the name of
an error (``"EEXIST"``), or a signal (``"SIGBUS"``).
"""

from __future__ import annotations

from typing import Final

from pagecache.operations.collapsing import Collapse, Khugepaged
from pagecache.operations.file import (
    CloseWrite,
    Fallocate,
    OpenWrite,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Stat,
    Truncate,
    Write,
    Writeback,
)
from pagecache.operations.mapping import (
    ACCESSES,
    FAULTS,
    DontNeed,
    Load,
    Mincore,
    Mremap,
    Munmap,
    PinWrite,
    Poke,
    Store,
    Touch,
)
from pagecache.operations.memory import CloseFile, MemoryFailure, Migrate, PageOut, Shrink, Split, Swapoff
from pagecache.operations.operation import Operation, Result
from pagecache.operations.publishing import Publish
from pagecache.operations.uffd import (
    UFFD_MODES,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
)
from pagecache.userfaultfd import EVENT

__all__ = [
    "ACCESSES",
    "EVENT",
    "FAULTS",
    "OPERATIONS",
    "OPERATIONS_BY_NAME",
    "UFFD_MODES",
    "CloseFile",
    "CloseWrite",
    "Collapse",
    "DontNeed",
    "Fallocate",
    "Khugepaged",
    "Load",
    "MemoryFailure",
    "Migrate",
    "Mincore",
    "Mremap",
    "Munmap",
    "OpenWrite",
    "Operation",
    "PageOut",
    "PinWrite",
    "Poke",
    "Publish",
    "PunchHole",
    "Read",
    "Result",
    "SeekData",
    "SeekHole",
    "Shrink",
    "Split",
    "Stat",
    "Store",
    "Swapoff",
    "Touch",
    "Truncate",
    "UffdContinue",
    "UffdCopy",
    "UffdRegister",
    "UffdUnregister",
    "UffdWriteProtect",
    "UffdZeropage",
    "Write",
    "Writeback",
]


OPERATIONS: Final[tuple[type[Operation], ...]] = (
    Collapse,  # the protocol under test
    Load,  # through a mapping
    Store,
    Touch,
    Read,  # through the file
    Write,
    SeekData,  # looks and never locks a folio
    SeekHole,
    Mincore,
    Stat,
    Truncate,  # takes pages away
    PunchHole,
    Fallocate,
    UffdRegister,  # user space fills the holes itself
    UffdUnregister,
    UffdCopy,
    UffdZeropage,
    Munmap,
    PageOut,  # memory management behind everybody's back
    MemoryFailure,
    PinWrite,  # a reference that outlives every lock
    Migrate,
    Split,
    OpenWrite,  # regular files only
    CloseWrite,
    Writeback,
    Poke,  # what a userfaultfd hears of stores, and of pages that are there
    UffdWriteProtect,
    UffdContinue,
    Swapoff,
    Khugepaged,  # a collapse that gives up sooner
    Shrink,  # what the files of one superblock share
    CloseFile,
    DontNeed,  # takes pages out of a mapping, and page tables with them
    Mremap,  # moves page tables to another address
)

OPERATIONS_BY_NAME: Final = {operation.__name__: operation for operation in OPERATIONS}
