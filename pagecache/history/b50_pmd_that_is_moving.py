"""B50: a hole punch splits the PMD of a huge page that is being migrated.

Symptom: "Stressing huge tmpfs page migration racing hole punch often crashed on the VM_BUG_ON(!pmd_present) in
pmdp_huge_clear_flush(), with DEBUG_VM=y kernel; or shortly afterwards, on a bad dereference".

 1. migrate: has locked the huge page, and replaces the PMD that maps it by a migration entry.
 2. punch: is to unmap a part of it, so it splits the PMD: __split_huge_pmd() allows for migration entries, and
    __split_huge_pmd_locked() takes what it finds in a file's mapping for a page that is mapped.

Mistake: migration entries were thought of where a PMD maps anonymous memory, which is split into page-table entries,
and not where it maps a file and is only cleared.  Fix: 99fa8a48203d ("mm/thp: fix __split_huge_pmd_locked() on shmem
migration entry"), by Hugh Dickins: such an entry has no reference, and does not count as mapped; it goes, no more.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import drop_references
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.huge_pmd import flush_pmd_tlb_range, folio_remove_rmap_pmd, pmdp_huge_get_and_clear
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma
from pagecache.operations import Migrate, PunchHole, Store, Truncate, UffdWriteProtect
from pagecache.step import KernelBug
from pagecache.world import VmaSpec, WorldSpec


async def split_huge_pmd_locked(vma: Vma, index: int) -> None:
    """``__split_huge_pmd_locked()`` of 5.12: whatever is there maps a huge page."""
    there = vma.table(index).huge
    if there is None or there.folio is None:
        raise KernelBug(f"pmdp_huge_clear_flush(): VM_BUG_ON(!pmd_present) of {vma} at {index}: {there}")
    huge = await pmdp_huge_get_and_clear(vma, index)
    await flush_pmd_tlb_range(vma, index)
    if huge.folio is not None:
        await folio_remove_rmap_pmd(huge.folio, huge)
        drop_references(huge.folio, 1)


BUG: Final = Bug(
    number=50,
    name="pmd-that-is-moving",
    kernel=LINUX_2026_MENDED.replace(
        name="b50-pmd-that-is-moving",
        summary="a PMD is split as if it mapped a huge page, which is being migrated",
        source="before 99fa8a48203d",
        split_huge_pmd_locked=split_huge_pmd_locked,
    ),
    fixed=LINUX_2026_MENDED,
    fix="99fa8a48203d",
    release="5.13",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Migrate, PunchHole, Store, Truncate, UffdWriteProtect),
        worlds=(
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1), wp=True),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)), VmaSpec("B", huge=True)), large=((0, 1),)),
        ),
    ),
)
