"""B45: fault-around maps pages behind the end of a regular file.

Symptom: no SIGBUS where the file has ended: a load finds zeroes, a store gets lost.

 1. truncate: into the middle of a large folio, which is dirty and cannot be split: for want of memory, or because of a
    reference.  Its second half is zeroed, and it stays in the page cache across the end of the file.
 2. load: of a page in front of that folio.  Fault-around begins with a folio that is within i_size: "can_map_large".
 3. The loop comes to the large folio, and maps all of it.
 4. another load, behind the end of the file, takes no page fault.

Mistake: what was asked of the first folio is taken to be true of all.  Fix: 7c9580f44f90 ("mm/filemap: fix logic around
SIGBUS in filemap_map_pages()"): filemap_map_folio_range() is told where the file ends, and asks itself.

It was the mistake of a fix: 74207de2ba10 mends finish_fault() (B37) and this in one, and both of them before 6.18, in
which faults map all of a large folio for the first time (357b92761d94, 19773df031bc).
"""

from __future__ import annotations

from typing import Final

from pagecache.fault_around import filemap_map_folio_range, filemap_map_pmd, lock_page_table, next_uptodate_folio
from pagecache.folio import folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_unlock
from pagecache.operations import Load, Read, Truncate
from pagecache.shmem import Vmf
from pagecache.truncate import INFINITY
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XaState


async def filemap_map_pages(vmf: Vmf, start: int, last: int, *, prealloc: bool) -> bool:
    """``filemap_map_pages()``: map what is there from ``start`` to ``last`` and can be locked at once."""
    mapping = vmf.vma.mapping
    xas = XaState(mapping.i_pages, start)
    folio = await next_uptodate_folio(xas, mapping, last)
    if folio is None:
        return False
    size = await i_size_read(mapping.host)
    can_map_large = mapping.regular is None or size >= folio.next_index
    if can_map_large:
        mapped = await filemap_map_pmd(vmf, folio, prealloc=prealloc)
        if mapped:
            return True
    table = await lock_page_table(vmf, folio)
    if table is None:
        return False
    found = False
    while folio is not None:
        behind = min(folio.next_index, last + 1, size)
        file_end = INFINITY if can_map_large else 0
        mapped = await filemap_map_folio_range(vmf, folio, xas.index, behind, file_end)
        found |= mapped
        await folio_unlock(folio)
        folio = await next_uptodate_folio(xas, mapping, last)
        size = await i_size_read(mapping.host)
    await spin_unlock(table.ptl)
    return found


BUG: Final = Bug(
    number=45,
    name="fault-around-behind-i-size",
    kernel=LINUX_2026_MENDED.replace(
        name="b45-fault-around-behind-i-size",
        summary="fault-around maps pages behind the end of a regular file",
        source="without 7c9580f44f90",
        filemap_map_pages=filemap_map_pages,
    ),
    fixed=LINUX_2026_MENDED,
    fix="7c9580f44f90",
    release="6.18",
    minimum=Minimum(tasks=2, operations=3, deviations=1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(Truncate(3), Load, Read),
        worlds=(
            WorldSpec(
                ("data", "data", "dirty", "dirty"),
                hpage_order=2,
                size=4,
                vmas=(VmaSpec(end=4, around=True),),
                large=((2, 1),),
                backing="file",
            ),
        ),
    ),
)
