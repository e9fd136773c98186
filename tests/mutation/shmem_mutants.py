"""Faults in the functions of ``mm/shmem.c``: finding, filling, system calls, accounting."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["SHMEM_MUTANTS"]

SHMEM_MUTANTS: Final = (
    Mutant(
        "get-folio-without-looking-at-the-mapping",
        "shmem.py",
        "recheck",
        """
-            if folio.mapping is not mapping:
+            if folio.freed:
""",
    ),
    Mutant(
        "get-folio-without-a-second-look-at-i-size",
        "shmem.py",
        "recheck",
        """
     size = await i_size_read(inode)
-    if index < size:
+    if index < size or alloced:
         return "", folio
""",
    ),
    Mutant(
        "get-folio-never-clears",
        "shmem.py",
        "flag",
        """
-    if sgp != SGP_WRITE and not folio.uptodate:
+    if sgp == SGP_FALLOC and not folio.uptodate:
""",
    ),
    Mutant(
        "get-folio-marks-uptodate-before-it-clears",
        "shmem.py",
        "order",
        """
+        await folio_mark_uptodate(folio)
         await step("clear_highpage", folio, target=pte_target(index), writes=True, also=others)
         for offset in range(folio.nr_pages):
             folio.pages[offset] = ZERO
-        await folio_mark_uptodate(folio)
""",
        equivalent="shmem's readers lock the folio; who only asks whether it is there may hear it now",
    ),
    Mutant(
        "get-folio-without-asking-userfaultfd",
        "shmem.py",
        "recheck",
        """
-        if vmf is not None and userfaultfd_missing(vmf.vma):
+        if vmf is not None and sgp == SGP_FALLOC and userfaultfd_missing(vmf.vma):
""",
    ),
    Mutant(
        "insert-over-a-retry-entry",
        "shmem.py",
        "recheck",
        """
-        if conflict is not None or (expected is not None and following != expected.value + folio.nr_pages):
+        held = isinstance(conflict, Folio | ValueEntry)
+        if held or (expected is not None and following != expected.value + folio.nr_pages):
""",
        equivalent="RETRY entries stand there only while the xa_lock is held, which the insertion takes",
    ),
    Mutant(
        "insert-without-its-reference",
        "shmem.py",
        "refcount",
        """
-    folio.refcount += folio.nr_pages  # nobody can see it yet
""",
    ),
    Mutant(
        "insert-unlocked",
        "shmem.py",
        "lock",
        """
-    error = await shmem_add_to_page_cache(folio, mapping, index)
+    await folio_unlock(folio)
+    error = await shmem_add_to_page_cache(folio, mapping, index)
+    await folio_lock(folio)
""",
    ),
    Mutant(
        "insert-forgets-nrpages",
        "shmem.py",
        "accounting",
        """
-    mapping.nrpages += folio.nr_pages
""",
    ),
    Mutant(
        "fault-forgets-alloced",
        "shmem.py",
        "accounting",
        """
-    await mapping.kernel.shmem_recalc_inode(inode, folio.nr_pages, 0)
+    await mapping.kernel.shmem_recalc_inode(inode, 0, 0)
""",
    ),
    Mutant(
        "read-without-a-second-look-at-i-size",
        "syscalls.py",
        "recheck",
        """
             return "EIO"
-    size = await i_size_read(inode)
""",
        equivalent="pages are whole: it could have looked just before the truncate",
    ),
    Mutant(
        "read-keeps-its-reference",
        "syscalls.py",
        "refcount",
        """
     content: str = folio.page_at(index)
-    await folio_put(folio)
""",
    ),
    Mutant(
        "write-never-raises-i-size",
        "syscalls.py",
        "accounting",
        """
-    if index + 1 > inode.i_size:
+    if index > inode.i_size:
""",
    ),
    Mutant(
        "write-marks-uptodate-before-the-data",
        "syscalls.py",
        "order",
        """
+    if not folio.uptodate:
+        await folio_mark_uptodate(folio)
     await step("copy_page_from_iter", folio, target=pte_target(index), writes=True)
""",
        equivalent="shmem's readers lock the folio; who only asks whether it is there may hear it now",
    ),
    Mutant(
        "write-unlocks-before-the-data",
        "syscalls.py",
        "order",
        """
+    await folio_unlock(folio)
     await step("copy_page_from_iter", folio, target=pte_target(index), writes=True)
@@
     folio.dirty = True
-    await folio_unlock(folio)
     await folio_put(folio)
     await up_write(inode.i_rwsem)
     return 1
""",
    ),
    Mutant(
        "seek-without-i-rwsem",
        "syscalls.py",
        "lock",
        """
-    await down_write(inode.i_rwsem)
     mapping = inode.i_mapping
-    answer: int | str = await mapping.kernel.mapping_seek_hole_data(mapping, index, inode.i_size, whence)
-    await up_write(inode.i_rwsem)
+    answer: int | str = await mapping.kernel.mapping_seek_hole_data(mapping, index, inode.i_size, whence)
""",
    ),
    Mutant(
        "mincore-counts-what-is-not-uptodate",
        "syscalls.py",
        "flag",
        """
-    return int(uptodate)
+    return 1
""",
    ),
    Mutant(
        "mincore-keeps-its-reference",
        "syscalls.py",
        "refcount",
        """
     uptodate = await folio_test_uptodate(entry)
-    await folio_put(entry)
""",
    ),
    Mutant(
        "mincore-forgets-the-page-table-lock",
        "syscalls.py",
        "lock",
        """
     if vma.pte_none_mostly(index):
         answer = await vma.mapping.kernel.mincore_page(vma, index)
-    await spin_unlock(table.ptl)
""",
    ),
    Mutant(
        "truncate-lowers-i-size-last",
        "mended/setattr.py",
        "order",
        """
-    if size != old_size:
+    if size > old_size:
         await i_size_write(inode, size)
@@
             await unmap_mapping_range(mapping, size, INFINITY)
+        if size < old_size:
+            await i_size_write(inode, size)
     await up_write(inode.i_rwsem)
     return 0
""",
    ),
    Mutant(
        "truncate-without-unmapping",
        "mended/setattr.py",
        "order",
        """
         if old_size > size:
-            await unmap_mapping_range(mapping, size, INFINITY)
+            pass
         await mapping.kernel.shmem_undo_range(inode, size, INFINITY, unfalloc=False)
""",
        equivalent="what is mapped is unmapped folio by folio, and the range once more at the end",
    ),
    Mutant(
        "truncate-without-i-rwsem",
        "mended/setattr.py",
        "lock",
        """
-    await down_write(inode.i_rwsem)
     old_size = inode.i_size
@@
             await unmap_mapping_range(mapping, size, INFINITY)
-    await up_write(inode.i_rwsem)
     return 0
""",
    ),
    Mutant(
        "punch-never-wakes-the-faults",
        "syscalls.py",
        "wakeup",
        """
     inode.i_private = None
-    waitq.waiters.clear()
     waitq.alive = False
""",
    ),
    Mutant(
        "punch-leaves-itself-published",
        "syscalls.py",
        "order",
        """
     await step("wake_up_all", target=("i_private", 0), writes=True)
-    inode.i_private = None
     waitq.waiters.clear()
""",
    ),
    Mutant(
        "punch-one-page-too-far",
        "syscalls.py",
        "bound",
        """
-    await mapping.kernel.shmem_undo_range(inode, start, start + length - 1, unfalloc=False)
+    await mapping.kernel.shmem_undo_range(inode, start, start + length, unfalloc=False)
""",
    ),
    Mutant(
        "fallocate-leaves-what-it-allocated",
        "syscalls.py",
        "order",
        """
-            if index > start:
+            if index > start + 1:
""",
    ),
    Mutant(
        "fallocate-undoes-what-was-written",
        "truncate.py",
        "recheck",
        """
-        if not unfalloc or not folio.uptodate:
-            await truncate_inode_folio(mapping, folio)
+        await truncate_inode_folio(mapping, folio)
""",
    ),
    Mutant(
        "fallocate-never-raises-i-size",
        "syscalls.py",
        "accounting",
        """
-    if not error and not keep_size and end > inode.i_size:
+    if not error and keep_size and end > inode.i_size:
""",
    ),
    Mutant(
        "charge-forgets-nrpages",
        "shmem_charge.py",
        "accounting",
        """
     await xas_lock_irq(xas)
-    inode.i_mapping.nrpages += pages
     await xas_unlock_irq(xas)
""",
    ),
    Mutant(
        "charge-alloced-first",  # as in 4.8
        "shmem_charge.py",
        "order",
        """
     xas = XaState(inode.i_mapping.i_pages, 0)
+    await shmem_recalc_inode_6_6(inode, pages, 0)
     await xas_lock_irq(xas)
     inode.i_mapping.nrpages += pages
     await xas_unlock_irq(xas)
-    await shmem_recalc_inode_6_6(inode, pages, 0)
""",
    ),
    Mutant(
        "undo-range-without-looking-at-the-mapping",
        "truncate.py",
        "recheck",
        """
-                if folio.mapping is not mapping:
-                    again = at  # replaced, by a collapse for example: look at this index again
-                elif folio.order == 0:
+                if folio.order == 0:
""",
    ),
    Mutant(
        "undo-range-does-not-look-for-the-parts",
        "truncate.py",
        "recheck",
        """
-                    split = await truncate_inode_partial_folio(mapping, folio, lstart, last)
-                    if split and folio.order == 0 and folio.mapping is not None:
-                        again = start  # the loop has to see the new small folios
+                    await truncate_inode_partial_folio(mapping, folio, lstart, last)
""",
        equivalent=(
            "a truncate goes round until all is gone, and what a hole punch leaves is zeroed, as if a fault had "
            "brought it back: the first version of 55ac8bbe358b (B47)"
        ),
    ),
    Mutant(
        "undo-range-only-what-it-can-lock-at-once",
        "truncate.py",
        "bound",
        """
-        rest, behind = await find_get_entries(mapping, index, end - 1)
+        rest, behind = list[tuple[int, Entry]](), index
""",
    ),
    Mutant(
        "undo-range-keeps-its-reference",
        "truncate.py",
        "refcount",
        """
             await folio_unlock(folio)
-            await folio_put(folio)
             if again >= 0:
""",
    ),
    Mutant(
        "undo-range-forgets-the-partial-folio",
        "truncate.py",
        "bound",
        """
-        if not same_folio and last != INFINITY:
+        if same_folio and last != INFINITY:
""",
    ),
    Mutant(
        "undo-range-without-unmapping",
        "truncate.py",
        "order",
        """
-    if folio.mapcount:
+    if folio.mapcount > 1:
""",
    ),
    Mutant(
        "undo-range-zeroes-the-whole-folio",
        "truncate.py",
        "bound",
        """
-    for index in range(first, behind):
+    for index in range(folio.index, behind):
""",
    ),
    Mutant(
        "undo-range-never-zeroes",
        "truncate.py",
        "flag",
        """
-        folio.set_page_at(index, ZERO)
""",
    ),
)
