"""Finding and filling the pages of a shmem file (``mm/shmem.c``).

Leaves out: quota, the limits of the superblock for a small page, the memory controller.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import filemap_remove_folio
from pagecache.folio import (
    ZERO,
    Folio,
    Memory,
    __folio_set_locked,
    folio_add_lru,
    folio_lock,
    folio_mark_uptodate,
    folio_put,
    folio_unlock,
)
from pagecache.inode import AddressSpace, Inode, i_size_read
from pagecache.mm import Vma, userfaultfd_missing
from pagecache.pte import pte_target
from pagecache.shmem_huge import Orders, shmem_allowable_huge_orders, shmem_suitable_orders
from pagecache.shrinklist import add_to_shrinklist
from pagecache.step import step
from pagecache.xarray import (
    ValueEntry,
    XaState,
    xas_find_conflict,
    xas_get_order,
    xas_lock_irq,
    xas_nomem,
    xas_set_err,
    xas_store,
    xas_unlock_irq,
)

__all__ = [
    "SGP_CACHE",
    "SGP_FALLOC",
    "SGP_NOALLOC",
    "SGP_READ",
    "SGP_WRITE",
    "Vmf",
    "alloc_folio",
    "shmem_add_to_page_cache",
    "shmem_alloc_and_add_folio",
    "shmem_get_folio",
]

SGP_READ: Final = 0  # don't exceed i_size, don't allocate page
SGP_NOALLOC: Final = 1  # like SGP_READ, but fail on hole and zero a fallocated page
SGP_CACHE: Final = 2  # don't exceed i_size, may allocate page
SGP_WRITE: Final = 3  # may exceed i_size, may allocate !Uptodate page
SGP_FALLOC: Final = 4  # like SGP_WRITE, but make existing page Uptodate


class Vmf:
    """``struct vm_fault``: one page fault, and how it ended besides an error.

    ``fault_type`` is empty, ``"VM_FAULT_RETRY"`` (the mmap_lock has been released, try again) or
    ``EVENT`` (the same, and the fault was left with the userfaultfd).  ``waits`` tells whether the
    thread sleeps until user space has resolved its fault; ``write`` is FAULT_FLAG_WRITE.
    ``reason`` is which of its modes makes a userfaultfd interested: missing, minor or wp.
    """

    __slots__ = ("fault_type", "index", "reason", "vma", "waits", "write")

    def __init__(self, vma: Vma, index: int, *, waits: bool, write: bool) -> None:
        self.vma = vma
        self.index = index
        self.waits = waits
        self.write = write
        self.fault_type = ""
        self.reason = "missing"


async def alloc_folio(memory: Memory, order: int) -> Folio | None:
    """``folio_alloc()``: a folio with one reference and unknown content; ``None`` without memory."""
    current = await step("folio_alloc", order, sleeps=True, fails="ENOMEM")
    if current.failing:
        return None
    return memory.new_folio(order)


async def shmem_add_to_page_cache(
    folio: Folio, mapping: AddressSpace, index: int, expected: ValueEntry | None = None
) -> str:
    """``shmem_add_to_page_cache()``: over a hole, or where ``expected`` stands and the entries that follow it.

    "The range must either be empty, or filled with expected swap entries": of one order or another, but of all slots.

    Returns:
        Empty; ``"EEXIST"`` if anything else stands there, a RETRY entry included; ``"ENOMEM"`` without memory for
        the nodes of the tree.
    """
    folio.refcount += folio.nr_pages  # nobody can see it yet
    folio.mapping = mapping
    folio.index = index
    xas = XaState(mapping.i_pages, index, folio.order)
    while True:
        await xas_lock_irq(xas)
        following = expected.value if expected is not None else 0
        conflict = await xas_find_conflict(xas)
        while expected is not None and conflict == ValueEntry(following):
            order = await xas_get_order(xas)
            following += 1 << order
            conflict = await xas_find_conflict(xas)
        if conflict is not None or (expected is not None and following != expected.value + folio.nr_pages):
            xas_set_err(xas, "EEXIST")
        else:
            await xas_store(xas, folio)
            if not xas.error:
                mapping.nrpages += folio.nr_pages
        await xas_unlock_irq(xas)
        again = await xas_nomem(xas)
        if not again:
            break
    if xas.error:
        folio.mapping = None
        folio.refcount -= folio.nr_pages
    return xas.error


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
            folio = await alloc_folio(mapping.memory, suitable[position])
            if folio is not None:
                # Only now: a smaller one than the first that was tried may begin elsewhere (fc745ff31756).
                index = index >> folio.order << folio.order
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


async def shmem_get_folio(
    inode: Inode, index: int, sgp: int, vmf: Vmf | None = None, write_end: int = 0
) -> tuple[str, Folio | None]:
    """``shmem_get_folio_gfp()``: find the page in the cache, or allocate it.

    Args:
        inode: the file.
        index: which page.
        sgp: what to do about a hole and about the end of the file.
        vmf: for page faults only; ``vmf.fault_type`` is set if a userfaultfd took the fault.
        write_end: the index behind what the caller is about to fill.

    Returns:
        An error (empty if there is none) and the folio, locked and referenced; no folio and no error for a hole
        under SGP_READ, or for a fault that a userfaultfd took.
    """
    mapping = inode.i_mapping
    while True:
        if sgp <= SGP_CACHE:
            size = await i_size_read(inode)
            if index >= size:
                return "EINVAL", None
        entry = await mapping.kernel.filemap_get_entry(mapping, index)
        if entry is not None and vmf is not None and vmf.vma.uffd_minor:
            if isinstance(entry, Folio):
                await folio_put(entry)
            vmf.reason = "minor"
            await mapping.kernel.handle_userfault(vmf)
            return "", None
        if isinstance(entry, Folio):
            folio = entry
            await folio_lock(folio)
            # Has the folio been truncated, or collapsed, while we waited?
            if folio.mapping is not mapping:
                await folio_unlock(folio)
                await folio_put(folio)
                continue
            if folio.uptodate:
                return "", folio
            if sgp != SGP_READ:
                # A fallocated folio.  An SGP_WRITE caller clears what it does not write.
                return await _clear_and_check_size(inode, folio, index, sgp, alloced=False)
            await folio_unlock(folio)
            await folio_put(folio)
            return "", None
        if isinstance(entry, ValueEntry):
            error, folio = await mapping.kernel.shmem_swapin_folio(inode, index, entry)
            if error == "EEXIST":
                continue
            return error, folio
        if sgp == SGP_READ:
            return "", None
        if sgp == SGP_NOALLOC:
            return "ENOENT", None
        if vmf is not None and userfaultfd_missing(vmf.vma):
            await mapping.kernel.handle_userfault(vmf)
            return "", None
        error, fresh = "", None
        orders = await shmem_allowable_huge_orders(inode, vmf, index, write_end)
        if orders:
            error, fresh = await mapping.kernel.shmem_alloc_and_add_folio(inode, index, vmf, orders)
        if fresh is None and error != "EEXIST":
            error, fresh = await mapping.kernel.shmem_alloc_and_add_folio(inode, index, vmf, ())
        if fresh is None:
            if error == "EEXIST":
                continue
            return error, None
        await add_to_shrinklist(inode, fresh)
        # Let SGP_FALLOC use the SGP_WRITE optimisation on a new folio: it stays !uptodate.
        fresh_sgp = SGP_WRITE if sgp == SGP_FALLOC else sgp
        return await _clear_and_check_size(inode, fresh, index, fresh_sgp, alloced=True)


async def _clear_and_check_size(
    inode: Inode, folio: Folio, index: int, sgp: int, *, alloced: bool
) -> tuple[str, Folio | None]:
    """The tail of shmem_get_folio_gfp(), from its label ``clear:`` on."""
    if sgp != SGP_WRITE and not folio.uptodate:
        others = [(pte_target(other), True) for other in range(folio.index, folio.next_index) if other != index]
        await step("clear_highpage", folio, target=pte_target(index), writes=True, also=others)
        for offset in range(folio.nr_pages):
            folio.pages[offset] = ZERO
        await folio_mark_uptodate(folio)
    if sgp > SGP_CACHE:
        return "", folio
    # Perhaps the file has been truncated since we checked.
    size = await i_size_read(inode)
    if index < size:
        return "", folio
    if alloced:
        await filemap_remove_folio(inode.i_mapping, folio)
    await inode.i_mapping.kernel.shmem_recalc_inode(inode, 0, 0)
    await folio_unlock(folio)
    await folio_put(folio)
    return "EINVAL", None
