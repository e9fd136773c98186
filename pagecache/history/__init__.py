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
    b07_uptodate_before_data,
    b08_cursor_stands_still,
    b09_stale_cursor,
    b10_slot_kept_without_the_lock,
    b11_asks_who_maps_the_head,
    b12_hole_store_fails,
    b13_create_range_fails,
    b13_spare_node_leaks,
    b14_rollback_forgets_nrpages,
    b15_huge_page_already_there,
    b16_written_back_page,
    b17_dirty_after_the_test,
    b18_opened_for_writing,
    b18_tail_of_a_huge_page,
    b19_rollback_without_the_lock,
    b20_poisoned_source,
    b21_folios_against_limits,
    b22_table_freed_under_a_walk,
    b23_gup_fast_looks_once,
    b23_table_freed_under_gup_fast,
    b24_marker_lost,
    b25_sibling_became_a_node,
    b26_stale_nodes,
    b27_an_entry_for_each_page,
    b28_split_too_early,
    b29_outdated_order,
    b30_endless_retry,
    b31_skip_swapcache,
    b32_device_gone,
    b33_dirty_before_the_count,
    b34_faults_starve_a_punch,
    b35_fault_takes_the_inode_lock,
    b36_still_mapped,
    b37_mapped_beyond_i_size,
    b38_put_while_on_our_list,
    b39_memory_failure_truncates,
    b40_folios_for_pages,
    b41_copied_page_not_dirty,
    b42_copied_page_not_freed,
    b43_pages_beyond_the_folio,
    b44_split_in_the_wrong_place,
    b45_fault_around_behind_i_size,
    b46_fault_that_never_ends,
    b47_huge_page_truncated_whole,
    b48_folio_of_another_index,
    b49_page_table_taken_under_a_copy,
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
    b07_uptodate_before_data.BUG,
    b08_cursor_stands_still.BUG,
    b09_stale_cursor.BUG,
    b10_slot_kept_without_the_lock.BUG,
    b11_asks_who_maps_the_head.BUG,
    b12_hole_store_fails.BUG,
    b13_create_range_fails.BUG,
    b13_spare_node_leaks.BUG,
    b14_rollback_forgets_nrpages.BUG,
    b15_huge_page_already_there.BUG,
    b16_written_back_page.BUG,
    b17_dirty_after_the_test.BUG,
    b18_opened_for_writing.BUG,
    b18_tail_of_a_huge_page.BUG,
    b19_rollback_without_the_lock.BUG,
    b20_poisoned_source.BUG,
    b21_folios_against_limits.BUG,
    b22_table_freed_under_a_walk.BUG,
    b23_gup_fast_looks_once.BUG,
    b23_table_freed_under_gup_fast.BUG,
    b24_marker_lost.BUG,
    b25_sibling_became_a_node.BUG,
    b26_stale_nodes.BUG,
    b27_an_entry_for_each_page.BUG,
    b28_split_too_early.BUG,
    b29_outdated_order.BUG,
    b30_endless_retry.BUG,
    b31_skip_swapcache.BUG,
    b32_device_gone.BUG,
    b33_dirty_before_the_count.BUG,
    b34_faults_starve_a_punch.BUG,
    b35_fault_takes_the_inode_lock.BUG,
    b36_still_mapped.BUG,
    b37_mapped_beyond_i_size.BUG,
    b38_put_while_on_our_list.BUG,
    b39_memory_failure_truncates.BUG,
    b40_folios_for_pages.BUG,
    b41_copied_page_not_dirty.BUG,
    b42_copied_page_not_freed.BUG,
    b43_pages_beyond_the_folio.BUG,
    b44_split_in_the_wrong_place.BUG,
    b45_fault_around_behind_i_size.BUG,
    b46_fault_that_never_ends.BUG,
    b47_huge_page_truncated_whole.BUG,
    b48_folio_of_another_index.BUG,
    b49_page_table_taken_under_a_copy.BUG,
)

HISTORY_BY_NAME: Final = {bug.kernel.name: bug for bug in HISTORY}
"""By the name of the kernel, like ``b06-uncounted-hole``."""

EVERY_KERNEL: Final = {
    **KERNELS_BY_NAME,
    **{bug.fixed.name: bug.fixed for bug in HISTORY},
    **{bug.kernel.name: bug.kernel for bug in HISTORY},
}
"""By name: the protocols, then the museum and the kernels that its bugs were put into."""
