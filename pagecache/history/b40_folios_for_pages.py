"""B40: reclaim counts a large folio as one page that fallocate() keeps from it.

Symptom: memory is short, and an fallocate(2) of a large range goes on taking it.

 1. fallocate: reserves a large folio of N pages, and counts N (``nr_falloced``).
 2. reclaim: chooses it; fallocate() may have to undo it, so it stays, and is counted: 1 (``nr_unswapped``).
 3. reclaim: the same again, since memory is still short.
 4. fallocate: not more than N were wanted: reserves the next one; and so on, N times as long as it should.

Mistake: ``nr_unswapped`` is raised once for each folio, from the days when shmem_writepage() split all large folios.
Since 809bc86517cc ("mm: shmem: support large folio swap out", 6.12) they get there as a whole.

Fix: d77b90d2b264 ("mm: shmem: fix the update of 'shmem_falloc->nr_unswapped'", 6.13): by its pages.  It was "found
through code inspection" (Baolin Wang,
<f66a0119d0564c2c37c84f045835b870d1b2196f.1734593154.git.baolin.wang@linux.alibaba.com>).

A single reclaim of each folio is as many as were reserved, and no reason to give up; so it takes two.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import ZERO, Folio, folio_mark_uptodate
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace, i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.operations import Fallocate, PageOut
from pagecache.shmem_swap import shmem_delete_from_page_cache, try_split
from pagecache.step import KernelBug
from pagecache.swap import add_to_swap_cache, folio_alloc_swap, swap_shmem_alloc, swap_writepage
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import ValueEntry


async def shmem_writepage(mapping: AddressSpace, folio: Folio, folio_list: list[Folio]) -> bool:
    """``shmem_writepage()``: move the locked, unmapped folio from the page cache to the swap cache, and write it.

    A large folio goes out as a whole.  It is split if the end of the file cuts through it, since nobody splits a large
    swap entry that lies partly behind the end; or if there are no consecutive slots.  Then its first part goes out, and
    the others to ``folio_list``.

    ``swapped`` rises before ``nrpages`` falls, lest a shmem_recalc_inode() between the two take the page for one
    that was dropped.

    Returns:
        True if it has been written, and unlocked; false if it stays: it is dirty again, and locked.

    Leaves out: shmem_swaplist and its mutex (nothing walks it).
    """
    inode = mapping.host
    if folio.order:
        size = await i_size_read(inode)
        if folio.index < max(size, inode.info.fallocend) < folio.next_index:  # shmem_fallocend()
            split = await try_split(mapping, folio, folio_list)
            if not split:
                return False
    if not folio.uptodate:
        # A page that fallocate() has reserved: fallocate() may still have to undo it, and wants it kept.
        await spin_lock(inode.i_lock)
        falloc = inode.i_private
        keep = falloc is not None and falloc.waitq is None and falloc.start <= folio.index < falloc.next
        if falloc is not None and keep:
            falloc.nr_unswapped += 1  # "let shmem_fallocate() quit when too many"
        await spin_unlock(inode.i_lock)
        if keep:
            folio.dirty = True
            return False
        folio.pages = [ZERO] * folio.nr_pages
        await folio_mark_uptodate(folio)
    entry = await folio_alloc_swap(mapping.swap, folio.order)
    if entry < 0 and folio.order:
        split = await try_split(mapping, folio, folio_list)
        if split:
            entry = await folio_alloc_swap(mapping.swap, 0)
    if entry < 0:
        folio.dirty = True
        return False
    add_to_swap_cache(mapping.swap, folio, entry)
    await mapping.kernel.shmem_recalc_inode(inode, 0, folio.nr_pages)
    await swap_shmem_alloc(mapping.swap, entry, folio.nr_pages)
    await shmem_delete_from_page_cache(mapping, folio, ValueEntry(entry))
    if folio.mapcount:
        raise KernelBug(f"shmem_writepage(): {folio} is mapped")
    await swap_writepage(mapping.swap, folio)
    return True


BUG: Final = Bug(
    number=40,
    name="folios-for-pages",
    kernel=LINUX_2026_MENDED.replace(
        name="b40-folios-for-pages",
        summary="reclaim counts a large folio as one page that fallocate() keeps from it",
        source="without d77b90d2b264",
        shmem_writepage=shmem_writepage,
    ),
    fixed=LINUX_2026_MENDED,
    fix="d77b90d2b264",
    release="6.13",
    minimum=Minimum(2, 3, 1),
    breaks=("fallocate_gives_up_if_reclaim_wants_more_than_it_reserved",),
    focus=Focus(
        # Pages that are there already take fallocate() time, and are none of those that it has reserved.
        operations=(Fallocate(0, 8), PageOut(0)),
        worlds=(WorldSpec(("hole",) * 2 + ("data",) * 6, 1, 8, (VmaSpec(end=8),), huge="always"),),
    ),
)
