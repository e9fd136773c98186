"""Which behaviour explains which operation of a shmem file."""

from __future__ import annotations

from typing import Final

from pagecache.operations import (
    CloseFile,
    Collapse,
    DontNeed,
    Fallocate,
    Khugepaged,
    Load,
    MemoryFailure,
    Migrate,
    Mincore,
    Mremap,
    Munmap,
    Operation,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Shrink,
    Split,
    Stat,
    Store,
    Swapoff,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
    Write,
)
from pagecache.promises.file_spec import Behaviour
from pagecache.promises.mapping_spec import Accessing, Continuing, Discarding, Looking, Mapping, Pinning, Supplying
from pagecache.promises.memory_spec import Collapsing, Migrating, Poisoning, Reclaiming, Splitting, Unswapping
from pagecache.promises.syscall_spec import Counting, Fallocating, Punching, Reading, Seeking, Truncating, Writing

__all__ = ["BEHAVIOURS"]

BEHAVIOURS: Final[dict[type[Operation], type[Behaviour]]] = {
    Collapse: Collapsing,
    Khugepaged: Collapsing,
    Load: Accessing,
    Store: Accessing,
    PageOut: Reclaiming,
    Swapoff: Unswapping,
    MemoryFailure: Poisoning,
    PinWrite: Pinning,
    Migrate: Migrating,
    Split: Splitting,
    Shrink: Splitting,
    CloseFile: Mapping,
    Poke: Accessing,
    UffdContinue: Continuing,
    UffdWriteProtect: Mapping,
    Touch: Accessing,
    Read: Reading,
    Write: Writing,
    SeekData: Seeking,
    SeekHole: Seeking,
    Mincore: Looking,
    Stat: Counting,
    Truncate: Truncating,
    PunchHole: Punching,
    Fallocate: Fallocating,
    UffdRegister: Mapping,
    UffdUnregister: Mapping,
    UffdCopy: Supplying,
    UffdZeropage: Supplying,
    Munmap: Mapping,
    Mremap: Mapping,
    DontNeed: Discarding,
}
