"""mremap(MREMAP_MAYMOVE | MREMAP_FIXED) of a whole mapping: its page tables go to another address (``mm/mremap.c``).

What has been mapped at the new address is unmapped first.  Then there are two VMAs, until the old one is unmapped, or
for good (MREMAP_DONTUNMAP), and the new one comes behind the old one for who goes through the VMAs of the file.
Entry by entry, under the locks of both page tables, so that such a walker who takes them finds an entry in the one or
in the other; or a whole page table at once, under the i_mmap_rwsem.  The TLB is flushed before any of these locks is
dropped: of the old page table for who makes pages clean, of the new one for who unmaps and frees them (5d1904204c99,
eb66ae030829).

The mmap_lock is held for writing, so no fault and no ioctl() of a userfaultfd looks on.  Write-back, reclaim,
migration, truncate and, since 6.6, retract_page_tables() do.

A registration with a userfaultfd stays behind, as long as nobody has asked for UFFD_EVENT_REMAP, and so does write
protection; an entry that was protected by it stays read-only, and the first store makes it writable.  (Up to 6.12 the
bit came along, for nobody to look at but page_table_check; 0cef0bb836e3.)

Here an address is a VMA and an index of the file, so a mapping moves to where another one is, or was, that maps the
same range in the same process.  Leaves out: another size, parts of a VMA, private mappings, addresses that are not
aligned alike, several VMAs at once (6.17), VMAs that are merged.
"""

from __future__ import annotations

from pagecache.huge_pmd import flush_pmd_tlb_range, pmdp_huge_get_and_clear, split_huge_pmd
from pagecache.inode import AddressSpace
from pagecache.locks import down_write, spin_lock, spin_lock_nested, spin_unlock, up_write
from pagecache.mm import Vma, find_vma, flush_tlb_range, pmd_changed, pmd_install, pmd_move, pte_changed, pte_clear
from pagecache.pte import MARKER_UFFD_WP, Pte, pte_target
from pagecache.regular.backing import get_write_access, put_write_access
from pagecache.step import UseAfterFree, step, vm_bug_on, warn_on_once
from pagecache.syscalls import unmap_vma
from pagecache.touched import PMDS, PTES, TLB

__all__ = [
    "flush_tlb_batched_pending",
    "move_normal_pmd",
    "move_pgt_entry",
    "move_pmd_if_present",
    "move_ptes",
    "mremap",
    "set_moved_pte",
]


async def mremap(vma: Vma, new_vma: Vma, *, dontunmap: bool) -> int | str:
    """``mremap_to()``: move ``vma`` to where ``new_vma`` is, or was.

    Args:
        vma: what is moved.
        new_vma: the new address; what is mapped there is unmapped.
        dontunmap: MREMAP_DONTUNMAP: the old VMA stays, with nothing in its page tables.

    Returns:
        0; EFAULT if there is no ``vma``; ENOMEM, after which there is no ``new_vma`` any more.
    """
    mm, mapping = vma.mm, vma.mapping
    await down_write(mm.mmap_lock, also=[(PMDS, False)])
    found = find_vma(vma)
    if found is None:
        await up_write(mm.mmap_lock)
        return "EFAULT"
    replaced = find_vma(new_vma)
    if replaced is not None:
        await unmap_vma(new_vma)
    error = await move_vma(vma, new_vma, dontunmap=dontunmap)
    await up_write(mm.mmap_lock)
    if vma.vm_write and mapping.regular is not None:
        if replaced is not None:
            await put_write_access(mapping)
        if dontunmap and not error:
            await get_write_access(mapping)  # get_file() of both: in Linux i_writecount counts who has opened it
    return error or 0


async def move_vma(vma: Vma, new_vma: Vma, *, dontunmap: bool) -> str:
    """``move_vma()``: copy_vma(), move_page_tables(), unmap the old one.

    If there is no memory for a page table, what has been moved is moved back ("which will succeed since page tables
    still there"), and the new VMA unmapped.

    Returns:
        Empty, or ``"ENOMEM"``.
    """
    mapping = vma.mapping
    # vma_link(): behind all others of the file that begin at the same page (vma_interval_tree_insert()).
    await down_write(mapping.i_mmap_rwsem, also=[(("vm_flags", new_vma.number), True)])
    new_vma.uffd_missing, new_vma.uffd_minor, new_vma.uffd_wp = vma.uffd_missing, vma.uffd_minor, vma.uffd_wp
    new_vma.alive = True
    for table in new_vma.tables:
        table.present = False  # free_pgtables(): whoever unmapped what was there has freed its page tables
    mapping.i_mmap.append(new_vma)
    vma.mm.vmas.append(new_vma)
    await up_write(mapping.i_mmap_rwsem)
    moved = await move_page_tables(vma, new_vma, vma.end)
    if moved < vma.end:
        await move_page_tables(new_vma, vma, moved, need_rmap_locks=True)
        await unmap_vma(new_vma)
        return "ENOMEM"
    await step("mremap_userfaultfd_prep", new_vma, target=("vm_flags", new_vma.number), writes=True)
    new_vma.uffd_missing = new_vma.uffd_minor = new_vma.uffd_wp = False
    if not dontunmap:
        await unmap_vma(vma)
    return ""


async def move_page_tables(vma: Vma, new_vma: Vma, end: int, *, need_rmap_locks: bool = False) -> int:
    """``move_page_tables()``: PMD by PMD, as a whole where that is possible.

    Args:
        vma: from where.
        new_vma: to where.
        end: the index behind the last one.
        need_rmap_locks: does ``new_vma`` come before ``vma`` for who goes through the VMAs of the file?

    Returns:
        The index up to which all has been moved: ``end``, unless there was no memory.
    """
    order = vma.mapping.hpage_pmd_order
    for number in range(len(vma.tables)):
        first, last = max(vma.start, number << order), min(end, (number + 1) << order)
        if first >= last:
            continue
        await step("pmd_offset", vma, first, target=("pmd", vma.number), also=[(PMDS, False)])  # get_old_pmd()
        done = vma.table(first).none
        while not done:
            done = await _move_whole(vma, new_vma, first, last, need_rmap_locks=need_rmap_locks)
            if done or vma.table(first).none:
                break
            current = await pmd_install(new_vma, first, fails="ENOMEM")
            if current.failing:
                return first
            done = await vma.mapping.kernel.move_ptes(vma, new_vma, first, last, need_rmap_locks=need_rmap_locks)
    return end


async def _move_whole(vma: Vma, new_vma: Vma, first: int, last: int, *, need_rmap_locks: bool) -> bool:
    """The part of ``move_page_tables()`` for a huge PMD, and for a page table all of which is moved.

    Returns:
        False if what there is by now has to be moved entry by entry.
    """
    whole = range(first, last) == vma.pmd_range(first)
    if vma.table(first).huge is None:
        if not whole:
            return False
        moved: bool = await vma.mapping.kernel.move_pgt_entry(vma, new_vma, first)
        return moved
    if whole:
        moved = await move_huge_pmd(vma, new_vma, first, need_rmap_locks=need_rmap_locks)
        if moved:
            return True
    await split_huge_pmd(vma, first)
    return False


async def move_pgt_entry(vma: Vma, new_vma: Vma, index: int) -> bool:
    """``move_pgt_entry(NORMAL_PMD)``: under the rmap locks, move_normal_pmd().

    Whoever holds the i_mmap_rwsem may have found the page table already, and waits for its lock: he clears an entry at
    the new address, and flushes the TLB at the old one (97113eb39fa7).

    Returns:
        Whether the page table has been moved.
    """
    mapping: AddressSpace = vma.mapping
    await down_write(mapping.i_mmap_rwsem)
    moved: bool = await mapping.kernel.move_normal_pmd(vma, new_vma, index)
    await up_write(mapping.i_mmap_rwsem, also=[(PMDS, False)])
    return moved


async def move_normal_pmd(vma: Vma, new_vma: Vma, index: int) -> bool:
    """``move_normal_pmd()``: the PMD is cleared, and its page table put into another one.

    Returns:
        False if there is none any more, or if write protection has to be taken from its entries.

    Raises:
        KernelBug: if there is a page table at the new address already.
    """
    warn_on_once("" if new_vma.table(index).none else "pmd_none(*new_pmd) is not so", "move_normal_pmd()")
    if vma.uffd_registered:
        return False
    return await move_pmd_if_present(vma, new_vma, index)


async def move_pmd_if_present(vma: Vma, new_vma: Vma, index: int) -> bool:
    """The part of ``move_normal_pmd()`` under the PMD lock.

    The PMD has been looked at before any lock was held, and retract_page_tables() may have taken the page table away
    meanwhile ("Racing with collapse?", 6fa1066fc5d0).

    Returns:
        False if there is no page table any more.
    """
    await spin_lock(vma.mm.pml, also=[(PMDS, True), (PTES, True), (TLB, False)])
    moved = vma.table(index).present
    if moved:
        there = vma.pmd_range(index)
        await pmd_move(vma, new_vma, index)
        await flush_tlb_range(vma, there.start, there.stop)
    await spin_unlock(vma.mm.pml)
    return moved


async def move_huge_pmd(vma: Vma, new_vma: Vma, index: int, *, need_rmap_locks: bool) -> bool:
    """``move_huge_pmd()``: clear a PMD that maps a huge page, set the other one, and flush the TLB, under their lock.

    Returns:
        False if there is a page table at the new address, or no huge PMD at the old one any more.
    """
    table = new_vma.table(index)
    if not table.none:
        vm_bug_on(table.huge is not None, "move_huge_pmd(): pmd_trans_huge(*new_pmd)")
        return False
    if need_rmap_locks:
        await down_write(vma.mapping.i_mmap_rwsem)
    await spin_lock(vma.mm.pml, also=[(PMDS, True), (TLB, False)])
    moved = vma.table(index).huge is not None
    if moved:
        huge = await pmdp_huge_get_and_clear(vma, index)
        changed = pmd_changed(new_vma, index, huge.folio)
        await step("set_pmd_at", new_vma, index, target=("pmd", new_vma.number), writes=True, also=changed)
        table.huge = huge
        if huge.folio is not None:
            await flush_pmd_tlb_range(vma, index)
    await spin_unlock(vma.mm.pml)
    if need_rmap_locks:
        await up_write(vma.mapping.i_mmap_rwsem)
    return moved


async def move_ptes(vma: Vma, new_vma: Vma, start: int, end: int, *, need_rmap_locks: bool) -> bool:
    """``move_ptes()``: the entries of one page table, or a part of it.

    The new page table is looked up under no lock of its own, and locked then; in between retract_page_tables() could
    take it away.  That would not matter: it has nothing in it, and what there is to move cannot be mapped, as long as
    retract_page_tables() runs.

    Args:
        vma: from where.
        new_vma: to where.
        start: the first index.
        end: the index behind the last one.
        need_rmap_locks: see move_page_tables().

    Returns:
        False if one of the two page tables has gone (EAGAIN, a5be621ee292).
    """
    mapping = vma.mapping
    if need_rmap_locks:
        await down_write(mapping.i_mmap_rwsem)
    old, new = vma.table(start), new_vma.table(start)
    await spin_lock(old.ptl, also=[(PMDS, False), (PTES, False), (TLB, False)])
    moved = old.present and new.present
    if moved:
        await spin_lock_nested(new.ptl, also=[(PTES, False), (TLB, False)])
        force_flush = False
        await flush_tlb_batched_pending(vma, start, end)
        for index in range(start, end):
            if index in vma.ptes:
                entry = await pte_clear(vma, index)
                force_flush |= entry.folio is not None
                await set_moved_pte(vma, new_vma, index, entry)
        if force_flush:
            await flush_tlb_range(vma, start, end)
        await spin_unlock(new.ptl)
    await spin_unlock(old.ptl)
    if need_rmap_locks:
        await up_write(mapping.i_mmap_rwsem, also=[(PMDS, False)])
    return moved


async def flush_tlb_batched_pending(vma: Vma, start: int, end: int) -> None:
    """``flush_tlb_batched_pending()``: what try_to_unmap() has emptied, and not flushed so far, is flushed now.

    XX: in Linux it is all of the process.
    """
    stale = any(index in vma.tlb and index not in vma.ptes for index in range(start, end))
    if stale and vma.mm.tlb_flush_batched:
        await flush_tlb_range(vma, start, end)


async def set_moved_pte(vma: Vma, new_vma: Vma, index: int, entry: Pte) -> None:
    """``set_pte_at()`` of an entry that was at another address; without write protection (0cef0bb836e3).

    Raises:
        UseAfterFree: if the page table was taken away, and the entry goes with it.
    """
    changed = pte_changed(entry.folio)
    await step("set_pte_at", new_vma, index, target=pte_target(index), writes=True, also=changed)
    if not new_vma.table(index).present:
        raise UseAfterFree(f"an entry for index {index} is moved into a page table that {new_vma} has no more")
    if vma.uffd_registered and entry.kind == MARKER_UFFD_WP:
        return
    new_vma.ptes[index] = entry._replace(uffd_wp=entry.uffd_wp and not vma.uffd_registered)
