"""B24: a page table is retracted with the write protection that somebody has just put into it.

Symptom: a page that a userfaultfd has write-protected is written to without an event.

 1. collapse: retract_page_tables() looks at the VMA: not registered for WP events.
 2. uffd: UFFDIO_REGISTER, UFFDIO_WRITEPROTECT: nothing is mapped any more, so a marker is put into the page table.
 3. collapse: takes the page table out, with the marker.
 4. store: faults, maps the page writable, writes.

Mistake: before the mmap_lock was dropped from the function nobody could register between the look and the removal.
Fix: look again under the page-table lock, which UFFDIO_WRITEPROTECT takes for the marker: the first version without
the mmap_lock did not (Jann Horn and Peter Xu on "mm/khugepaged: retract_page_tables() without mmap or vma lock", May
2023); 1d65b771bc08 does.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import file_backed_vma_is_retractable
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, spin_lock, spin_unlock, up_read
from pagecache.mm import pmdp_collapse_flush
from pagecache.operations import Collapse, Poke, UffdRegister, UffdWriteProtect
from pagecache.world import VmaSpec, WorldSpec


async def retract_page_tables_6_6(mapping: AddressSpace, start: int) -> None:
    """``retract_page_tables()`` since 6.6: page-table locks instead of the mmap_lock, tables freed after RCU.

    The folio lock keeps faults from mapping anything, but not an ioctl() of userfaultfd from putting markers into the
    table.  So the VMA is asked again under the locks ("protects from one category"; 1d65b771bc08), and whether there
    still is a table (6c18ec9af86c).
    """
    end = start + (1 << mapping.hpage_pmd_order)
    await down_read(mapping.i_mmap_rwsem)
    for number in range(len(mapping.i_mmap)):
        vma = mapping.i_mmap[number]
        if vma.start > start or vma.end < end or not vma.table(start).present:
            continue
        retractable = await file_backed_vma_is_retractable(vma)
        if not retractable:
            continue
        await spin_lock(vma.mm.pml)
        table = vma.table(start)
        if table.present:
            await spin_lock(table.ptl)
            await pmdp_collapse_flush(vma, start)
            await spin_unlock(table.ptl)
        await spin_unlock(vma.mm.pml)
    await up_read(mapping.i_mmap_rwsem)


BUG: Final = Bug(
    number=24,
    name="marker-lost",
    kernel=LINUX_2026_MENDED.replace(
        name="b24-marker-lost",
        summary="a page table is retracted with a marker of write protection in it",
        source="Hugh Dickins' series of May 2023, v1",
        retract_page_tables=retract_page_tables_6_6,
    ),
    fixed=LINUX_2026_MENDED,
    fix="1d65b771bc08",
    release="6.6",
    minimum=Minimum(2, 4, 1),
    breaks=("a_write_protected_page_is_not_written_without_an_event",),
    focus=Focus(
        programs=(((Collapse(0),), (UffdRegister(mode="wp"), UffdWriteProtect(0), Poke(0))),),
        worlds=(WorldSpec(vmas=(VmaSpec(mapped=(0,)),)),),
    ),
)
