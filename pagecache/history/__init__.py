"""The museum: real bugs, each a file that replaces one function of a kernel in which it has been fixed.

``diff`` against the fixed function is the bug.  :data:`HISTORY` lists them in the order of the numbers that the
catalogue gives them.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import KERNELS_BY_NAME

__all__ = ["EVERY_KERNEL", "HISTORY", "HISTORY_BY_NAME", "Bug", "Focus", "Minimum"]

HISTORY: Final[tuple[Bug, ...]] = ()

HISTORY_BY_NAME: Final = {bug.name: bug for bug in HISTORY}

EVERY_KERNEL: Final = {**KERNELS_BY_NAME, **{bug.name: bug.kernel for bug in HISTORY}}
"""By name: the protocols, then the museum."""
