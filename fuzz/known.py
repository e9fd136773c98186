"""What is known to be broken, and who said so: the expected failures of ``pytest fuzz/``.

Not finding one of these fails the run, as much as finding anything else.  Each reason names the proposition of the
thread, or the commit, that says what is wrong.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["KNOWN", "UNCHARGE_RACE"]

UNCHARGE_RACE: Final = (
    "until 6.6 a rollback lowers nrpages, then shmem_uncharge() lowers alloced by as much; "
    "a shmem_recalc_inode() between the two takes the difference for pages that were dropped, and lowers it first"
)

ACCOUNTING: Final = "nrpages_alloced_and_i_blocks_agree"

KNOWN: Final = MappingProxyType(
    {
        "linux-4.8": {
            "no_lookup_spins_on_a_sleeping_task": "P28: the new page was frozen, which was unnecessary (87c460a0bded)",
        },
        "linux-6.2": {
            "every_call_is_explained_by_a_sparse_file": "P30: data looks like a hole meanwhile (a2e17cc2efc7)",
            "a_page_observed_missing_is_not_filled_without_an_event": "P21: nobody asks a userfaultfd (ac492b9c70ca)",
        },
        "stevens-v1": {
            "no_task_sleeps_in_atomic_context": "the mmap_lock is taken under the xa_lock; P19 would come next",
        },
        "stevens-v2": {
            "every_call_is_explained_by_a_sparse_file": "P30: what was present still looks like a hole",
        },
        "wilcox-2023-02": {
            "every_call_is_explained_by_a_sparse_file": "P2, P5: a fault fills a hole, and its page is lost",
        },
        "wilcox-2023-02-literal": {
            "every_slot_points_to_a_live_folio_that_agrees": "slots point to old folios that have been let go",
        },
        "retry-during-scan": {
            "no_lookup_spins_on_a_sleeping_task": "P4, P29, Peter Xu: is it legal to spin on RETRY meanwhile?",
        },
        "stevens-v3": {
            "a_page_observed_missing_is_not_filled_without_an_event": (
                "P5: the walk over the VMAs asks who maps the first page only (changelog of v6)"
            ),
        },
        "stevens-v5": {
            "no_lookup_spins_on_a_sleeping_task": "P23, Hugh Dickins' NAK: old pages left discoverable and frozen",
        },
        "linux-6.4": {ACCOUNTING: UNCHARGE_RACE},
    }
)
"""By kernel, the promises that it must be found to break, each with the reason."""
