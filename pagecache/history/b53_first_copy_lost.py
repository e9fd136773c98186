"""B53: the page table of a private mapping is freed with the first private page in it.

Symptom: the page is lost, and its memory with it; and whoever comes by way of the anon_vma walks a page table that has
been freed.

 1. collapse: retract_page_tables() looks at a private VMA: no anon_vma, so nothing has been copied in it.
 2. UFFDIO_COPY: prepares the anon_vma, and maps the first page of the mapping's own.
 3. collapse: gets the mmap_lock, and frees the page table.

Mistake: the comment knew that the check is racy, and trusted the page lock to keep new entries off, which it does as
far as faults go: but UFFDIO_COPY into a private mapping takes no page lock, and a neighbour that is merged brings the
anon_vma that it has.  Fix: 023f47a8250c ("mm/khugepaged: fix ->anon_vma race"), by Jann Horn, who had the merging in
mind: look again under the mmap_lock.
"""

from __future__ import annotations

from typing import Final

from pagecache.cow import has_anon_vma
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.locks import down_write, down_write_trylock, up_write
from pagecache.mm import pmdp_collapse_flush, pte_free_now, tlb_remove_table_sync_one
from pagecache.operations import Collapse, Load, UffdCopy
from pagecache.touched import PMDS


async def retract_page_tables_4_8(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` up to 6.5: free the empty page tables, so that the next fault maps the huge page.

    A VMA whose mmap_lock is taken is skipped, and one that is registered for WP events: its markers are in the table.
    So is a private one with copies in it, but that is asked before the mmap_lock is held.
    """
    end = start + (1 << mapping.hpage_pmd_order)
    await down_write(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        has_copies = await has_anon_vma(vma)
        if has_copies or vma.start > start or vma.end < end or not vma.table(start).present:
            continue
        locked = await down_write_trylock(vma.mm.mmap_lock, also=[(PMDS, False)])
        if not locked:
            continue
        if not vma.uffd_wp:
            await pmdp_collapse_flush(vma, start)
            await tlb_remove_table_sync_one(vma.mm)
            await pte_free_now(vma, start)
        await up_write(vma.mm.mmap_lock, also=[(PMDS, False)])  # of the next VMA
    await up_write(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=53,
    name="first-copy-lost",
    kernel=LINUX_6_4_MENDED.replace(
        name="b53-first-copy-lost",
        summary="the page table of a private mapping is freed with the first private page in it",
        source="before 023f47a8250c",
        retract_page_tables=retract_page_tables_4_8,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="023f47a8250c",
    release="6.2",
    minimum=Minimum(2, 2, 1),
    breaks=(
        "every_call_is_explained_by_a_sparse_file",
        "every_reference_is_accounted_for",
        "nothing_leaks",
        "no_freed_memory_is_used",
    ),
    focus=Focus(
        operations=(Collapse, Load, UffdCopy),
        features={"vma.private": (True,), "vma.missing": (True,), "pages": ("data",)},
    ),
)
