"""For each promise a fault that no other promise sees, in a case in which nothing else is visible of it.

Two tricks make a case blind to the rest.  Where a thread sleeps in the end, because nobody serves its userfaultfd
(the ``Load(3)`` of some cases), the inode is not evicted, so that its assertions see nothing.  And an operation that
nobody follows leaves its mistakes to those who look at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mutants import (
    ALLOCATES_UNDER_THE_XA_LOCK,
    ASKS_THE_VMAS_WITHOUT_THE_XA_LOCK,
    CLEARS_NO_HOLES,
    CURSOR_STANDS_STILL,
    FORGETS_ITS_HOLES,
    FORGETS_TO_COUNT,
    FREES_BEFORE_THE_STORE,
    KEEPS_STORES_A_SECRET,
    LEAVES_A_PLACEHOLDER,
    LOOKS_WITH_A_MOVED_CURSOR,
    MAPS_WHAT_IT_FINDS,
    NEVER_FREES,
    PROTECTS_WITHOUT_A_FLUSH,
    PUTS_ONE_TOO_MANY,
    REFUSES_TO_SPLIT,
    SLEEPS_WITHOUT_A_SECOND_LOOK,
    TRIES_WITHOUT_MEMORY,
    WAITS_FOR_THE_MMAP_LOCK,
    WITHOUT_NRPAGES_ROLLBACK,
    WITHOUT_PUTBACK,
    WITHOUT_RCU_UNLOCK,
    WITHOUT_RETRY_ROLLBACK,
    WITHOUT_TLB_FLUSH,
    WITHOUT_UFFD_CHECK,
    Mutant,
)

from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.operations import (
    Collapse,
    Fallocate,
    Khugepaged,
    Load,
    Operation,
    PageOut,
    PunchHole,
    SeekHole,
    Shrink,
    Split,
    Store,
    Touch,
    UffdCopy,
    UffdWriteProtect,
)
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure
from strategies.programs import named

__all__ = ["ISOLATED", "Isolated"]


@dataclass(frozen=True, slots=True)
class Isolated:
    """A fault that only one promise reports.

    Args:
        promise: its name.
        fault: a mutant, or a kernel of the table that is broken as it is.
        world: where it shows.
        threads: what the tasks do.
        schedule: when.
        failures: what has to fail for it.
    """

    promise: str
    fault: Mutant | str
    world: WorldSpec
    threads: Sequence[Sequence[Operation]]
    schedule: tuple[Deviation, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def kernel(self) -> Kernel:
        """The kernel with the fault."""
        return self.fault.kernel() if isinstance(self.fault, Mutant) else EVERY_KERNEL[self.fault]

    @property
    def sound(self) -> Kernel:
        """The kernel without it."""
        return EVERY_KERNEL[self.fault.of if isinstance(self.fault, Mutant) else "linux-2026"]

    @property
    def case(self) -> Case:
        """What to run."""
        program = named(tuple(thread) for thread in self.threads)
        return Case(self.kernel.name, self.world, program, self.schedule, self.failures)


DATA_HOLE = WorldSpec(("data", "hole"))
REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
RESERVED = WorldSpec(("unwritten", "unwritten"))
SLEEPS_AT_3 = WorldSpec(("data", "hole", "hole", "hole"), size=4, vmas=(VmaSpec(end=4, missing=True),))
FULL_SLEEPS_AT_3 = WorldSpec(("data", "data", "hole", "hole"), size=4, vmas=(VmaSpec(end=4, missing=True),))
MAPPED = WorldSpec(vmas=(VmaSpec(mapped=(0,)),))
TAIL_MAPPED = WorldSpec(vmas=(VmaSpec(), VmaSpec("B", 1, 2, mapped=(1,))))
HUGE_ALWAYS = WorldSpec(("hole", "hole", "data", "data"), size=4, vmas=(VmaSpec(end=4),), huge="always")

NO_MEMORY = (Failure("khugepaged", "xas_create_range", 1),)

ISOLATED = (
    # What user space sees.
    Isolated("every_call_is_explained_by_a_sparse_file", CLEARS_NO_HOLES, DATA_HOLE, [[Collapse(0)]]),
    Isolated(
        "a_page_observed_missing_is_not_filled_without_an_event",
        WITHOUT_UFFD_CHECK,
        REGISTERED,
        [[SeekHole(1), Collapse(0)]],
    ),
    # Nobody has looked, so only the stronger reading is broken.
    Isolated("nothing_is_filled_after_register_returned", WITHOUT_UFFD_CHECK, REGISTERED, [[Collapse(0)]]),
    # The second store goes by what the TLB still has.
    Isolated(
        "a_write_protected_page_is_not_written_without_an_event",
        PROTECTS_WITHOUT_A_FLUSH,
        WorldSpec(vmas=(VmaSpec(mapped=(0,), wp=True),)),
        [[Store(0), UffdWriteProtect(0), Store(0)]],
    ),
    # What is loaded is what user space would have let it see.
    Isolated(
        "a_page_that_was_there_is_not_mapped_without_a_minor_event",
        MAPS_WHAT_IT_FINDS,
        WorldSpec(vmas=(VmaSpec(minor=True),)),
        [[Load(0)]],
    ),
    # The page comes before the fault is in the queue, where nobody could wake it.
    Isolated(
        "a_fault_that_waits_for_user_space_holds_no_lock_and_is_woken",
        SLEEPS_WITHOUT_A_SECOND_LOOK,
        WorldSpec(("hole", "data"), vmas=(VmaSpec(missing=True),)),
        [[Load(0)], [UffdCopy(0)]],
        (Deviation("load", "handle_userfault", 1, "uffd"),),
    ),
    Isolated("a_collapse_that_nobody_disturbs_succeeds", CURSOR_STANDS_STILL, WorldSpec(), [[Collapse(0)]]),
    Isolated("a_split_that_nobody_disturbs_succeeds", REFUSES_TO_SPLIT, WorldSpec(large=((0, 1),)), [[Split(0)]]),
    # It gives up what it should have collapsed, or here: collapses what it should have given up.
    Isolated(
        "khugepaged_keeps_its_limits",
        "b21-folios-against-limits",
        WorldSpec(("swapped", "swapped", "data", "data"), 2, 4, (VmaSpec(end=4),), ((0, 1),)),
        [[Khugepaged(0, max_ptes_none=2, max_ptes_swap=1)]],
    ),
    Isolated(
        "a_fault_slips_once_into_a_hole_that_is_punched",
        "b34-faults-starve-a-punch",
        WorldSpec(),
        [[PunchHole(0)], [Touch(0)]],
        (
            Deviation("punch", "folio_put_refs", 1, "touch"),
            Deviation("touch", "up_read", 1, "punch"),
            Deviation("punch", "folio_put_refs", 2, "touch"),
        ),
    ),
    Isolated(
        "fallocate_gives_up_if_reclaim_wants_more_than_it_reserved",
        "b40-folios-for-pages",
        HUGE_ALWAYS,
        [[Fallocate(0, 3)], [PageOut(0), PageOut(0)]],
        (Deviation("fallocate", "signal_pending", 2, "reclaim"),),
    ),
    Isolated(
        "what_fallocate_has_reserved_stays_reserved",
        "b52-reserved-behind-the-end",
        WorldSpec(("hole", "hole"), size=1, huge="always"),
        [[Fallocate(0, 2, keep_size=True), Split(0)]],
    ),
    # What the kernel relies on.
    Isolated(
        "every_slot_points_to_a_live_folio_that_agrees",
        FREES_BEFORE_THE_STORE,
        WorldSpec(),
        [[Collapse(0)], [SeekHole(0)]],
        (Deviation("khugepaged", "xas_store", 1, "lseek"),),
    ),
    # It only looks, and does nothing about what it finds.
    Isolated("a_cursor_finds_what_is_there", LOOKS_WITH_A_MOVED_CURSOR, WorldSpec(), [[Collapse(0)]]),
    # The hole is still charged for, so the counts take the RETRY entry for the page that it is counted as.
    Isolated("no_retry_entry_is_left_behind", FORGETS_ITS_HOLES, SLEEPS_AT_3, [[Collapse(0)], [Load(3)]]),
    # The placeholder holds what was there before, namely nothing yet; and the collapse says that it failed.
    Isolated("no_placeholder_is_left_behind", LEAVES_A_PLACEHOLDER, RESERVED, [[Collapse(0)]]),
    Isolated("every_reference_is_accounted_for", WITHOUT_PUTBACK, REGISTERED, [[Collapse(0)]]),
    # Without a reference and without being free, a page looks right to whoever only compares counts.
    Isolated("nothing_leaks", NEVER_FREES, FULL_SLEEPS_AT_3, [[Collapse(0)], [Load(3)]]),
    Isolated("nrpages_alloced_and_i_blocks_agree", WITHOUT_NRPAGES_ROLLBACK, SLEEPS_AT_3, [[Collapse(0)], [Load(3)]]),
    Isolated(
        "the_shrinklist_holds_together",
        FORGETS_TO_COUNT,
        WorldSpec(huge="always", others=("pinned",)),
        [[Shrink()]],
    ),
    # The page-table entry is dirty, so that nothing is lost; but nobody hears of the store before it is taken out.
    Isolated(
        "a_store_to_a_clean_page_is_noticed",
        KEEPS_STORES_A_SECRET,
        WorldSpec(vmas=(VmaSpec(mapped=(0,), writable=True),), backing="file"),
        [[Store(0)]],
    ),
    # How it gets there.
    Isolated(
        "no_task_sleeps_in_atomic_context",
        ALLOCATES_UNDER_THE_XA_LOCK,
        DATA_HOLE,  # the tree has no node yet
        [[Collapse(0)]],
        failures=NO_MEMORY,
    ),
    Isolated(
        "no_lookup_spins_on_a_sleeping_task",
        ASKS_THE_VMAS_WITHOUT_THE_XA_LOCK,
        DATA_HOLE,
        [[Collapse(0)], [SeekHole(1)]],
        (Deviation("khugepaged", "down_read", 2, "lseek"),),
    ),
    Isolated("locks_are_taken_in_order", WAITS_FOR_THE_MMAP_LOCK, MAPPED, [[Collapse(0)]]),
    Isolated("locks_are_released", WITHOUT_RCU_UNLOCK, WorldSpec(), [[SeekHole(0)]]),
    # nrpages is lowered without the xa_lock, but nobody else changes it between the read and the write.
    Isolated(
        "no_plain_access_races",
        "b19-rollback-without-the-lock",
        REGISTERED,
        [[Collapse(0)], [UffdCopy(1)]],
        (Deviation("khugepaged", "nrpages", 1, "uffd"),),
    ),
    # What the engine judges.  The RETRY entry that is left behind is no watcher's yet: the run does not come to an end.
    Isolated("no_deadlock", WITHOUT_RETRY_ROLLBACK, REGISTERED, [[Collapse(0)], [SeekHole(1)]]),
    Isolated("no_livelock", TRIES_WITHOUT_MEMORY, DATA_HOLE, [[Collapse(0)]], failures=NO_MEMORY),
    Isolated("no_kernel_assertion_fails", PUTS_ONE_TOO_MANY, WorldSpec(), [[Collapse(0)]]),
    # The other mapping is not retracted, and its TLB entry stays.
    Isolated(
        "no_freed_memory_is_used",
        WITHOUT_TLB_FLUSH,
        TAIL_MAPPED,
        [[Load(1, vma=1), Load(1, vma=1)], [Collapse(0)]],
        (Deviation("load", "load", 2, "khugepaged"),),
    ),
    Isolated(
        "the_kernel_does_not_oops",
        "wilcox-2023-02-literal",
        WorldSpec(),
        [[Collapse(0)]],
        failures=(Failure("khugepaged", "copy_mc_highpage", 1),),
    ),
)
