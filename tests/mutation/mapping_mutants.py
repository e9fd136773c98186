"""Faults in page tables, faults, userfaultfd and splitting."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["MAPPING_MUTANTS"]

MAPPING_MUTANTS: Final = (
    Mutant(
        "fault-maps-over-what-is-mapped",
        "finish_fault.py",
        "recheck",
        """
-    mapped = table.present and vma.ptes.get(index) == orig_pte
+    mapped = table.present
     if mapped:
         await set_pte_range(vmf, folio, start, behind, orig_pte)
""",
    ),
    Mutant(
        "fault-maps-into-a-table-that-is-gone",
        "finish_fault.py",
        "recheck",
        """
-    mapped = table.present and vma.ptes.get(index) == orig_pte
+    mapped = vma.ptes.get(index) == orig_pte
     if mapped:
         await set_pte_range(vmf, folio, start, behind, orig_pte)
""",
        equivalent=(
            "a page table is taken out under the lock of the huge folio, when every old folio of its range is locked, "
            "and who faults holds the lock of one of them"
        ),
    ),
    Mutant(
        "fault-unlocks-the-folio-before-it-maps",
        "finish_fault.py",
        "lock",
        """
         start, behind = first, first + folio.nr_pages
+    await folio_unlock(folio)
     await spin_lock(table.ptl)
@@
         await set_pte_range(vmf, folio, start, behind, orig_pte)
     await spin_unlock(table.ptl)
     folio.dirty |= vmf.write  # fault_dirty_shared_page()
-    await folio_unlock(folio)
     if not mapped:
""",
    ),
    Mutant(
        "fault-keeps-the-lookup-reference",
        "finish_fault.py",
        "refcount",
        """
         await set_pte_range(vmf, folio, start, behind, orig_pte)
     await spin_unlock(table.ptl)
     folio.dirty |= vmf.write  # fault_dirty_shared_page()
     await folio_unlock(folio)
     if not mapped:
-        await folio_put(folio)
+        pass
     return ""
""",
    ),
    Mutant(
        "fault-maps-a-large-folio-over-what-is-mapped",
        "finish_fault.py",
        "recheck",
        """
-    if behind - start > 1 and any(one in vma.ptes for one in range(start, behind)):
-        # The kernel lets go of the lock and begins anew, to come here again.
-        start, behind = index, index + 1
""",
    ),
    Mutant(
        "fault-maps-a-large-folio-beyond-its-mapping",
        "finish_fault.py",
        "bound",
        """
-    if whole and vma.start <= first and first + folio.nr_pages <= vma.end:
+    if whole and vma.start <= first:
""",
    ),
    Mutant(
        "fault-maps-a-large-folio-where-a-userfaultfd-looks",
        "finish_fault.py",
        "recheck",
        """
-    whole = folio.order > 0 and not (needs_fallback or vma.uffd_registered)
+    whole = folio.order > 0 and not needs_fallback
""",
        equivalent=(
            "what is protected has a marker, for which the range is looked at; where MINOR events are wanted a fault "
            "maps only what it has put there itself; and what is there needs no MISSING event"
        ),
    ),
    Mutant(
        "fault-takes-one-reference-for-all",
        "finish_fault.py",
        "refcount",
        """
-        folio.refcount += index != start
""",
    ),
    Mutant(
        "fault-holds-the-mmap-lock-for-the-punch",
        "fault.py",
        "lock",
        """
-    # maybe_unlock_mmap_for_io(): nobody must wait for the puncher with the mmap_lock held.
-    await up_read(vmf.vma.mm.mmap_lock)
@@
     await spin_lock(inode.i_lock)
     await spin_unlock(inode.i_lock)
+    await up_read(vmf.vma.mm.mmap_lock)
     vmf.fault_type = "VM_FAULT_RETRY"
""",
        equivalent="who punches a hole takes no mmap_lock, nor waits for anybody who does: others only wait longer",
    ),
    Mutant(
        "fault-queues-without-i-lock",
        "fault.py",
        "lock",
        """
-    waitq.waiters.append(current)
     await spin_unlock(inode.i_lock)
     await step(
         "schedule",
         target=("i_private", 0),
+        writes=True,
+    )
+    waitq.waiters.append(current)
+    await step(
+        "schedule",
+        target=("i_private", 0),
""",
    ),
    Mutant(
        "unmap-without-the-page-table-lock",
        "rmap.py",
        "lock",
        """
-            await spin_lock(table.ptl, also=[(PTES, False)])
             if table.vma.mapped(index) is folio:
                 entry = await pte_clear(table.vma, index)
                 pte_install_uffd_wp_if_needed(table.vma, index, entry)
@@
                 # page_remove_rmap(), then folio_put(): the cache's reference remains.
                 drop_references(folio, 1)
-            await spin_unlock(table.ptl)
""",
    ),
    Mutant(
        "unmap-never-flushes",
        "rmap.py",
        "order",
        """
-                if not batch_flush:
+                if batch_flush:
""",
    ),
    Mutant(
        "unmap-forgets-the-mapcount",
        "rmap.py",
        "refcount",
        """
                 if not batch_flush:
                     await flush_tlb_page(vma, index, also=pte_changed(folio))
                 folio.dirty |= entry.dirty  # "Move the dirty bit to the folio now the pte is gone."
-                folio.mapcount -= 1
""",
    ),
    Mutant(
        "unmap-only-the-first-vma",
        "rmap.py",
        "bound",
        """
     if not rmap_locked:
         await down_read(mapping.i_mmap_rwsem)
-    for number in range(len(mapping.i_mmap)):
+    for number in range(len(mapping.i_mmap[:1])):
""",
    ),
    Mutant(
        "flush-forgets-the-other-mappings",
        "rmap.py",
        "bound",
        """
-    for vma in mapping.i_mmap:
+    for vma in mapping.i_mmap[:1]:
         vma.tlb.clear()
""",
    ),
    Mutant(
        "zap-drops-pages-before-it-flushes",
        "zap.py",
        "order",
        """
-        if index in vma.tlb:
-            await flush_tlb_page(vma, index, also=looked_at_by_a_zap(start, end))
+        await step("flush_tlb_page", vma, index)
""",
    ),
    Mutant(
        "zap-one-page-too-few",
        "zap.py",
        "bound",
        """
         first, last = max(start, vma.start, number << order), min(end, vma.end, (number + 1) << order)
-        done = first >= last
+        last -= 1
+        done = first >= last
""",
    ),
    Mutant(
        "munmap-forgets-the-references",
        "syscalls.py",
        "refcount",
        """
-from pagecache.zap import ZapDetails, unmap_mapping_range, zap_page_range_single
+from pagecache.zap import ZapDetails, unmap_mapping_range, zap_page_range
@@
-    await zap_page_range_single(vma, vma.start, vma.end, ZapDetails(drop_markers=True))
+    await zap_page_range(vma, vma.start, vma.end, ZapDetails(drop_markers=True))
""",
    ),
    Mutant(
        "munmap-stays-in-i-mmap",
        "syscalls.py",
        "order",
        """
-    mapping.i_mmap.remove(vma)
""",
    ),
    Mutant(
        "userfault-sleeps-without-a-second-look",
        "userfaultfd.py",
        "recheck",
        """
-    must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
+    must_wait = True
""",
    ),
    Mutant(
        "userfault-looks-before-it-queues",
        "userfaultfd.py",
        "order",
        """
-    current = await step("handle_userfault", vma, index, target=_uffd(vma), writes=True)
-    waiter = (current, index)
-    vma.uffd_waiters.append(waiter)
     await step("userfaultfd_must_wait", vma, index, target=pte_target(index))
     must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
+    current = await step("handle_userfault", vma, index, target=_uffd(vma), writes=True)
+    waiter = (current, index)
+    vma.uffd_waiters.append(waiter)
""",
    ),
    Mutant(
        "userfault-keeps-the-mmap-lock",
        "userfaultfd.py",
        "lock",
        """
     must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
-    await up_read(vma.mm.mmap_lock)
     vmf.fault_type = "VM_FAULT_RETRY"
@@
     if waiter in vma.uffd_waiters:
         vma.uffd_waiters.remove(waiter)
+    await up_read(vma.mm.mmap_lock)
""",
    ),
    Mutant(
        "unregister-wakes-nobody",
        "mended/unregister.py",
        "wakeup",
        """
-        await wake_userfault(vma, None)
+        pass
""",
    ),
    Mutant(
        "copy-wakes-nobody",
        "userfaultfd.py",
        "wakeup",
        """
-    await wake_userfault(vma, index)
     return 0
""",
    ),
    Mutant(
        "copy-without-a-second-look-at-i-size",
        "userfaultfd.py",
        "recheck",
        """
     size = await i_size_read(vma.mapping.host, also=[(pte_target(index), True)])
-    if index >= size:
+    if index > size + 8:
         await spin_unlock(table.ptl)
""",
    ),
    Mutant(
        "copy-leaves-its-page-after-a-failure",
        "userfaultfd.py",
        "order",
        """
     if error:
-        await filemap_remove_folio(mapping, folio)
         await unlock_and_put(folio)
         return error, None
     await mapping.kernel.shmem_recalc_inode(inode, 1, 0)
""",
    ),
    Mutant(
        "copy-maps-without-a-page-table",
        "userfaultfd.py",
        "recheck",
        """
-    if not table.present:  # pte_offset_map_lock()
-        await spin_unlock(table.ptl)
-        return "EAGAIN"
     # Serialize against truncate with the page-table lock.
""",
    ),
    Mutant(
        "copy-forgets-alloced",
        "userfaultfd.py",
        "accounting",
        """
-    await mapping.kernel.shmem_recalc_inode(inode, 1, 0)
+    await mapping.kernel.shmem_recalc_inode(inode, 0, 0)
""",
    ),
    Mutant(
        "copy-forgets-to-unlock-after-eexist",
        "userfaultfd.py",
        "lock",
        """
     if error:
-        await unlock_and_put(folio)
+        await folio_put(folio)
         return error, None
     error = await mfill_atomic_install_pte(vma, index, folio)
""",
    ),
    Mutant(
        "copy-fills-where-nobody-registered",
        "userfaultfd.py",
        "recheck",
        """
-        if found is not None and vma.uffd_registered and vma.maps(index):
+        if found is not None and vma.maps(index):
""",
    ),
    Mutant(
        "copy-is-not-uptodate",
        "userfaultfd.py",
        "flag",
        """
-    folio.uptodate = True
     folio.dirty = True
     size = await i_size_read(inode)
""",
    ),
    Mutant(
        "split-without-freezing",
        "huge_memory.py",
        "refcount",
        """
-    if folio.refcount != folio.mapcount + folio.nr_pages + 1:
+    if folio.refcount < folio.mapcount + folio.nr_pages + 1:
@@
-        frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
+        frozen = await folio_ref_freeze(folio, folio.refcount)
""",
    ),
    Mutant(
        "split-keeps-what-is-behind-the-end",
        "huge_memory.py",
        "bound",
        """
-        if tail.index >= end:
+        if tail.index > end:
""",
        equivalent=(
            "that page holds zeroes, and the large folio that it was part of reached there before: nobody who looks "
            "behind the end finds anything else"
        ),
    ),
    Mutant(
        "split-forgets-the-dropped-pages",
        "huge_memory.py",
        "accounting",
        """
-            mapping.nrpages -= nr
             dropped += nr
""",
    ),
    Mutant(
        "split-tails-are-not-uptodate",
        "huge_memory.py",
        "flag",
        """
-    part.uptodate = folio.uptodate
""",
    ),
    Mutant(
        "split-tails-lose-their-content",
        "huge_memory.py",
        "flag",
        """
-    part.pages = folio.pages[index - folio.index : index - folio.index + part.nr_pages]
+    part.pages = folio.pages[: part.nr_pages]
""",
    ),
    Mutant(
        "split-without-looking-at-the-slot",
        "huge_memory.py",
        "recheck",
        """
-    if entry is folio:
-        frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
+    del entry
+    frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
""",
        equivalent="the folio is locked, so its slots cannot change, and its mapping was looked at under the lock",
    ),
    Mutant(
        "split-without-unmapping",
        "huge_memory.py",
        "order",
        """
-    await mapping.kernel.try_to_unmap(mapping, folio, rmap_locked=True, sync=True)
""",
    ),
)
