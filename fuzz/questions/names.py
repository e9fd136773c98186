"""Short names of promises and kernels, for the tables of propositions."""

from __future__ import annotations

from typing import Final

LOST: Final = "every_call_is_explained_by_a_sparse_file"
UFFD: Final = "a_page_observed_missing_is_not_filled_without_an_event"
FILLED: Final = "nothing_is_filled_after_register_returned"
ACCOUNTING: Final = "nrpages_alloced_and_i_blocks_agree"
SPINS: Final = "no_lookup_spins_on_a_sleeping_task"
DEADLOCK: Final = "no_deadlock"
ASSERTION: Final = "no_kernel_assertion_fails"
FREED: Final = "no_freed_memory_is_used"

MERGED: Final = ("linux-6.4", "linux-2026")
