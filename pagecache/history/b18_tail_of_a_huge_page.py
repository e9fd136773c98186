"""B18: who opens a file for writing meets the tail of a huge page.

Symptom: "VM_BUG_ON_PAGE(PageTail(page))" in truncate_inode_page().

Until 5.17 a huge page of a file stands in each of its slots, and a walk that finds it at an index takes the page of
that index (find_subpage()).  A walk from the beginning finds the head page first, and goes on behind the huge page.

Ladder:

 1. A: open(O_WRONLY): ``nr_thps`` is 1, so the whole page cache is to be dropped.  It locks the huge page.
 2. B: open(O_WRONLY): ``nr_thps`` is 1; the huge page is locked by somebody, and left to the second pass.
 3. A: removes it from the tree: slot 0 is empty now, slot 1 is not.
 4. B: the second pass finds it in slot 1: that is a tail page.  It waits for the lock, and asserts not to remove one.

Mistake: for a truncate the page cache is shorter than before, by ``i_size``, under the inode's lock or the
``invalidate_lock``; who opens a file has neither.

Fix: 55fc0d917467 ("mm, thp: lock filemap when truncating page cache", 5.16): under the ``invalidate_lock``.

The lock keeps openers apart, and no collapse.  The first posting named another race, "collapse_file rolls back when
writer truncates the page cache" (<20210906121200.57905-2-rongwei.wang@linux.alibaba.com>):

 1. K: its huge page is in all slots; it raises ``nr_thps``.
 2. B: open(O_WRONLY): ``i_writecount`` rises; ``nr_thps`` is 1.
 3. K: sees the writer, and rolls back: puts the old page into slot 0, and unlocks.
 4. B: finds that in slot 0, and the huge page in slot 1.

Both end if the mapping is looked at before the assertion, as in that posting, or without it: "I now think this bug
needs nothing more than simply removing the VM_BUG_ON_PAGE(PageTail(page), page)" (Hugh Dickins, September 2021, quoted
in <CAHbLzkq7=FsXtp4YcjeruJwbYyhsRGCq+eC8uwC-Tg06JBTUUA@mail.gmail.com>).  ``tests/history/test_b18_tail.py`` asks all
of that.  So the kernel without the bug has the lock, and not the assertion.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.scan import (
    SCAN_DEL_PAGE_LRU,
    SCAN_FAIL,
    SCAN_PAGE_COMPOUND,
    SCAN_PAGE_COUNT,
    SCAN_PAGE_LOCK,
    SCAN_PTE_MAPPED_HUGEPAGE,
    SCAN_SUCCEED,
    SCAN_TRUNCATED,
    CollapseControl,
    Rollback,
    alloc_charge_folio,
)
from pagecache.filemap import find_get_entry
from pagecache.folio import (
    Folio,
    __folio_set_locked,
    copy_highpage,
    folio_add_lru,
    folio_get,
    folio_isolate_lru,
    folio_lock,
    folio_mark_uptodate,
    folio_put,
    folio_putback_lru,
    folio_ref_add,
    folio_ref_freeze,
    folio_ref_unfreeze,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_write, rcu_read_lock, rcu_read_unlock, up_write
from pagecache.mm import Mm
from pagecache.operations import Collapse, OpenWrite
from pagecache.regular.backing import (
    filemap_nr_thps,
    filemap_nr_thps_dec,
    filemap_nr_thps_inc,
    get_write_access,
    inode_is_open_for_write,
    regular,
)
from pagecache.regular.read import page_cache_sync_readahead
from pagecache.regular.write import folio_wait_writeback
from pagecache.rmap import try_to_unmap_flush
from pagecache.store_buffer import smp_mb
from pagecache.truncate import INFINITY, truncate_inode_folio
from pagecache.xarray import (
    Entry,
    XaState,
    xa_cmpxchg,
    xas_create_range,
    xas_load,
    xas_lock_irq,
    xas_nomem,
    xas_set,
    xas_store,
    xas_unlock_irq,
)
from pagecache.zap import unmap_mapping_range

__all__ = ["BUG", "do_dentry_open_5_16", "do_dentry_open_hugh"]

Found = list[tuple[int, Entry]]


async def collapse_file(mm: Mm, mapping: AddressSpace, start: int, cc: CollapseControl) -> str:
    """``collapse_file()`` of 5.15, for regular files; returns a SCAN result.

    The huge page is in the slots from the beginning, once for each page, and is taken out again if the collapse gives
    up.  What is missing is read before anything is locked, lest a readahead wait for the ``invalidate_lock``.
    """
    del mm, cc
    kernel = mapping.kernel
    order = mapping.hpage_pmd_order
    end = start + (1 << order)
    pagelist: list[Folio] = []

    await page_cache_sync_readahead(mapping, start, end)
    result, hpage = await alloc_charge_folio(mapping)
    if hpage is None:
        return result
    await __folio_set_locked(hpage)
    hpage.index = start
    hpage.mapping = mapping

    xas = XaState(mapping.i_pages, start, order)
    try:
        while True:
            await xas_lock_irq(xas)
            await xas_create_range(xas)
            if not xas.error:
                break
            await xas_unlock_irq(xas)
            enough = await xas_nomem(xas)
            if not enough:
                raise Rollback(SCAN_FAIL)

        # The xa_lock is held at each loop head.
        xas.order = 0
        for index in range(start, end):
            xas_set(xas, index)
            folio = await xas_load(xas)
            if not isinstance(folio, Folio) or folio.dirty or folio.writeback is not None:
                await xas_unlock_irq(xas)
                raise Rollback(SCAN_FAIL)
            locked = await folio_trylock(folio)
            if not locked:
                await xas_unlock_irq(xas)
                raise Rollback(SCAN_PAGE_LOCK)
            await folio_get(folio)
            await xas_unlock_irq(xas)

            # The folio is locked: the xa_lock can be dropped without racing with truncate.
            why = SCAN_SUCCEED
            if not folio.uptodate:
                why = SCAN_FAIL
            elif folio.order:
                huge = folio.order == order and folio.index == start
                why = SCAN_PTE_MAPPED_HUGEPAGE if huge else SCAN_PAGE_COMPOUND
            elif folio.mapping is not mapping:
                why = SCAN_TRUNCATED
            elif folio.dirty or folio.writeback is not None:
                why = SCAN_FAIL
            else:
                isolated = await folio_isolate_lru(folio)
                if not isolated:
                    why = SCAN_DEL_PAGE_LRU
            if why == SCAN_SUCCEED:
                if folio.mapcount:
                    await kernel.try_to_unmap(mapping, folio, batch_flush=True)
                await xas_lock_irq(xas)
                xas_set(xas, index)  # the node may have gone
                # We control three references: our pin, the page cache's, and folio_isolate_lru()'s.
                frozen = await folio_ref_freeze(folio, 3)
                if frozen:
                    pagelist.append(folio)
                    # Finally, replace it with the new folio.
                    await xas_store(xas, hpage)
                    continue
                why = SCAN_PAGE_COUNT
                await xas_unlock_irq(xas)
                await folio_putback_lru(folio)
            await folio_unlock(folio)
            await folio_put(folio)
            raise Rollback(why)

        await filemap_nr_thps_inc(mapping)
        # Paired with the barrier in do_dentry_open(): we see the writer, or he sees nr_thps.
        await smp_mb()
        writers = await inode_is_open_for_write(mapping)
        if writers:
            await filemap_nr_thps_dec(mapping)
            await xas_unlock_irq(xas)
            raise Rollback(SCAN_FAIL)
        await xas_unlock_irq(xas)
    except Rollback as rollback:
        result = rollback.result

    # Flush before anybody touches the pages again.
    await try_to_unmap_flush(mapping)

    if result != SCAN_SUCCEED:
        await xas_lock_irq(xas)
        xas.order = 0
        for position in range(len(pagelist)):
            xas_set(xas, pagelist[position].index)
            # Unfreeze the old page and put it back.
            await folio_ref_unfreeze(pagelist[position], 2)
            await xas_store(xas, pagelist[position])
            await xas_unlock_irq(xas)
            await folio_unlock(pagelist[position])
            await folio_putback_lru(pagelist[position])
            await xas_lock_irq(xas)
        await xas_unlock_irq(xas)
        hpage.mapping = None
        await folio_unlock(hpage)
        await folio_put(hpage)
        return result

    # Replacing the old pages has succeeded: now copy the content over and free them.
    for position in range(len(pagelist)):
        await copy_highpage(hpage, position, pagelist[position])
        pagelist[position].mapping = None
        await folio_ref_unfreeze(pagelist[position], 1)
        await folio_unlock(pagelist[position])
        await folio_put(pagelist[position])
    await folio_mark_uptodate(hpage)
    await folio_ref_add(hpage, hpage.nr_pages - 1)
    await folio_add_lru(hpage)
    await kernel.retract_page_tables(mapping, start)
    await folio_unlock(hpage)
    return SCAN_SUCCEED


async def do_dentry_open(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` with FMODE_WRITE, without a lock."""
    await open_and_drop(mapping, locked=False, tails=False)


async def do_dentry_open_5_16(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` of 55fc0d917467, under the ``invalidate_lock``."""
    await open_and_drop(mapping, locked=True, tails=False)


async def do_dentry_open_hugh(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` without a lock, and without the assertion: what Hugh Dickins expected to be enough."""
    await open_and_drop(mapping, locked=False, tails=True)


async def do_dentry_open_both(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` with the lock, and without the assertion."""
    await open_and_drop(mapping, locked=True, tails=True)


async def open_and_drop(mapping: AddressSpace, *, locked: bool, tails: bool) -> None:
    """``do_dentry_open()``: if there are huge pages in the cache, drop all pages."""
    await get_write_access(mapping)
    thps = await filemap_nr_thps(mapping)
    if not thps:
        return
    if locked:
        await down_write(regular(mapping).invalidate_lock)
    await unmap_mapping_range(mapping, 0, INFINITY)
    await truncate_inode_pages(mapping, tails=tails)
    if locked:
        await up_write(regular(mapping).invalidate_lock)


async def truncate_inode_pages(mapping: AddressSpace, *, tails: bool) -> None:
    """``truncate_inode_pages()`` of 5.15, of the whole file.

    The first pass has head pages, wherever it finds them (delete_from_page_cache_batch()); the second one has pages,
    each at its index.

    Args:
        mapping: the file.
        tails: may there be tail pages?  They are left alone, for their mapping is TAIL_MAPPING.
    """
    found = await find_lock_entries(mapping)
    for position in range(len(found)):
        index, entry = found[position]
        if isinstance(entry, Folio):
            await truncate_inode_folio(mapping, entry)
            await folio_unlock(entry)
            await folio_put(entry)
        else:
            await xa_cmpxchg(XaState(mapping.i_pages, index), entry, None)  # clear_shadow_entry()
    while True:
        found = await find_get_entries(mapping)
        if not found:
            return
        for position in range(len(found)):
            index, entry = found[position]
            if isinstance(entry, Folio):
                await folio_lock(entry)
                await folio_wait_writeback(entry)
                tail = index != entry.index
                vm_bug_on_folio(tail and not tails, entry, f"truncate_inode_page() of its tail page at index {index}")
                if not tail:
                    await truncate_inode_folio(mapping, entry)
                await folio_unlock(entry)
                await folio_put(entry)
            else:
                await xa_cmpxchg(XaState(mapping.i_pages, index), entry, None)


async def find_lock_entries(mapping: AddressSpace) -> Found:
    """``find_lock_entries()`` of 5.15, of the whole file: what can be locked at once; of a huge page the first slot."""
    found: Found = []
    xas = XaState(mapping.i_pages, 0)
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, INFINITY)
        if entry is None:
            break
        if not isinstance(entry, Folio):
            found.append((xas.index, entry))
            continue
        locked = await folio_trylock(entry)
        if not locked:
            await folio_put(entry)
        elif entry.mapping is not mapping or entry.writeback is not None:
            await folio_unlock(entry)
            await folio_put(entry)
        else:
            found.append((xas.index, entry))
        if entry.order:
            xas_set(xas, entry.next_index)
    await rcu_read_unlock()
    return found


async def find_get_entries(mapping: AddressSpace) -> Found:
    """``find_get_entries()`` of 5.15, from the beginning of the file up to the first huge page."""
    found: Found = []
    xas = XaState(mapping.i_pages, 0)
    await rcu_read_lock()
    while True:
        entry = await find_get_entry(xas, INFINITY)
        if entry is None:
            break
        found.append((xas.index, entry))
        if isinstance(entry, Folio) and entry.order:
            break  # "terminate early on finding a THP, to allow the caller to handle it all at once"
    await rcu_read_unlock()
    return found


BUG: Final = Bug(
    number=18,
    name="tail-of-a-huge-page",
    kernel=LINUX_2026_MENDED.replace(
        name="b18-tail-of-a-huge-page",
        summary="who opens a file for writing meets the tail of a huge page",
        source="without 55fc0d917467",
        collapse_regular_file=collapse_file,
        do_dentry_open=do_dentry_open,
    ),
    fixed=LINUX_2026_MENDED.replace(
        name="linux-5.16-entries",
        summary="2026 mended, with huge pages of regular files in each of their slots, as until 5.17",
        source="55fc0d917467, and Hugh Dickins in September 2021",
        collapse_regular_file=collapse_file,
        do_dentry_open=do_dentry_open_both,
    ),
    fix="55fc0d917467",
    release="5.16",
    minimum=Minimum(2, 3, 2),
    breaks=("no_kernel_assertion_fails",),
    focus=Focus(
        operations=(Collapse, OpenWrite),
        features={"backing": ("file",), "pages": ("data",), "hpage_order": (1,), "large": ((),), "vmas": (1,)},
    ),
)
