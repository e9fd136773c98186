"""B48: the folio of another index.

Symptom: a process finds the data of other pages behind an address, and its stores are lost.

 1. fault: asks for the largest folio that may be there, and where it would begin; there is no memory for it.
 2. fault: asks for a smaller one, and where that would begin, counted from where the larger one would have: that is
    not the range in which the missing page is.
 3. The folio is inserted there, and mapped where the page is missing, by the last bits of its index.

Mistake: the index of the fault was rounded down in place, for each size again (e7a2ab7b3bb5, 6.11, which gave anonymous
shared memory folios of all sizes).  Fix: fc745ff31756 ("mm/shmem: fix THP allocation and fallback loop"), after a
report of data corruption.  Of tmpfs no fault asks for a second size, and whoever fills a range begins at an index that
is aligned for all of them.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import filemap_remove_folio
from pagecache.folio import Folio, __folio_set_locked, folio_add_lru, folio_put, folio_unlock
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Load, PunchHole, Store, Touch
from pagecache.shmem import Vmf, alloc_folio, shmem_add_to_page_cache
from pagecache.shmem_huge import Orders, shmem_suitable_orders
from pagecache.step import step


async def shmem_alloc_and_add_folio(
    inode: Inode, index: int, vmf: Vmf | None, orders: Orders
) -> tuple[str, Folio | None]:
    """``shmem_alloc_and_add_folio()``: a new folio at ``index``, locked, in the page cache and accounted for.

    Args:
        inode: the file.
        index: which page is missing; a large folio begins before it, naturally aligned.
        vmf: of a page fault.
        orders: of which the highest that is suitable and for which there is memory is taken; none for a small page.

    Returns:
        An error and the folio; ``"EEXIST"`` if something stands there by now; ``"ENOMEM"``, also if no order is
        suitable; ``"ENOSPC"``: then it has been in the page cache for a moment.
    """
    mapping = inode.i_mapping
    folio = None
    if orders:
        suitable = await shmem_suitable_orders(mapping, vmf, index, orders)
        for position in range(len(suitable)):
            index = index >> suitable[position] << suitable[position]
            folio = await alloc_folio(mapping.memory, suitable[position])
            if folio is not None:
                break
    else:
        folio = await alloc_folio(mapping.memory, 0)
    if folio is None:
        return "ENOMEM", None
    await __folio_set_locked(folio)
    folio.swapbacked = True
    error = await shmem_add_to_page_cache(folio, mapping, index)
    if not error and folio.order:
        current = await step("shmem_inode_acct_blocks", folio.nr_pages, fails="ENOSPC")
        if current.failing:
            await filemap_remove_folio(mapping, folio)
            error = "ENOSPC"
    if error:
        await folio_unlock(folio)
        await folio_put(folio)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, folio.nr_pages, 0)
    await folio_add_lru(folio)
    return "", folio


BUG: Final = Bug(
    number=48,
    name="folio-of-another-index",
    kernel=LINUX_2026_MENDED.replace(
        name="b48-folio-of-another-index",
        summary="a smaller folio than the first that was asked for begins where that would have",
        source="before fc745ff31756",
        shmem_alloc_and_add_folio=shmem_alloc_and_add_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="fc745ff31756",
    release="6.18",
    minimum=Minimum(1, 1, 0),
    breaks=("no_freed_memory_is_used", "every_call_is_explained_by_a_sparse_file", "no_kernel_assertion_fails"),
    focus=Focus(
        operations=(Collapse, Load, PunchHole, Store, Touch),
        features={"huge": ("sizes",), "hpage_order": (2,)},
        failures=True,
    ),
)
