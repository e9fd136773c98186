"""Faults that only a CPU with a store buffer shows."""

from __future__ import annotations

from typing import Any, Final

from mutant import Mutant

__all__ = ["BARRIER_MUTANTS"]

BUFFERED: Final[dict[str, tuple[Any, ...]]] = {
    "store_buffers": (True,),
    "hpage_order": (1,),
    "huge_pages": (1,),
    "vmas": (1,),
    "large": ((),),
}

BARRIER_MUTANTS: Final = (
    Mutant(
        "no-barrier-behind-the-retry-entries",
        "mended/any_vma_missing.py",
        "barrier",
        """
-    await smp_mb()
""",
        features={**BUFFERED, "pages": ("data", "hole"), "vma.missing": (False,)},
        operations=("Collapse", "UffdRegister", "SeekHole", "Mincore"),
    ),
    Mutant(
        "no-barrier-behind-nr-thps",
        "mended/regular.py",
        "barrier",
        """
-        await smp_mb()
""",
        features={**BUFFERED, "backing": ("file",), "pages": ("data",), "vma.writable": (False,)},
        operations=("Collapse", "Write", "OpenWrite"),
    ),
)
