"""What *Never* stands on: the programs whose schedules are all tried, as a Markdown table.

    python tests/benchmarks/exhaustive.py [KERNEL ...]

For linux-6.4 the accounting is set aside, whose race is known (see fuzz/known.py).
"""

from __future__ import annotations

import sys
import time
from typing import Final

from fuzz.known import KNOWN
from fuzz.search.exhaustive import Exhausted, search
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import (
    Collapse,
    DontNeed,
    Fallocate,
    Load,
    Mincore,
    Mremap,
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
from pagecache.promises import DEFAULT_PROMISES
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case
from strategies.programs import named

Threads = tuple[tuple[Operation, ...], ...]

HOLE: Final = WorldSpec(("data", "hole"))
DATA: Final = WorldSpec(("data", "data"))
MISSING: Final = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
MAPPED: Final = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)),))

TWICE: Final = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)), VmaSpec()))

WORLDS: Final = {
    HOLE: "data, hole",
    DATA: "data, data",
    MISSING: "data, hole; registered",
    MAPPED: "data, data; mapped",
    TWICE: "data, data; mapped, and once more",
}

NEVER: Final[tuple[tuple[WorldSpec, Threads], ...]] = (
    (HOLE, ((Collapse(0),), (Load(1),))),
    (HOLE, ((Collapse(0),), (Store(1),))),
    (HOLE, ((Collapse(0),), (Read(1),))),
    (HOLE, ((Collapse(0),), (Write(1),))),
    (HOLE, ((Collapse(0),), (SeekHole(0), SeekData(1)))),
    (MISSING, ((Collapse(0),), (UffdCopy(1), Touch(1)))),
    (MISSING, ((Collapse(0),), (UffdZeropage(1),))),
    (HOLE, ((Collapse(0),), (UffdRegister(), SeekHole(1), Touch(1)))),
    (DATA, ((Collapse(0),), (UffdRegister(), PunchHole(1), Touch(1)))),
    (MAPPED, ((Collapse(0),), (Mincore(0), Mincore(1)))),
    (MAPPED, ((Collapse(0),), (PunchHole(1),))),
    (MAPPED, ((Collapse(0),), (Truncate(1),))),
    (MAPPED, ((Collapse(0),), (Munmap(),))),
    (MAPPED, ((Collapse(0),), (DontNeed(0, 2),))),
    (TWICE, ((Collapse(0),), (Mremap(0, 1),))),
    (HOLE, ((Collapse(0),), (Fallocate(0, 2),))),
    (HOLE, ((Collapse(0),), (Write(1),), (SeekData(1),))),
    (HOLE, ((Collapse(0),), (UffdRegister(),), (SeekHole(1),))),
    (MAPPED, ((Collapse(0),), (Store(1),), (Mincore(0),))),
    (MISSING, ((Collapse(0),), (UffdCopy(1),), (SeekHole(0),))),
    (HOLE, ((Collapse(0),), (Load(1),), (Mincore(1),))),
)
"""Worlds and programs, two tasks before three."""


def exhaust(kernel: str, world: WorldSpec, threads: Threads) -> Exhausted:
    """Try every schedule of the program, judged by all promises that the kernel is not known to break."""
    promises = [promise for promise in DEFAULT_PROMISES if promise.name not in KNOWN.get(kernel, {})]
    subject = Subject(KERNELS_BY_NAME[kernel], promises)
    case = Case(kernel, world, named(threads))
    return search(lambda: subject.execution(case))


def main(kernels: list[str]) -> None:
    """Print the table."""
    print("| World | Program | " + " | ".join(f"{kernel}: states | runs" for kernel in kernels) + " |")
    print("|---|---|" + "---:|---:|" * len(kernels))
    began = time.monotonic()
    for world, threads in NEVER:
        cells = []
        for kernel in kernels:
            done = exhaust(kernel, world, threads)
            assert done.exhausted, done.limit
            assert done.failure is None, done.failure
            cells += [f"{done.states:,}", f"{done.runs:,}"]
        program = " \\|\\| ".join("; ".join(map(repr, thread)) for thread in threads)
        print(f"| {WORLDS[world]} | `{program}` | {' | '.join(cells)} |", flush=True)
    print(f"\nAll of them: {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main(sys.argv[1:] or ["linux-6.4", "linux-2026"])
