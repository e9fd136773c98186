"""The system calls of a shmem file (``mm/shmem.c``, ``mm/mincore.c``, ``mm/mmap.c``)."""

from __future__ import annotations

from typing import Final

from pagecache.folio import ZERO, Folio, folio_mark_uptodate, folio_put, folio_test_uptodate, folio_unlock
from pagecache.inode import AddressSpace, Inode, ShmemFalloc, i_size_read, i_size_write
from pagecache.locks import (
    WaitQueue,
    down_read,
    down_write,
    spin_lock,
    spin_unlock,
    up_read,
    up_write,
)
from pagecache.mm import Vma, find_vma
from pagecache.pte import pte_target
from pagecache.regular.backing import put_write_access
from pagecache.shmem import SGP_FALLOC, SGP_READ, SGP_WRITE
from pagecache.step import step
from pagecache.swap import swap_cache_get_folio
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.touched import NRPAGES, PMDS
from pagecache.truncate import INFINITY
from pagecache.xarray import Entry, ValueEntry
from pagecache.zap import ZapDetails, unmap_mapping_range, zap_page_range_single

__all__ = [
    "do_munmap",
    "mincore",
    "mincore_page",
    "shmem_fallocate",
    "shmem_file_llseek",
    "shmem_file_read",
    "shmem_file_write",
    "shmem_getattr",
    "shmem_punch_hole",
    "shmem_setattr",
    "unmap_vma",
]

END_OF_FILE: Final = 0


async def shmem_file_read(inode: Inode, index: int) -> int | str:
    """``shmem_file_read_iter()`` of one page.

    Takes no ``i_rwsem``: it looks at ``i_size`` before it finds the page and again after, and copies
    from the page unlocked.

    Returns:
        The content; 0 bytes at the end of the file; an error.
    """
    size = await i_size_read(inode)
    if index >= size:
        return END_OF_FILE
    error, folio = await inode.i_mapping.kernel.shmem_get_folio(inode, index, SGP_READ)
    if error:
        return END_OF_FILE if error == "EINVAL" else str(error)
    if folio is not None:
        await folio_unlock(folio)
        if folio.poisoned:
            await folio_put(folio)
            return "EIO"
    size = await i_size_read(inode)
    if index >= size:
        if folio is not None:
            await folio_put(folio)
        return END_OF_FILE
    if folio is None:
        return "0"
    await step("copy_page_to_iter", folio, target=pte_target(index))
    content: str = folio.page_at(index)
    await folio_put(folio)
    return content


async def shmem_file_write(inode: Inode, index: int, content: str) -> int | str:
    """``shmem_file_write_iter()`` of one whole page: shmem_write_begin(), copy, shmem_write_end().

    Returns:
        1, the page written, or an error.
    """
    await down_write(inode.i_rwsem)
    error, folio = await inode.i_mapping.kernel.shmem_get_folio(inode, index, SGP_WRITE, write_end=index + 1)
    if error:
        await up_write(inode.i_rwsem)
        return str(error)
    if folio.poisoned:
        await folio_unlock(folio)
        await folio_put(folio)
        await up_write(inode.i_rwsem)
        return "EIO"
    await step("copy_page_from_iter", folio, target=pte_target(index), writes=True)
    folio.set_page_at(index, content)
    # shmem_write_end() raises i_size before it marks the folio uptodate; the folio lock covers both.
    if index + 1 > inode.i_size:
        await i_size_write(inode, index + 1)
    if not folio.uptodate:
        if folio.order:
            await _folio_zero_segments(folio, index)
        await folio_mark_uptodate(folio)
    folio.dirty = True
    await folio_unlock(folio)
    await folio_put(folio)
    await up_write(inode.i_rwsem)
    return 1


async def _folio_zero_segments(folio: Folio, index: int) -> None:
    """``folio_zero_segments()`` before and behind the page that has been written."""
    others = [other for other in range(folio.index, folio.next_index) if other != index]
    await step(
        "folio_zero_segments",
        folio,
        target=pte_target(others[0]),
        writes=True,
        also=[(pte_target(other), True) for other in others[1:]],
    )
    for other in others:
        folio.set_page_at(other, ZERO)


async def shmem_file_llseek(inode: Inode, index: int, whence: int) -> int | str:
    """``shmem_file_llseek()`` for SEEK_DATA and SEEK_HOLE.

    Under ``i_rwsem``, so that no write, truncate, punch or fallocate runs; faults and collapses do.
    """
    await down_write(inode.i_rwsem)
    mapping = inode.i_mapping
    answer: int | str = await mapping.kernel.mapping_seek_hole_data(mapping, index, inode.i_size, whence)
    await up_write(inode.i_rwsem)
    return answer


async def mincore(vma: Vma, index: int) -> int | str:
    """``mincore()`` of one page: under the mmap_lock, walk the page table, else ask the page cache."""
    await down_read(vma.mm.mmap_lock)
    found = find_vma(vma)
    if found is None or not vma.maps(index):
        await up_read(vma.mm.mmap_lock)
        return "ENOMEM"
    table = vma.table(index)
    await step("pmd_offset", vma, index, target=("pmd", vma.number))
    if table.none:
        # mincore_unmapped_range(): no page table, no lock.
        answer: int = await vma.mapping.kernel.mincore_page(vma, index)
    else:
        answer = await _mincore_pte_range(vma, index)
    await up_read(vma.mm.mmap_lock)
    return answer


async def _mincore_pte_range(vma: Vma, index: int) -> int:
    """``mincore_pte_range()`` of one page: all of what a PMD maps is in core.

    The page-table lock is held around the lookup in the page cache.  If there is no page table by now, the walk starts
    again (ACTION_AGAIN).
    """
    table = vma.table(index)
    while True:
        if table.huge is not None:
            await spin_lock(vma.mm.pml)  # pmd_trans_huge_lock()
            huge = table.huge
            await spin_unlock(vma.mm.pml)
            if huge is not None:
                return 1
        await spin_lock(table.ptl)
        if table.present or not vma.huge:
            break
        await spin_unlock(table.ptl)
        await step("pmd_offset", vma, index, target=("pmd", vma.number))
        if table.none:
            return await vma.mapping.kernel.mincore_page(vma, index)  # type: ignore[no-any-return]
    answer = 1  # "migration or hwpoison entries are always uptodate"
    if vma.pte_none_mostly(index):
        answer = await vma.mapping.kernel.mincore_page(vma, index)
    await spin_unlock(table.ptl)
    return answer


async def mincore_page(vma: Vma, index: int) -> int:
    """``mincore_page()``: is the page in the cache, and uptodate?  May be called in atomic context."""
    entry: Entry = await vma.mapping.kernel.filemap_get_entry(vma.mapping, index)
    if isinstance(entry, ValueEntry) and vma.mapping.regular is None:
        entry = await _mincore_swap(vma.mapping, entry)
    if not isinstance(entry, Folio):
        return 0
    uptodate = await folio_test_uptodate(entry)
    await folio_put(entry)
    return int(uptodate)


async def _mincore_swap(mapping: AddressSpace, entry: ValueEntry) -> Folio | None:
    """``mincore_swap()``: what the swap cache has, if there still is one."""
    present = await get_swap_device(mapping.swap)
    if not present:
        return None
    folio = await swap_cache_get_folio(mapping.swap, entry.value)
    await put_swap_device(mapping.swap)
    return folio


async def shmem_getattr(inode: Inode) -> str:
    """``shmem_getattr()``: st_size and st_blocks, without any lock.

    If the counts do not agree, pages may have been dropped behind shmem's back, or somebody is at it: recalculate.
    (Until 5.18 it always did.)

    Leaves out: huge pages as a block size, the other attributes.
    """
    info, mapping = inode.info, inode.i_mapping
    await step("shmem_getattr", target=("info_lock", 0), also=[(NRPAGES, False)])
    if info.alloced - info.swapped != mapping.nrpages:
        await mapping.kernel.shmem_recalc_inode(inode, 0, 0)
    size = await i_size_read(inode)
    await step("i_blocks", target=("info_lock", 0))
    return f"st_size {size}, st_blocks {inode.i_blocks}"


async def shmem_setattr(inode: Inode, size: int) -> int:
    """``shmem_setattr()`` of ATTR_SIZE, that is ftruncate(), to ``size`` pages."""
    await down_write(inode.i_rwsem)
    old_size = inode.i_size
    mapping = inode.i_mapping
    if size != old_size:
        await i_size_write(inode, size)
    if size <= old_size:
        if old_size > size:
            await unmap_mapping_range(mapping, size, INFINITY)
        await step("alloced", target=inode.info.lock.target)  # a plain read: no lock is taken
        if inode.info.alloced:
            await mapping.kernel.shmem_undo_range(inode, size, INFINITY, unfalloc=False)
        if old_size > size:
            # "unmap again to remove racily COWed private pages"
            await unmap_mapping_range(mapping, size, INFINITY)
    await up_write(inode.i_rwsem)
    return 0


async def shmem_punch_hole(inode: Inode, start: int, length: int) -> int:
    """``shmem_fallocate(FALLOC_FL_PUNCH_HOLE)`` of whole pages.

    Published in ``i_private``, so that faults in the range wait instead of filling it again; a fault
    that looked before that may still insert its page once.
    """
    current = await down_write(inode.i_rwsem)
    waitq = WaitQueue(current)
    await spin_lock(inode.i_lock)
    await step("i_private", start, start + length, target=("i_private", 0), writes=True)
    inode.i_private = ShmemFalloc(start, start + length, waitq)
    await spin_unlock(inode.i_lock)
    mapping = inode.i_mapping
    await unmap_mapping_range(mapping, start, start + length, even_cows=False)
    await mapping.kernel.shmem_undo_range(inode, start, start + length - 1, unfalloc=False)
    await spin_lock(inode.i_lock)
    await step("wake_up_all", target=("i_private", 0), writes=True)
    inode.i_private = None
    waitq.waiters.clear()
    waitq.alive = False
    await spin_unlock(inode.i_lock)
    await up_write(inode.i_rwsem)
    return 0


async def shmem_fallocate(inode: Inode, start: int, length: int, *, keep_size: bool) -> int | str:
    """``shmem_fallocate()``: reserve pages, leaving them !uptodate so that a failure can recognise and undo them.

    Reclaim leaves alone what is being reserved, and counts it; when it has wanted more than there is, memory is short,
    and we give up.

    Returns:
        0, ``"EINTR"`` after a signal, or ``"ENOMEM"``.
    """
    await down_write(inode.i_rwsem)
    mapping = inode.i_mapping
    end = start + length
    falloc = ShmemFalloc(start, start, None)
    await spin_lock(inode.i_lock)
    await step("i_private", start, target=("i_private", 0), writes=True)
    inode.i_private = falloc
    await spin_unlock(inode.i_lock)
    undo_fallocend = inode.info.fallocend
    inode.info.fallocend = max(undo_fallocend, end)
    error = ""
    index = start
    while index < end:
        current = await step("signal_pending", target=inode.i_lock.target, fails="EINTR")
        if current.failing:
            error, folio = "EINTR", None
        elif falloc.nr_unswapped > falloc.nr_falloced:
            error, folio = "ENOMEM", None
        else:
            error, folio = await mapping.kernel.shmem_get_folio(inode, index, SGP_FALLOC, write_end=end)
        if error:
            inode.info.fallocend = undo_fallocend
            if index > start:
                await mapping.kernel.shmem_undo_range(inode, start, index - 1, unfalloc=True)
            break
        assert folio is not None
        # A second SGP_FALLOC on the same large folio would clear it, and nobody could undo it any more.
        index = folio.next_index
        if not folio.uptodate:
            falloc.nr_falloced += index - falloc.next
        falloc.next = index
        folio.dirty = True
        await folio_unlock(folio)
        await folio_put(folio)
    if not error and not keep_size and end > inode.i_size:
        await i_size_write(inode, end)
    await spin_lock(inode.i_lock)
    await step("i_private", target=("i_private", 0), writes=True)
    inode.i_private = None
    await spin_unlock(inode.i_lock)
    await up_write(inode.i_rwsem)
    return error or 0


async def do_munmap(vma: Vma) -> int:
    """``do_vmi_munmap()`` of a whole VMA, and the return to user space."""
    mm, mapping = vma.mm, vma.mapping
    await down_write(mm.mmap_lock, also=[(PMDS, False)])
    found = find_vma(vma)
    if found is None:
        await up_write(mm.mmap_lock)
        return 0
    await unmap_vma(vma)
    await up_write(mm.mmap_lock)
    if vma.vm_write and mapping.regular is not None:
        await put_write_access(mapping)  # fput() of vm_file, at the return to user space
    return 0


async def unmap_vma(vma: Vma) -> None:
    """``do_vmi_align_munmap()`` of a whole VMA: take it out, zap its page table, forget it; under the mmap_lock."""
    mapping = vma.mapping
    vma.mm.vmas.remove(vma)
    await zap_page_range_single(vma, vma.start, vma.end, ZapDetails(drop_markers=True))
    # free_pgtables(): unlink_file_vma() before the tables go, so that no rmap walk meets them.
    await down_write(mapping.i_mmap_rwsem)
    mapping.i_mmap.remove(vma)
    await up_write(mapping.i_mmap_rwsem)
    vma.uffd_missing = vma.uffd_minor = vma.uffd_wp = False
    vma.alive = False
