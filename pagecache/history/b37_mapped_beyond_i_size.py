"""B37: pages behind the end of a regular file stay mapped.

Symptom: no SIGBUS where the file has ended: a load finds zeroes, a store gets lost (generic/749 of xfstests).

 1. load: a page fault has looked up a huge page, which is dirty: it has a reference.
 2. truncate: into the middle of it.  It cannot be split, because of that reference; so its second half is zeroed, and
    it stays in the page cache across the end of the file.
 3. load: gets the folio's lock; its own page is within i_size.  It maps all of the huge page.
 4. another load, behind the end of the file, takes no page fault.

Mistake: a fault asks whether its page is within i_size, and maps others with it.  Fix: 74207de2ba10 ("mm/memory: do not
populate page table entries beyond i_size").  Since huge tmpfs (4.8) a PMD was set without a look at i_size; that is
meant to be so there, and shmem is exempt.  But file systems have large folios as well (6795801366da, xfs), and
generic/749 failed at last when faults began to map all of a folio by page-table entries, too (19773df031bc).

The same series has fa04f5b60fda ("mm/truncate: unmap large folio on split failure"): after 2. unmap the huge page.  Of
that alone nobody sees anything here: truncate_pagecache() writes i_size first, unmaps what is behind it, by which a PMD
goes as a whole, and does so again when it has truncated the pages.  What counts is how the huge page comes back.
"""

from __future__ import annotations

from typing import Final

from pagecache.finish_fault import map_by_pmd, pte_alloc, set_pte_range
from pagecache.folio import Folio, folio_put, folio_unlock, unlock_and_put
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.operations import Load, Read, Truncate
from pagecache.pte import Pte
from pagecache.shmem import Vmf
from pagecache.world import VmaSpec, WorldSpec


async def finish_fault(vmf: Vmf, folio: Folio, orig_pte: Pte | None) -> str:
    """``finish_fault()``: map all of the locked ``folio`` if it can be, and let go of its lock.

    Returns:
        An error, empty if there is none.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    if vma.huge and table.none:
        mapped = await map_by_pmd(vmf, folio)
        if mapped:
            return ""
    error = await pte_alloc(vma, index)
    if error:
        await unlock_and_put(folio)
        return error
    start, behind = index, index + 1
    whole = folio.order > 0 and not vma.uffd_registered
    first = index >> folio.order << folio.order  # folio_file_page() goes by the last bits of the index
    if whole and vma.start <= first and first + folio.nr_pages <= vma.end:
        start, behind = first, first + folio.nr_pages
    await spin_lock(table.ptl)
    if behind - start > 1 and any(one in vma.ptes for one in range(start, behind)):
        # The kernel lets go of the lock and begins anew, to come here again.
        start, behind = index, index + 1
    # pte_offset_map_lock() fails if the table was retracted meanwhile: the fault is taken again.
    mapped = table.present and vma.ptes.get(index) == orig_pte
    if mapped:
        await set_pte_range(vmf, folio, start, behind, orig_pte)
    await spin_unlock(table.ptl)
    folio.dirty |= vmf.write  # fault_dirty_shared_page()
    await folio_unlock(folio)
    if not mapped:
        await folio_put(folio)
    return ""


BUG: Final = Bug(
    number=37,
    name="mapped-beyond-i-size",
    kernel=LINUX_2026_MENDED.replace(
        name="b37-mapped-beyond-i-size",
        summary="pages behind the end of a regular file stay mapped",
        source="without 74207de2ba10",
        finish_fault=finish_fault,
    ),
    fixed=LINUX_2026_MENDED,
    fix="74207de2ba10",
    release="6.18",
    minimum=Minimum(tasks=2, operations=3, deviations=1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(Truncate(1), Load, Read),
        worlds=(
            WorldSpec(("dirty", "dirty"), vmas=(VmaSpec(huge=True),), large=((0, 1),), backing="file"),
            WorldSpec(("dirty", "dirty"), vmas=(VmaSpec(huge=True, mapped=(0, 1)),), large=((0, 1),), backing="file"),
        ),
    ),
)
