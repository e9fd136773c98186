"""User space that fills the holes itself: the ioctls of a userfaultfd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from pagecache.folio import ZERO
from pagecache.mfill_continue import mfill_atomic_continue
from pagecache.mprotect import mwriteprotect_range
from pagecache.operations.operation import Operation, Result
from pagecache.userfaultfd import mfill_atomic, userfaultfd_register
from pagecache.world import World, WorldSpec

__all__ = [
    "UFFD_MODES",
    "UffdContinue",
    "UffdCopy",
    "UffdRegister",
    "UffdUnregister",
    "UffdWriteProtect",
    "UffdZeropage",
]

UFFD_MODES: Final = ("missing", "minor", "wp")
"""UFFDIO_REGISTER_MODE_MISSING and its siblings."""


@dataclass(frozen=True, slots=True, repr=False)
class UffdRegister(Operation):
    """``ioctl(UFFDIO_REGISTER)`` of a whole mapping, for one mode.  Result: 0 or EINVAL."""

    task_name: ClassVar[str] = "uffd"
    vma: int = 0
    mode: str = "missing"

    def problem(self, world: WorldSpec) -> str:
        if self.mode not in UFFD_MODES:
            return f"mode is {self.mode!r}; choose one of {', '.join(UFFD_MODES)}"
        return super(UffdRegister, self).problem(world)

    async def run(self, world: World, tag: str) -> Result:
        return await userfaultfd_register(world.vmas[self.vma], self.mode)


@dataclass(frozen=True, slots=True, repr=False)
class UffdUnregister(Operation):
    """``ioctl(UFFDIO_UNREGISTER)`` of a whole mapping.  Result: 0 or EINVAL."""

    task_name: ClassVar[str] = "uffd"
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await world.kernel.userfaultfd_unregister(world.vmas[self.vma])  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, repr=False)
class UffdCopy(Operation):
    """``ioctl(UFFDIO_COPY)`` of one page.  Result: 0, EEXIST, EFAULT, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic(world.vmas[self.vma], self.index, tag)


@dataclass(frozen=True, slots=True, repr=False)
class UffdZeropage(Operation):
    """``ioctl(UFFDIO_ZEROPAGE)`` of one page.  Results as for UffdCopy."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic(world.vmas[self.vma], self.index, ZERO)


@dataclass(frozen=True, slots=True, repr=False)
class UffdContinue(Operation):
    """``ioctl(UFFDIO_CONTINUE)`` of one page.  Result: 0, EEXIST, EFAULT, EINVAL, EIO, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0

    async def run(self, world: World, tag: str) -> Result:
        return await mfill_atomic_continue(world.vmas[self.vma], self.index)


@dataclass(frozen=True, slots=True, repr=False)
class UffdWriteProtect(Operation):
    """``ioctl(UFFDIO_WRITEPROTECT)`` of one page, to protect it or to lift that.  Result: 0, ENOENT or ENOMEM."""

    task_name: ClassVar[str] = "uffd"
    index: int
    vma: int = 0
    lift: bool = False

    async def run(self, world: World, tag: str) -> Result:
        return await mwriteprotect_range(world.vmas[self.vma], self.index, protect=not self.lift)
