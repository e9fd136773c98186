"""What cannot happen: programs of which all schedules were tried.

Each comes with a kernel on which it does go wrong, because a program that nobody can fail says nothing.

Run as a script it prints the table for the README.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fuzz.search.exhaustive import Exhausted, search
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_6_4_MENDED, LINUX_2026_MENDED
from pagecache.operations import (
    Collapse,
    Fallocate,
    Load,
    Mincore,
    Munmap,
    Operation,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Store,
    Touch,
    Truncate,
    UffdCopy,
    UffdRegister,
    UffdZeropage,
    Write,
)
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.programs import named

__all__ = ["NEVER", "Never"]


@dataclass(frozen=True, slots=True)
class Never:
    """A program in which a sound kernel keeps all promises, whoever runs when.

    Args:
        world: where.
        threads: what the tasks do.
        broken_on: a kernel on which some schedule of it breaks a promise.
        kernel: the sound one.
        slow: is it left to the slow run, because it takes longer or a quicker one is like it?
    """

    world: WorldSpec
    threads: Sequence[Sequence[Operation]]
    broken_on: str
    kernel: Kernel = LINUX_2026_MENDED
    slow: bool = False

    @property
    def case(self) -> Case:
        """Without a schedule: all of them are tried."""
        return Case(self.kernel.name, self.world, named(tuple(thread) for thread in self.threads))

    def exhaust(self, kernel: Kernel | None = None) -> Exhausted:
        """Try all schedules until one fails, on the sound kernel or on another."""
        subject = Subject(kernel or self.kernel)
        return search(lambda: subject.execution(self.case))

    def __str__(self) -> str:
        return f"{self.kernel.name}: {self.case.program} in {describe(self.world)}"


def describe(world: WorldSpec) -> str:
    """A world in a few words: its pages, and what is special about its mappings."""
    words = [", ".join(world.pages)]
    for vma in world.vmas:
        if (vma.start, vma.end) != (0, len(world.pages)):
            words.append(f"{vma.mm} maps {vma.start} to {vma.end - 1}")
        if vma.mapped:
            words.append(f"{' and '.join(map(str, vma.mapped))} mapped")
        if vma.missing:
            words.append("registered")
    return "; ".join(words)


DATA = WorldSpec(("data", "data"))
MAPPED = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)),))
HOLE = WorldSpec(("data", "hole"))
HOLE_FIRST = WorldSpec(("hole", "data"))
HOLE_MAPPED = WorldSpec(("data", "hole"), vmas=(VmaSpec(mapped=(0,)),))
REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
REGISTERED_MAPPED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True, mapped=(0,)),))
RESERVED = WorldSpec(("data", "unwritten"))
TAIL_REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", 1, 2, missing=True)))
FOUR_PAGES = WorldSpec(("data", "hole", "data", "data"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))

COLLAPSE = (Collapse(0),)
QEMU = (UffdRegister(), PunchHole(1), Touch(1))
"""Punch a hole after registering, then rely on the event."""

NEVER = (
    # Somebody fills the hole.
    Never(HOLE, [COLLAPSE, [Load(1)]], "wilcox-2023-02"),
    Never(HOLE, [COLLAPSE, [Store(1)]], "wilcox-2023-02"),
    Never(HOLE_FIRST, [COLLAPSE, [Store(0)]], "wilcox-2023-02", slow=True),
    Never(RESERVED, [COLLAPSE, [Store(1)]], "linux-4.8"),
    Never(HOLE, [COLLAPSE, [Write(1)]], "stevens-v5"),
    Never(HOLE, [COLLAPSE, [Fallocate(1)]], "stevens-v5"),
    Never(REGISTERED, [COLLAPSE, [UffdCopy(1)]], "retry-during-scan"),
    Never(REGISTERED, [COLLAPSE, [UffdZeropage(1)]], "wilcox-2023-02"),
    Never(REGISTERED_MAPPED, [COLLAPSE, [UffdCopy(1), Load(1)]], "retry-during-scan", slow=True),
    # Somebody uses what is there.
    Never(HOLE_MAPPED, [COLLAPSE, [Store(0)]], "stevens-v5"),
    Never(MAPPED, [COLLAPSE, [Store(1)]], "linux-4.8"),
    Never(DATA, [COLLAPSE, [Write(1)]], "linux-4.8"),
    Never(DATA, [COLLAPSE, [Read(0)]], "linux-4.8"),
    Never(HOLE, [COLLAPSE, [Read(1)]], "retry-during-scan"),
    # Somebody looks.
    Never(HOLE, [COLLAPSE, [SeekHole(0)]], "linux-6.2"),
    Never(HOLE, [COLLAPSE, [SeekData(0)]], "linux-6.2"),
    Never(MAPPED, [COLLAPSE, [SeekHole(0)]], "stevens-v2", slow=True),
    Never(HOLE, [COLLAPSE, [Mincore(1)]], "retry-during-scan"),
    Never(MAPPED, [COLLAPSE, [Mincore(0)]], "stevens-v5"),
    # Somebody takes pages away.
    Never(DATA, [COLLAPSE, [PunchHole(1)]], "retry-during-scan", slow=True),
    Never(DATA, [COLLAPSE, [PunchHole(0, 2)]], "linux-6.4", slow=True),
    Never(MAPPED, [COLLAPSE, [PunchHole(0)]], "stevens-v5", slow=True),
    Never(DATA, [COLLAPSE, [Truncate(1)]], "retry-during-scan"),
    Never(MAPPED, [COLLAPSE, [Truncate(0)]], "linux-6.4", slow=True),
    Never(HOLE, [COLLAPSE, [Munmap()]], "stevens-v1"),
    # Somebody wants to know what is missing.
    Never(HOLE, [COLLAPSE, [UffdRegister(), SeekHole(0)]], "stevens-v3"),
    Never(DATA, [COLLAPSE, QEMU], "linux-6.2", slow=True),
    Never(TAIL_REGISTERED, [COLLAPSE, [SeekHole(1), Touch(1, vma=1)]], "stevens-v3"),
    # Two collapses of the same range.
    Never(DATA, [COLLAPSE, COLLAPSE], "linux-4.8", slow=True),
    Never(HOLE, [COLLAPSE, COLLAPSE], "retry-during-scan", slow=True),
    # What was merged in 2023.
    Never(HOLE, [COLLAPSE, [Store(1)]], "linux-6.4", LINUX_6_4_MENDED),
    Never(REGISTERED, [COLLAPSE, [UffdCopy(1)]], "linux-6.4", LINUX_6_4_MENDED),
    Never(HOLE, [COLLAPSE, [UffdRegister(), SeekHole(0)]], "stevens-v3", LINUX_6_4_MENDED),
    Never(DATA, [COLLAPSE, QEMU], "linux-6.4", LINUX_6_4_MENDED, slow=True),
    # Three tasks, and larger pages.
    Never(HOLE, [COLLAPSE, [UffdRegister()], [SeekHole(0)]], "linux-6.2", slow=True),
    Never(HOLE, [COLLAPSE, [Load(1)], [SeekHole(0)]], "wilcox-2023-02", slow=True),
    Never(HOLE, [COLLAPSE, [Store(1)], [Mincore(1)]], "wilcox-2023-02", slow=True),
    Never(REGISTERED, [COLLAPSE, [UffdCopy(1)], [Load(1)]], "retry-during-scan", slow=True),
    Never(FOUR_PAGES, [COLLAPSE, [Store(1), PunchHole(2)]], "linux-6.4", slow=True),
)


def table() -> Iterator[str]:
    """The lines of the table, as Markdown, each as soon as it is known."""
    yield "| Program | World | Kernel | States | Runs | Seconds | Broken on |"
    yield "|---|---|---|---:|---:|---:|---|"
    for one in NEVER:
        began = time.monotonic()
        result = one.exhaust()
        seconds = time.monotonic() - began
        if not result.exhausted:
            sys.exit(f"{one}: {result.failure.verdict if result.failure else result.limit}")
        yield (
            f"| `{one.case.program}` | {describe(one.world)} | {one.kernel.name} | {result.states:,} | {result.runs:,} "
            f"| {seconds:.1f} | {one.broken_on} |"
        )


if __name__ == "__main__":
    for line in table():
        print(line, flush=True)  # noqa: T201 - a script
