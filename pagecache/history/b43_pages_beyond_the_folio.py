"""B43: fault-around maps pages that are not the folio's.

Symptom: "Bad page state", a mapcount without a reference; or VM_WARN_ON_FOLIO() in folio_add_file_rmap_ptes().

 1. load: fault-around has found nothing before a large folio, and locked it: it is within ``i_size``.
 2. truncate: lowers ``i_size`` below that index, and will wait for the folio.
 3. load: reads ``i_size`` to see how far to map: up to a page in front of the folio.  As an unsigned number of pages
    that is four thousand million.

It takes a folio that is not mapped as a whole (357b92761d94) whatever was counted: one of a regular file, which ends
in front of it by now.

Mistake: ``i_size`` is read twice, and what was true of the first is taken to be true of the second.
Fix: f58df566524e ("mm: filemap: fix nr_pages calculation overflow in filemap_map_pages()", 7.0): how far to map is
settled before the first folio is looked for.  (That settles too much: see :mod:`pagecache.mended.fault_around`.)
"""

from __future__ import annotations

from typing import Final

from pagecache.fault_around import filemap_map_folio_range, filemap_map_pmd, lock_page_table, next_uptodate_folio
from pagecache.folio import folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_unlock
from pagecache.operations import Load, Truncate
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
    file_end = size - 1 if size else INFINITY
    last = min(last, file_end)
    if mapping.regular is None or file_end >= folio.next_index:
        mapped = await filemap_map_pmd(vmf, folio, prealloc=prealloc)
        if mapped:
            return True
    table = await lock_page_table(vmf, folio)
    if table is None:
        return False
    found = False
    while folio is not None:
        behind = min(folio.next_index - 1, last) + 1
        if behind <= xas.index:
            behind += 1 << 32  # the number of pages is an unsigned int, which the loop counts down to zero
        mapped = await filemap_map_folio_range(vmf, folio, xas.index, behind, file_end)
        found |= mapped
        await folio_unlock(folio)
        folio = await next_uptodate_folio(xas, mapping, last)
    await spin_unlock(table.ptl)
    return found


BUG: Final = Bug(
    number=43,
    name="pages-beyond-the-folio",
    kernel=LINUX_2026_MENDED.replace(
        name="b43-pages-beyond-the-folio",
        summary="fault-around counts pages below zero, and maps what is not the folio's",
        source="before f58df566524e",
        filemap_map_pages=filemap_map_pages,
    ),
    fixed=LINUX_2026_MENDED,
    fix="f58df566524e",
    release="7.0",
    minimum=Minimum(2, 2, 1),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Load, Truncate),
        worlds=(
            WorldSpec(
                ("hole", "hole", "data", "data"), 2, 4, (VmaSpec(end=4, around=True),), ((2, 1),), backing="file"
            ),
        ),
    ),
)
