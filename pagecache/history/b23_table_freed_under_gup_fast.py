"""B23B: a page table is freed while gup_fast() reads it.

Symptom: gup_fast() takes whatever the memory of the page table holds by now for an entry.

 1. gup_fast: interrupts off, loads the PMD.
 2. collapse: clears the PMD, frees the table.
 3. gup_fast: loads an entry of the table.

Mistake: no IPI between the two, on machines that flush without one.  Fix: 2ba99c5e0881 ("mm/khugepaged: fix
GUP-fast interaction by sending IPI").
"""

from __future__ import annotations

from typing import Final

from pagecache.cow import has_anon_vma
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.locks import (
    down_write,
    down_write_trylock,
    up_write,
)
from pagecache.mm import pmdp_collapse_flush, pte_free_now
from pagecache.operations import Collapse, PinWrite
from pagecache.touched import PMDS
from pagecache.world import VmaSpec, WorldSpec


async def retract_page_tables_4_8(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` up to 6.5: free the empty page tables, so that the next fault maps the huge page.

    A VMA whose mmap_lock is taken is skipped, and one that is registered for WP events: its markers are in the table.
    So is a private one with copies in it, which is asked again once the mmap_lock is held: the folio lock does not keep
    UFFDIO_COPY from putting the first one there (023f47a8250c).
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
        has_copies = await has_anon_vma(vma)
        if not (has_copies or vma.uffd_wp):
            await pmdp_collapse_flush(vma, start)
            await pte_free_now(vma, start)
        await up_write(vma.mm.mmap_lock, also=[(PMDS, False)])  # of the next VMA
    await up_write(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=23,
    name="table-freed-under-gup-fast",
    kernel=LINUX_6_4_MENDED.replace(
        name="b23-table-freed-under-gup-fast",
        summary="a page table is freed while gup_fast() reads it",
        source="2ba99c5e0881",
        retract_page_tables=retract_page_tables_4_8,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="2ba99c5e0881",
    release="6.1",
    minimum=Minimum(2, 2, 2),
    breaks=("no_freed_memory_is_used",),
    focus=Focus(
        operations=(Collapse, PinWrite),
        worlds=(WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),)), WorldSpec(vmas=(VmaSpec(mapped=(1,)),))),
    ),
)
