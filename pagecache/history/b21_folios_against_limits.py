"""B21: khugepaged counts folios and entries, and compares them with limits that are meant for pages.

Symptom: "unnecessary file collapses", and ranges full of data that khugepaged leaves alone.

 1. khugepaged: finds a folio of two pages in a range of four: 1 is present.
 2. khugepaged: finds the other two pages: 3 are present, and one seems to be missing.
 3. khugepaged: none may be: gives up (SCAN_EXCEED_NONE_PTE).

The other way round with swap: an entry for two pages counts as one, and more is read from swap than ``max_ptes_swap``
allows.

Mistake: ``present`` and ``swap`` of hpage_collapse_scan_file() are raised by one for each thing found, which was right
as long as all that is larger was refused (SCAN_PAGE_COMPOUND), up to 7de856ffd007 ("mm: khugepaged: support shmem mTHP
collapse", 6.12-rc).

Fix: d60fcaf00d75 ("mm: khugepaged: fix the incorrect statistics when collapsing large file folios", 6.12): raise
them by the number of pages (Baolin Wang,
<c76305d96d12d030a1a346b50503d148364246d2.1728901391.git.baolin.wang@linux.alibaba.com>).
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_EXCEED_NONE_PTE,
    SCAN_EXCEED_SWAP_PTE,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_LRU,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    CollapseControl,
    collapse_any_file,
)
from pagecache.filemap import spin_while_frozen
from pagecache.folio import Folio, folio_put, folio_ref_count, folio_try_get
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import rcu_read_lock, rcu_read_unlock, up_read
from pagecache.mm import Mm
from pagecache.operations import Khugepaged, Load, PageOut, PunchHole
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import (
    ValueEntry,
    XaState,
    xa_is_retry,
    xas_get_order,
    xas_load,
    xas_reload,
    xas_retry,
    xas_set,
)


async def hpage_collapse_scan_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``hpage_collapse_scan_file()`` of 2026: it takes a reference before it looks.

    What is on swap counts against both of khugepaged's limits.  MADV_COLLAPSE counts as well, for a trace that nobody
    reads here; it steps through a large swap entry page by page.
    """
    await up_read(mm.mmap_lock)
    xas = XaState(mapping.i_pages, start)
    end = start + (1 << mapping.hpage_pmd_order)
    result = SCAN_SUCCEED
    present = swap = 0
    await rcu_read_lock()
    index = start
    while index < end:
        xas_set(xas, index)
        entry = await xas_load(xas)
        if xa_is_retry(entry):
            await xas_retry(xas)
            continue
        if isinstance(entry, ValueEntry) and cc.is_khugepaged:
            order = await xas_get_order(xas)
            swap += 1
            if swap > cc.max_ptes_swap:
                result = SCAN_EXCEED_SWAP_PTE
                break
            index = (index >> order) + 1 << order
            continue
        if not isinstance(entry, Folio):
            index += 1
            continue
        got = await folio_try_get(entry)
        if not got:
            await spin_while_frozen(xas, entry)
            continue
        again = await xas_reload(xas)
        if again is not entry:
            await folio_put(entry)
            continue
        if entry.order == mapping.hpage_pmd_order and entry.index == start:
            # "folio_put(); break": the rest is the caller's.
            result = SCAN_PTE_MAPPED_HUGEPAGE
            await folio_put(entry)
            break
        if not entry.lru:
            result = SCAN_PAGE_LRU
            await folio_put(entry)
            break
        refcount = await folio_ref_count(entry)
        expected = entry.nr_pages + entry.mapcount + 1
        await folio_put(entry)
        if refcount != expected:
            result = SCAN_PAGE_COUNT
            break
        if cc.is_khugepaged:
            present += 1
        index = entry.next_index
    await rcu_read_unlock()
    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
        result = SCAN_EXCEED_NONE_PTE
    if result != SCAN_SUCCEED:
        return result
    return await collapse_any_file(mm, mapping, start, cc)


BUG: Final = Bug(
    number=21,
    name="folios-against-limits",
    kernel=LINUX_2026_MENDED.replace(
        name="b21-folios-against-limits",
        summary="khugepaged counts folios, and compares them with limits that are meant for pages",
        source="without d60fcaf00d75",
        hpage_collapse_scan_file=hpage_collapse_scan_file,
    ),
    fixed=LINUX_2026_MENDED,
    fix="d60fcaf00d75",
    release="6.12",
    minimum=Minimum(1, 1, 0),
    breaks=("khugepaged_keeps_its_limits",),
    focus=Focus(
        operations=(Khugepaged, Load, PageOut, PunchHole),
        worlds=(
            WorldSpec(("data",) * 4, 2, 4, (VmaSpec(end=4),), ((0, 1),)),
            WorldSpec(("swapped", "swapped", "data", "hole"), 2, 4, (VmaSpec(end=4),), ((0, 1),)),
        ),
    ),
)
