"""B46: a page fault that is taken again and again.

Symptom: a process hangs at the first touch of a page; a core is busy.

 1. load: of a page of a large folio of which another page is mapped already.
 2. finish_fault() wants to map all of the folio, finds that page-table entry, and takes it for a sign that somebody
    else has dealt with the fault: VM_FAULT_NOPAGE.
 3. The load is tried again, finds its page not mapped, and faults.

How an entry comes to be there: it has stayed when others of its folio were unmapped, or it is one that a smaller fault
has set, of a page that was collapsed into the folio since.

Mistake: "something is mapped there" was, for one page, the same as "the fault is over".  Fix: 34b82f33cf3f ("mm: fix
finish_fault() handling for large folios"): where the range is not empty, map the page of the fault only.  The bug is of
anonymous shmem (43e027e41423, 6.11), whose faults were the first that mapped all of a large folio of a file.
"""

from __future__ import annotations

from typing import Final

from pagecache.finish_fault import map_by_pmd, pte_alloc, set_pte_range
from pagecache.folio import Folio, folio_put, folio_unlock, unlock_and_put
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.operations import Load
from pagecache.pte import Pte
from pagecache.shmem import Vmf


async def finish_fault(vmf: Vmf, folio: Folio, orig_pte: Pte | None) -> str:
    """``finish_fault()``: map all of the locked ``folio`` if it can be, and let go of its lock.

    Returns:
        An error, empty if there is none.
    """
    vma, index = vmf.vma, vmf.index
    table = vma.table(index)
    needs_fallback = False
    if folio.order and vma.mapping.regular is not None:
        size = await i_size_read(vma.mapping.host)
        needs_fallback = size < folio.next_index
    if vma.huge and table.none and not needs_fallback:
        mapped = await map_by_pmd(vmf, folio)
        if mapped:
            return ""
    error = await pte_alloc(vma, index)
    if error:
        await unlock_and_put(folio)
        return error
    start, behind = index, index + 1
    whole = folio.order > 0 and not (needs_fallback or vma.uffd_registered)
    first = index >> folio.order << folio.order  # folio_file_page() goes by the last bits of the index
    if whole and vma.start <= first and first + folio.nr_pages <= vma.end:
        start, behind = first, first + folio.nr_pages
    await spin_lock(table.ptl)
    # pte_offset_map_lock() fails if the table was retracted meanwhile: the fault is taken again.
    mapped = table.present and vma.ptes.get(index) == orig_pte
    if behind - start > 1 and any(one in vma.ptes for one in range(start, behind)):
        mapped = False
    if mapped:
        await set_pte_range(vmf, folio, start, behind, orig_pte)
    await spin_unlock(table.ptl)
    folio.dirty |= vmf.write  # fault_dirty_shared_page()
    await folio_unlock(folio)
    if not mapped:
        await folio_put(folio)
    return ""


BUG: Final = Bug(
    number=46,
    name="fault-that-never-ends",
    kernel=LINUX_2026_MENDED.replace(
        name="b46-fault-that-never-ends",
        summary="a page fault is taken again and again, because another page of its folio is mapped",
        source="without 34b82f33cf3f",
        finish_fault=finish_fault,
    ),
    fixed=LINUX_2026_MENDED,
    fix="34b82f33cf3f",
    release="6.14",
    minimum=Minimum(tasks=1, operations=1, deviations=0),
    breaks=("no_livelock",),
    focus=Focus(
        operations=(Load,),
        features={"hpage_order": (1,), "huge_pages": (1,), "large": (((0, 1),),), "pages": ("data",)},
    ),
)
