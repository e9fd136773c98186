"""B36: a huge page is still mapped when it leaves the page cache.

Symptom: "Bad page cache", mapped: the page is in use when truncate deletes it, and will be again when somebody else
has it.

 1. munmap: zap_huge_pmd() clears the PMD that maps the huge page; its mapcount is 1 as yet.
 2. truncate: has locked the page, sees that it is mapped, and unmaps its range: zap_pmd_range() finds pmd_none() and
    goes on, without any lock.
 3. truncate: deletes the page from the page cache, still mapped.
 4. munmap: lowers the mapcount, and lets go of the PMD lock.

Mistake: unmap_mapping_range() promises nothing to whoever has locked one page: an entry that is gone says nothing about
the mapcount.  Fix: 22061a1ffabd ("mm/thp: unmap_mapping_page() to fix THP truncate_cleanup_page()"): tell
zap_pmd_range() which page it is about, and have it take and drop the PMD lock where it finds nothing.

It was the third attempt, says the commit: try_to_unmap(TTU_SYNC) could not unmap a huge page yet, and a PMD that is
invalid until the mapcount has followed is not possible on powerpc.  With page-table entries there is no such window:
zap_pte_range() takes the page-table lock wherever there is a table.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, vm_bug_on_folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, up_read
from pagecache.operations import Munmap, PunchHole, Truncate
from pagecache.world import VmaSpec, WorldSpec
from pagecache.zap import ZapDetails, zap_page_range_single


async def unmap_mapping_folio(mapping: AddressSpace, folio: Folio) -> None:
    """``unmap_mapping_pages()`` of the range of a locked folio, as truncate_cleanup_page() called it."""
    vm_bug_on_folio(folio.locked_by is None, folio, "unmap_mapping_folio() without its lock")
    details = ZapDetails(even_cows=False, drop_markers=True)
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        await zap_page_range_single(vma, folio.index, folio.next_index, details)
    await up_read(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=36,
    name="still-mapped",
    kernel=LINUX_2026_MENDED.replace(
        name="b36-still-mapped",
        summary="a huge page is still mapped when it leaves the page cache",
        source="without 22061a1ffabd",
        unmap_mapping_folio=unmap_mapping_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="22061a1ffabd",
    release="5.13",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Truncate, PunchHole, Munmap),
        worlds=(
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),)),
            WorldSpec(vmas=(VmaSpec(huge=True, mapped=(0, 1)), VmaSpec("B", huge=True)), large=((0, 1),)),
        ),
    ),
)
