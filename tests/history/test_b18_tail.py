"""B18's second half: who is right about tail pages, in the kernel where a huge page stands in each of its slots."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.history.b18_tail_of_a_huge_page import BUG, do_dentry_open_5_16, do_dentry_open_hugh
from pagecache.kernel import Kernel
from pagecache.operations import Collapse, OpenWrite, Operation
from pagecache.world import VmaSpec, WorldSpec

ASSERTION = "no_kernel_assertion_fails"
FILE = WorldSpec(("data", "data"), vmas=(VmaSpec(),), backing="file")
Threads = tuple[tuple[Operation, ...], ...]
TWO_OPENERS: Threads = (Collapse(0), OpenWrite()), (OpenWrite(),)
ROLLBACK: Threads = (Collapse(0),), (OpenWrite(),)


LOCKED = BUG.kernel.replace(name="with-the-lock", do_dentry_open=do_dentry_open_5_16)
HUGH = BUG.kernel.replace(name="without-the-assertion", do_dentry_open=do_dentry_open_hugh)


def test_without_the_lock_two_openers_meet() -> None:
    reach(BUG.kernel, FILE, *TWO_OPENERS, promise=ASSERTION, deviations=2)


@pytest.mark.parametrize("kernel", [BUG.kernel, LOCKED], ids=lambda kernel: kernel.name)
def test_an_opener_meets_a_collapse_that_rolls_back_with_the_lock_or_without(kernel: Kernel) -> None:
    reach(kernel, FILE, *ROLLBACK, promise=ASSERTION, deviations=3)


@pytest.mark.parametrize("kernel", [HUGH, BUG.fixed], ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("threads", [TWO_OPENERS, ROLLBACK], ids=["two openers", "rollback"])
def test_without_the_assertion_nothing_is_wrong(kernel: Kernel, threads: Threads) -> None:
    assert never(kernel, FILE, *threads, promise="every_call_is_explained_by_a_sparse_file") > 100
