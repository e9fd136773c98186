"""B49: khugepaged takes the page table that UFFDIO_COPY has just made sure of.

Symptom: BUG_ON() in mfill_atomic().

 1. UFFDIO_COPY: holds the mmap_lock for reading; there is a page table, or it allocates one.
 2. collapse: has put its huge page into the file, and retracts the page table: since 6.6 without the mmap_lock.
 3. UFFDIO_COPY: BUG_ON(pmd_none(*dst_pmd)).

Mistake: nobody had told the userfaultfd that page tables of shmem may go at any time (1d65b771bc08, 6.6).  Fix:
4828d207dc51 ("userfaultfd: don't BUG_ON() if khugepaged yanks our page table"), by Jann Horn: pte_offset_map_lock()
finds out.  Together with 71c186efc1b2, which looks at the PMD again after the allocation, and says EEXIST.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma, pmd_install
from pagecache.operations import Collapse, Load, PunchHole, UffdContinue, UffdCopy, UffdZeropage
from pagecache.step import KernelBug, step


async def mfill_establish_pmd(vma: Vma, index: int) -> str:
    """What was in ``mfill_atomic()``: see to it that there is a page table; EEXIST if a PMD maps a huge page."""
    table = vma.table(index)
    await step("pmdp_get_lockless", vma, index, target=("pmd", vma.number))
    if table.huge is not None:
        return "EEXIST"
    if table.none:
        current = await pmd_install(vma, index, fails="ENOMEM")
        if current.failing:
            return "ENOMEM"
    await step("pmd_trans_huge", vma, index, target=("pmd", vma.number))
    if table.huge is not None:
        return "EFAULT"  # "If an huge pmd materialized from under us fail"
    await step("pmd_none", vma, index, target=("pmd", vma.number))
    if table.none:
        raise KernelBug(f"mfill_atomic(): BUG_ON(pmd_none(*dst_pmd)) of {vma} at {index}")
    return ""


BUG: Final = Bug(
    number=49,
    name="page-table-taken-under-a-copy",
    kernel=LINUX_2026_MENDED.replace(
        name="b49-page-table-taken-under-a-copy",
        summary="a collapse takes the page table of which a UFFDIO_COPY has just made sure",
        source="before 4828d207dc51",
        mfill_establish_pmd=mfill_establish_pmd,
    ),
    fixed=LINUX_2026_MENDED,
    fix="4828d207dc51",
    release="6.11",
    minimum=Minimum(2, 2, 1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Collapse, Load, PunchHole, UffdContinue, UffdCopy, UffdZeropage),
        features={"vma.missing": (True, False), "pages": ("data", "hole")},
    ),
)
