"""The names that an entry may use, and what each promise says."""

from __future__ import annotations

from typing import Final

from fuzz.corpus.entry_reader import Vocabulary
from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.promises import PROMISES

__all__ = ["ENGINE_PROMISES", "promise_summaries", "vocabulary"]

ENGINE_PROMISES: Final = {
    "no_deadlock": "somebody can run until everybody has finished, or waits for user space only",
    "no_livelock": "under a fair scheduler everybody finishes",
    "no_kernel_assertion_fails": "VM_BUG_ON_FOLIO() and its relatives",
    "no_freed_memory_is_used": "folios, page tables and VMAs",
    "the_kernel_does_not_oops": "no pointer leads nowhere",
}
"""What the engine judges itself, in every run."""


def vocabulary(kernel: Kernel | None = None) -> Vocabulary:
    """All kernels and promises.

    Args:
        kernel: one more, from a file.
    """
    names = list(EVERY_KERNEL)
    if kernel is not None and kernel.name not in names:
        names.append(kernel.name)
    return Vocabulary(names, list(promise_summaries()))


def promise_summaries() -> dict[str, str]:
    """Each promise with its line for the list."""
    return {promise.name: promise.summary for promise in PROMISES} | ENGINE_PROMISES
