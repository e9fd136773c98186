"""What was said on linux-mm in February and March 2023, as executable questions.

The numbers are those of the project's list of propositions.  Where the answer is not the one that the list
expects, the test says so.
"""

from __future__ import annotations

import pytest
from mutants import (
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,
    WITHOUT_RECHECK,
)
from questions import ACCOUNTING, ASSERTION, DEADLOCK, LOST, REGISTERED, SPINS, UFFD, never, reach
from windows import (
    NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
    NOTHING_IS_INSERTED_DURING_THE_COPY,
    REGISTER_DOES_NOT_COME_BETWEEN,
)

from pagecache.operations import (
    Collapse,
    Load,
    Mincore,
    PunchHole,
    SeekData,
    SeekHole,
    Store,
    Touch,
    UffdCopy,
    UffdRegister,
    Write,
)
from pagecache.world import VmaSpec, WorldSpec

HOLE_DATA = WorldSpec(("hole", "data"))
DATA_HOLE = WorldSpec(("data", "hole"))
DATA_DATA = WorldSpec(("data", "data"))
REGISTERED_HOLE = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
MAPPED = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(1,)),))
ALL_MAPPED = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)),))
TAIL_REGISTERED = WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", 1, 2, missing=True)))
FOUR_PAGES = WorldSpec(("data", "hole", "data", "data"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))
ENDS_IN_A_HOLE = WorldSpec(("data", "data", "data", "hole"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))

MERGED = ("linux-6.4", "linux-2026")


class TestP1:
    """Peter Xu: with holes left NULL, a new page can be inserted while khugepaged copies."""

    @pytest.mark.parametrize("kernel", ["wilcox-2023-02", *MERGED])
    def test_reached_where_the_copy_precedes_the_store(self, kernel: str) -> None:
        reach(kernel, DATA_HOLE, [Collapse(0)], [Load(1)], promise=NOTHING_IS_INSERTED_DURING_THE_COPY, deviations=1)

    @pytest.mark.parametrize("kernel", ["linux-6.2", "stevens-v2"])
    def test_never_where_the_store_precedes_the_copy(self, kernel: str) -> None:
        assert never(kernel, DATA_HOLE, [Collapse(0)], [Load(1)], promise=NOTHING_IS_INSERTED_DURING_THE_COPY)


class TestP2:
    """David Stevens: "this particular race can't happen with either patch"."""

    def test_it_happens_with_matthews(self) -> None:
        reach("wilcox-2023-02", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST, deviations=1)

    def test_with_v2_a_page_is_inserted(self) -> None:
        promise = NOTHING_IS_INSERTED_DURING_A_COLLAPSE
        reach("stevens-v2", DATA_HOLE, [Collapse(0)], [Store(1)], promise=promise, deviations=1)

    def test_with_v2_it_is_never_lost(self) -> None:
        assert never("stevens-v2", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST)


class TestP3:
    """Matthew Wilcox: something has to be in the slot, it cannot be NULL.  Sufficient, not necessary."""

    def test_null_and_no_recheck_loses_a_page(self) -> None:
        reach("wilcox-2023-02", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST, deviations=1)

    def test_null_and_no_recheck_leaves_wrong_counts(self) -> None:
        reach("wilcox-2023-02", DATA_HOLE, [Collapse(0)], [Store(1)], promise=ACCOUNTING, deviations=1)

    def test_null_and_a_recheck_never_does(self) -> None:
        assert never("stevens-v2", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST)
        assert never("linux-2026", DATA_HOLE, [Collapse(0)], [Store(1)], promise=ACCOUNTING)

    def test_the_recheck_is_what_does_it(self) -> None:
        reach(WITHOUT_RECHECK.kernel(), DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST, deviations=1)


class TestP5:
    """Matthew Wilcox: "both David's patch and mine are wrong"."""

    def test_matthews_loses_data_with_two_tasks_and_one_preemption(self) -> None:
        run = reach("wilcox-2023-02", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST, deviations=1)
        assert run.preemptions == 1

    def test_davids_never_loses_data(self) -> None:
        assert never("stevens-v2", DATA_HOLE, [Collapse(0)], [Store(1)], promise=LOST)

    def test_davids_suppresses_an_event_after_a_lockless_look(self) -> None:
        reach("stevens-v2", DATA_HOLE, [Collapse(0)], [UffdRegister(), SeekHole(1)], promise=UFFD, deviations=1)
        reach("stevens-v2", DATA_HOLE, [Collapse(0)], [UffdRegister(), Mincore(1)], promise=UFFD, deviations=1)

    def test_davids_forgets_who_maps_only_the_tail(self) -> None:
        reach("stevens-v2", TAIL_REGISTERED, [SeekHole(1), Collapse(0)], promise=UFFD, deviations=0)


class TestP6:
    """David Stevens: present pages are locked, so an equal number of holes means that nobody filled one."""

    @pytest.mark.parametrize("kernel", ["stevens-v2", "linux-6.4"])
    def test_never_refuted(self, kernel: str) -> None:
        assert never(kernel, FOUR_PAGES, [Collapse(0)], [Store(1), PunchHole(2)], promise=LOST)

    def test_unlocking_the_pages_before_breaks_it(self) -> None:
        # Fill one, remove another: the counts are equal, and the removed page is freed a second time.
        kernel = WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK.kernel()
        reach(kernel, FOUR_PAGES, [Collapse(0)], [Store(1), PunchHole(2)], promise=ASSERTION, deviations=1)

    def test_counting_only_up_to_the_last_present_page_breaks_it(self) -> None:
        kernel = RECHECK_UP_TO_THE_LAST_PRESENT_PAGE.kernel()
        reach(kernel, ENDS_IN_A_HOLE, [Collapse(0)], [Store(3)], promise=LOST, deviations=1)


class TestP10:
    """Peter Xu: lseek can see a hole after the VMAs were asked and before the store."""

    @pytest.mark.parametrize("look", [SeekHole(1), SeekData(1), Mincore(1)])
    def test_reached_in_v2(self, look: SeekHole) -> None:
        reach("stevens-v2", DATA_HOLE, [Collapse(0)], [UffdRegister(), look], promise=UFFD, deviations=1)

    @pytest.mark.parametrize("kernel", ["stevens-v3", "stevens-v5", *MERGED])
    def test_never_since_v3(self, kernel: str) -> None:
        assert never(kernel, DATA_HOLE, [Collapse(0)], [UffdRegister(), SeekHole(1)], promise=UFFD)
        assert never(kernel, DATA_HOLE, [Collapse(0)], [UffdRegister(), Mincore(1)], promise=UFFD)


class TestP12:
    """David Stevens: a registration that races with a collapse is harmless if nothing was observed meanwhile."""

    @pytest.mark.parametrize("kernel", MERGED)
    def test_register_can_come_between_the_walk_and_the_store(self, kernel: str) -> None:
        promise = REGISTER_DOES_NOT_COME_BETWEEN
        reach(kernel, DATA_HOLE, [Collapse(0)], [UffdRegister()], promise=promise, deviations=1)

    @pytest.mark.parametrize("kernel", MERGED)
    def test_what_was_observed_missing_is_never_filled(self, kernel: str) -> None:
        assert never(kernel, DATA_HOLE, [Collapse(0)], [UffdRegister(), SeekHole(1), Touch(1)], promise=UFFD)

    @pytest.mark.parametrize("kernel", MERGED)
    def test_the_stronger_reading_does_not_hold(self, kernel: str) -> None:
        reach(kernel, DATA_HOLE, [Collapse(0)], [UffdRegister()], promise=REGISTERED, deviations=1)


class TestP16:
    """Kirill Shutemov: write(2) can fill the hole as well.  So it can, and user space has nobody else to blame."""

    @pytest.mark.parametrize("kernel", MERGED)
    def test_a_write_fills_a_page_that_was_observed_missing(self, kernel: str) -> None:
        promise = NOTHING_IS_INSERTED_DURING_A_COLLAPSE
        reach(kernel, REGISTERED_HOLE, [Collapse(0)], [SeekHole(1), Write(1)], promise=promise, deviations=1)

    @pytest.mark.parametrize("kernel", MERGED)
    def test_the_promise_is_not_broken_by_it(self, kernel: str) -> None:
        assert never(kernel, REGISTERED_HOLE, [Collapse(0)], [SeekHole(1), Write(1), Touch(1)], promise=UFFD)


class TestP21:
    """David Stevens: punch a hole after registering, then rely on the event, as QEMU does."""

    @pytest.mark.parametrize("kernel", MERGED)
    def test_never_betrayed_in_what_was_merged(self, kernel: str) -> None:
        assert never(kernel, DATA_DATA, [Collapse(0)], [UffdRegister(), PunchHole(1), Touch(1)], promise=UFFD)

    def test_betrayed_in_linux_6_2_without_any_preemption(self) -> None:
        threads = ([UffdRegister(), PunchHole(1)], [Collapse(0)])
        reach("linux-6.2", DATA_DATA, *threads, promise=UFFD, deviations=0)


class TestP23:
    """Hugh Dickins: old pages left in place and frozen deadlock with a lookup under the page-table lock."""

    @pytest.mark.parametrize("kernel", ["wilcox-2023-02", "stevens-v5"])
    def test_reached_where_they_are(self, kernel: str) -> None:
        reach(kernel, MAPPED, [Collapse(0)], [Mincore(0)], promise=DEADLOCK, deviations=1)
        reach(kernel, MAPPED, [Collapse(0)], [Mincore(0)], promise=SPINS, deviations=1)

    @pytest.mark.parametrize("kernel", ["linux-6.2", *MERGED])
    def test_never_where_they_are_not(self, kernel: str) -> None:
        assert never(kernel, MAPPED, [Collapse(0)], [Mincore(0)], promise=SPINS)
        assert never(kernel, ALL_MAPPED, [Collapse(0)], [Mincore(0)], promise=DEADLOCK)


class TestP30:
    """David Stevens: presence as lseek, mincore and UFFDIO_COPY see it only grows, unless user space takes it away."""

    @pytest.mark.parametrize("kernel", [*MERGED, "linux-2026-mended"])
    def test_never_broken_for_mincore_in_what_was_merged(self, kernel: str) -> None:
        look = [Mincore(0), Mincore(1)]

        assert never(kernel, DATA_HOLE, [Collapse(0)], look, promise=LOST)
        assert never(kernel, DATA_DATA, [Collapse(0)], look, promise=LOST)

    @pytest.mark.parametrize("kernel", MERGED)
    def test_a_walk_that_meets_a_sibling_steps_over_data(self, kernel: str) -> None:
        reach(kernel, DATA_DATA, [Collapse(0)], [SeekHole(0)], promise=LOST, deviations=2)
        reach(kernel, DATA_DATA, [SeekHole(0)], [Collapse(0)], promise=LOST, deviations=1)
        reach(kernel, HOLE_DATA, [SeekData(0)], [Collapse(0)], promise=LOST, deviations=1)

    @pytest.mark.parametrize("look", [SeekHole(0), SeekData(0)])
    def test_never_broken_if_each_index_is_looked_up_from_the_top(self, look: SeekHole) -> None:
        assert never("linux-2026-mended", DATA_HOLE, [Collapse(0)], [look], promise=LOST)
        assert never("linux-2026-mended", DATA_DATA, [Collapse(0)], [look], promise=LOST)
        assert never("linux-2026-mended", HOLE_DATA, [Collapse(0)], [look], promise=LOST)

    @pytest.mark.parametrize("kernel", MERGED)
    def test_eexist_is_never_taken_back(self, kernel: str) -> None:
        assert never(kernel, REGISTERED_HOLE, [Collapse(0)], [UffdCopy(1), Touch(1)], promise=LOST)

    def test_data_looks_like_a_hole_in_linux_6_2(self) -> None:
        reach("linux-6.2", DATA_DATA, [Collapse(0)], [SeekHole(0)], promise=LOST, deviations=1)
        reach("linux-6.2", DATA_DATA, [Collapse(0)], [Mincore(0)], promise=LOST, deviations=1)
