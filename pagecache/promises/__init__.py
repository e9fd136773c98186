"""What the kernel promises, each promise with a watcher, and what a search must have reached.

:mod:`pagecache.promises.promise` is the shape; every other module here is one idea.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from pagecache.promises.accounting import CountWatcher
from pagecache.promises.availability import UndisturbedCollapseWatcher, UndisturbedSplitWatcher
from pagecache.promises.data_race import DataRaceWatcher
from pagecache.promises.limits import LimitsWatcher
from pagecache.promises.linearizable import SparseFileWatcher
from pagecache.promises.locking import AtomicWatcher, OrderWatcher, ReleaseWatcher, SpinWatcher
from pagecache.promises.minor import MinorWatcher
from pagecache.promises.promise import Promise, Watcher
from pagecache.promises.punching import SlipsInOnceWatcher
from pagecache.promises.references import LeakWatcher, ReferenceWatcher
from pagecache.promises.reserving import GivesUpWatcher, StaysReservedWatcher
from pagecache.promises.shrinklist import ShrinklistWatcher
from pagecache.promises.sometimes import SOMETIMES, SightingsWatcher, Sometimes
from pagecache.promises.structure import CursorWatcher, PlaceholderWatcher, RetryWatcher, SlotWatcher
from pagecache.promises.userfaultfd import ObservedMissingWatcher, RegisteredWatcher
from pagecache.promises.waking import WakingWatcher
from pagecache.promises.write_notify import WriteNotifyWatcher
from pagecache.promises.write_protection import WriteProtectWatcher

__all__ = [
    "DEFAULT_PROMISES",
    "PROMISES",
    "PROMISES_BY_NAME",
    "SOMETIMES",
    "Promise",
    "SightingsWatcher",
    "Sometimes",
    "Watcher",
    "judged",
]

PROMISES: Final[tuple[Promise, ...]] = (
    # What user space sees.
    Promise(
        "every_call_is_explained_by_a_sparse_file",
        SparseFileWatcher,
        "contents, holes, sizes and errors; and no page is lost in the end",
    ),
    Promise(
        "a_page_observed_missing_is_not_filled_without_an_event",
        ObservedMissingWatcher,
        "userfaultfd, as David Stevens put it on v1, February 2023",
    ),
    Promise(
        "nothing_is_filled_after_register_returned",
        RegisteredWatcher,
        "userfaultfd, the stronger reading: Peter Xu on v1, February 2023",
        default=False,
    ),
    Promise(
        "a_write_protected_page_is_not_written_without_an_event",
        WriteProtectWatcher,
        "userfaultfd.rst: UFFDIO_WRITEPROTECT, whatever memory management does to the page meanwhile",
    ),
    Promise(
        "a_page_that_was_there_is_not_mapped_without_a_minor_event",
        MinorWatcher,
        "userfaultfd.rst: UFFDIO_REGISTER_MODE_MINOR, uffd_disable_fault_around()",
    ),
    Promise(
        "a_fault_that_waits_for_user_space_holds_no_lock_and_is_woken",
        WakingWatcher,
        'handle_userfault(), wake_userfault(): "so they will not hang indefinitely"',
    ),
    Promise(
        "khugepaged_keeps_its_limits",
        LimitsWatcher,
        "max_ptes_none and max_ptes_swap count pages: d60fcaf00d75",
    ),
    Promise(
        "a_collapse_that_nobody_disturbs_succeeds",
        UndisturbedCollapseWatcher,
        "c8a8f3b4a95a: MADV_COLLAPSE always failed with EAGAIN",
    ),
    Promise(
        "a_split_that_nobody_disturbs_succeeds",
        UndisturbedSplitWatcher,
        "split_huge_pages in debugfs, as its selftest uses it",
    ),
    Promise(
        "a_fault_slips_once_into_a_hole_that_is_punched",
        SlipsInOnceWatcher,
        "shmem_falloc_wait(), CVE-2014-4171: the hole punch ends, however many others keep faulting",
    ),
    Promise(
        "fallocate_gives_up_if_reclaim_wants_more_than_it_reserved",
        GivesUpWatcher,
        "nr_falloced and nr_unswapped of struct shmem_falloc: 1aac1400319d, d77b90d2b264",
    ),
    Promise(
        "what_fallocate_has_reserved_stays_reserved",
        StaysReservedWatcher,
        "fallocate(2), with FALLOC_FL_KEEP_SIZE behind the end of the file, too: d144bf620534",
    ),
    # What the kernel relies on.
    Promise(
        "every_slot_points_to_a_live_folio_that_agrees",
        SlotWatcher,
        "folio->mapping and folio->index: filemap_get_entry(), find_lock_entries()",
    ),
    Promise(
        "a_cursor_finds_what_is_there",
        CursorWatcher,
        "xas_next() and its kin under the xa_lock: e8c716bc6812",
    ),
    Promise(
        "no_retry_entry_is_left_behind",
        RetryWatcher,
        "XA_RETRY_ENTRY: a lookup would spin for ever",
    ),
    Promise(
        "no_placeholder_is_left_behind",
        PlaceholderWatcher,
        "a huge folio in the page cache becomes uptodate",
    ),
    Promise(
        "every_reference_is_accounted_for",
        ReferenceWatcher,
        "one for each slot and each page-table entry, none locked, frozen or isolated, in the end",
    ),
    Promise(
        "nothing_leaks",
        LeakWatcher,
        "what is alive in the end can be reached",
    ),
    Promise(
        "nrpages_alloced_and_i_blocks_agree",
        CountWatcher,
        "BUG_ON(nrpages) in clear_inode(), aaa52e340073",
    ),
    Promise(
        "the_shrinklist_holds_together",
        ShrinklistWatcher,
        "the files that memory pressure may split, and their number: 62c9827cbb99",
    ),
    Promise(
        "a_store_to_a_clean_page_is_noticed",
        WriteNotifyWatcher,
        "whoever counts dirty pages, and writes them back: d08b3851da41",
    ),
    # How it gets there.
    Promise(
        "no_task_sleeps_in_atomic_context",
        AtomicWatcher,
        "might_sleep() under a spinlock or rcu_read_lock()",
    ),
    Promise(
        "no_lookup_spins_on_a_sleeping_task",
        SpinWatcher,
        "frozen reference counts and RETRY entries: Hugh Dickins on v5, March 2023",
    ),
    Promise(
        "locks_are_taken_in_order",
        OrderWatcher,
        "the comments above mm/rmap.c and mm/filemap.c, folio_lock()",
    ),
    Promise(
        "locks_are_released",
        ReleaseWatcher,
        "no operation returns to user space with a lock",
    ),
    Promise(
        "no_plain_access_races",
        DataRaceWatcher,
        "data races, as KCSAN reports them; several are known and left as they are",
        default=False,
    ),
)

DEFAULT_PROMISES: Final = tuple(promise for promise in PROMISES if promise.default)
"""All but the alternative readings, and what many take for harmless."""

PROMISES_BY_NAME: Final = {promise.name: promise for promise in PROMISES}


def judged(*, without: Container[str] = (), also: Container[str] = ()) -> list[Promise]:
    """The promises that are judged by default but for some, and some of the others; both by name."""
    return [one for one in PROMISES if one.name not in without and (one.default or one.name in also)]
