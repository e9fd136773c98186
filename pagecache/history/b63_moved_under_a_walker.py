"""B63: a page table is moved under the hands of who unmaps a page (CVE-2022-41222).

Symptom: a load, or a store, reaches a page that belongs to somebody else by now.

 1. migration: rmap_walk() finds the page table at the old address, and waits for its lock, or has it.
 2. mremap(): takes the page table, which covers all of a PMD, out of one PMD, flushes the TLB for the old address, and
    puts it into another one; its lock goes with it.
 3. a load: at the new address; its CPU has that in the TLB.
 4. migration: clears the entry, which is at the new address by now, and flushes the TLB for the old one; copies the
    page, and frees it.
 5. a load: on the CPU of 3.

Mistake: the lock of the page table does not keep it where it is, and of the i_mmap_rwsem it was thought that it is for
those whose new VMA comes first (need_rmap_locks).  Fix: 97113eb39fa7 ("mm/mremap: hold the rmap lock in write mode
when moving page table entries"), by Aneesh Kumar, whose message tells it of reclaim.  (Reclaim flushes more here, as it
does on x86 since 4.3: try_to_unmap_flush().)
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma
from pagecache.operations import Load, Migrate, Mremap
from pagecache.world import VmaSpec, WorldSpec


async def move_pgt_entry(vma: Vma, new_vma: Vma, index: int) -> bool:
    """``move_pgt_entry(NORMAL_PMD)`` before 5.14: move_normal_pmd().

    Returns:
        Whether the page table has been moved.
    """
    moved: bool = await vma.mapping.kernel.move_normal_pmd(vma, new_vma, index)
    return moved


BUG: Final = Bug(
    number=63,
    name="moved-under-a-walker",
    kernel=LINUX_2026_MENDED.replace(
        name="b63-moved-under-a-walker",
        summary="mremap() moves page tables without the i_mmap_rwsem",
        source="before 97113eb39fa7",
        move_pgt_entry=move_pgt_entry,
    ),
    fixed=LINUX_2026_MENDED,
    fix="97113eb39fa7",
    release="5.14",
    minimum=Minimum(3, 4, 4),
    breaks=("no_freed_memory_is_used",),
    focus=Focus(
        programs=(((Mremap(0, 1),), (Migrate(0),), (Load(0, 1), Load(0, 1))),),
        worlds=(WorldSpec(vmas=(VmaSpec(mapped=(0,)), VmaSpec())),),
    ),
)
