"""A regular file as a dictionary: what the system calls of a program that nobody disturbs must return."""

from __future__ import annotations

from typing import Final

from pagecache.operations import (
    CloseWrite,
    Collapse,
    DontNeed,
    Load,
    Mincore,
    Mremap,
    Munmap,
    OpenWrite,
    Operation,
    PageOut,
    PinWrite,
    Read,
    Result,
    Store,
    Truncate,
    Write,
    Writeback,
)
from pagecache.world import WorldSpec

__all__ = ["ANYTHING", "PlainFile"]

ANYTHING: Final = "anything"
"""What a collapse or mincore() may say: it depends on the page cache."""


class PlainFile:
    """``pages`` holds what is no zeroes, by index."""

    def __init__(self, spec: WorldSpec) -> None:
        self.size = spec.size
        self.pages = {index: f"d{index}" for index in range(spec.size)}
        self.vmas = list(spec.vmas)
        self.mapped = [True] * len(spec.vmas)
        self.descriptors = 0

    @property
    def writers(self) -> int:
        """What ``i_writecount`` must be: a writable mapping is of a descriptor that stays open."""
        return self.descriptors + sum(vma.writable and there for vma, there in zip(self.vmas, self.mapped, strict=True))

    def do(self, operation: Operation, tag: str) -> Result:
        """The result of an operation; ``tag`` is what it writes."""
        match operation:
            case Read(index):
                return self.pages.get(index, "0") if index < self.size else 0
            case Write(index):
                self.pages[index] = tag
                self.size = max(self.size, index + 1)
                return 1
            case Load(index, vma):
                return self.fault(index, vma) or self.pages.get(index, "0")
            case Store(index, vma) | PinWrite(index, vma):
                error = self.fault(index, vma) if self.vmas[vma].writable else "SIGSEGV"
                if not error:
                    self.pages[index] = tag
                return "EFAULT" if error and isinstance(operation, PinWrite) else error or 0
            case Mincore(index, vma):
                return ANYTHING if self.maps(index, vma) else "ENOMEM"
            case Truncate(size):
                self.size = size
                self.pages = {index: content for index, content in self.pages.items() if index < size}
                return 0
            case Munmap(vma):
                self.mapped[vma] = False
                return 0
            case Mremap(vma, new_vma, dontunmap):
                if not self.mapped[vma]:
                    return "EFAULT"
                self.mapped[new_vma], self.mapped[vma] = True, dontunmap
                return 0
            case DontNeed(start, length, vma):
                return 0 if self.maps(start, vma) and self.maps(start + length - 1, vma) else "ENOMEM"
            case OpenWrite():
                self.descriptors += 1
                return 0
            case CloseWrite():
                self.descriptors -= self.descriptors > 0
                return ANYTHING
            case Collapse():
                return ANYTHING
            case PageOut() | Writeback():
                return 0
        raise NotImplementedError(operation)

    def maps(self, index: int, vma: int) -> bool:
        return self.mapped[vma] and self.vmas[vma].start <= index < self.vmas[vma].end

    def fault(self, index: int, vma: int) -> str:
        if not self.maps(index, vma):
            return "SIGSEGV"
        return "SIGBUS" if index >= self.size else ""
