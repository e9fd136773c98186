"""The museum: real bugs, each a file that replaces one function of a kernel in which it has been fixed.

``diff`` against the fixed function is the bug.  :data:`HISTORY` lists them in the order of the numbers that the
catalogue gives them.
"""

from __future__ import annotations

from typing import Final

from pagecache.history import (
    b01_data_looks_like_a_hole,
    b02_no_event,
    b03_frozen_huge_page,
    b04_hole_after_the_walk,
    b05_frozen_in_place,
    b06_uncounted_hole,
)
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import KERNELS_BY_NAME

__all__ = ["EVERY_KERNEL", "HISTORY", "HISTORY_BY_NAME", "Bug", "Focus", "Minimum"]

HISTORY: Final[tuple[Bug, ...]] = (
    b01_data_looks_like_a_hole.BUG,
    b02_no_event.BUG,
    b03_frozen_huge_page.BUG,
    b04_hole_after_the_walk.BUG,
    b05_frozen_in_place.BUG,
    b06_uncounted_hole.BUG,
)

HISTORY_BY_NAME: Final = {bug.kernel.name: bug for bug in HISTORY}
"""By the name of the kernel, like ``b06-uncounted-hole``."""

EVERY_KERNEL: Final = {**KERNELS_BY_NAME, **{bug.kernel.name: bug.kernel for bug in HISTORY}}
"""By name: the protocols, then the museum."""
