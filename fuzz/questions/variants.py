"""What somebody said could be left out, or done instead."""

from __future__ import annotations

from typing import Final

from fuzz.questions.variant import Variant

WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK: Final = Variant(
    "without-page-locks-until-the-recheck",
    """
     nr_none = 0
+    unlocked = False

@@
+        for position in range(len(pagelist)):
+            await folio_unlock(pagelist[position])
+        unlocked = True
         if nr_none:
             nr_none_check = 0
@@
         for position in range(len(pagelist)):
-            await folio_unlock(pagelist[position])
+            if not unlocked:
+                await folio_unlock(pagelist[position])
             await folio_putback_lru(pagelist[position])
@@
         pagelist[position].mapping = None
-        await folio_unlock(pagelist[position])
         await folio_put_refs(pagelist[position], 3)
""",
)

RECHECK_UP_TO_THE_LAST_PRESENT_PAGE: Final = Variant(
    "recheck-up-to-the-last-present-page",
    """
-            for _ in range(start, end):
+            for _ in range(start, pagelist[-1].next_index):
                 entry = await xas_next(xas)
                 if entry is None:
@@
-            if result == SCAN_SUCCEED and nr_none != nr_none_check:
+            if result == SCAN_SUCCEED and nr_none != nr_none_check + end - pagelist[-1].next_index:
""",
)

RECHECK_TAKES_SWAP_FOR_A_HOLE: Final = Variant(
    "recheck-takes-swap-for-a-hole",
    """
     xas_unlock_irq,
 )
+from pagecache.xarray.entry import xa_is_value
@@
                 entry = await xas_next(xas)
-                if entry is None:
+                if entry is None or xa_is_value(entry):
                     await xas_store(xas, XA_RETRY_ENTRY)
""",
)

WITHOUT_RECHECK: Final = Variant(
    "without-nr-none-recheck",
    """
-            if result == SCAN_SUCCEED and nr_none != nr_none_check:
+            if result == SCAN_SUCCEED and nr_none < nr_none_check:
""",
)

ASKS_BEFORE_THE_COPY: Final = Variant(  # P27
    "asks-before-the-copy",
    """
 from pagecache.collapse.scan import (
     SCAN_DEL_PAGE_LRU,
+    SCAN_EXCEED_NONE_PTE,
@@
 from pagecache.inode import AddressSpace
+from pagecache.locks import down_read, up_read
 from pagecache.mm import Mm
@@
+        if nr_none:
+            await xas_unlock_irq(xas)
+            await down_read(mapping.i_mmap_rwsem)
+            missing = await kernel.any_vma_missing(mapping, start, end)
+            await up_read(mapping.i_mmap_rwsem)
+            if missing:
+                raise Rollback(SCAN_EXCEED_NONE_PTE)
+            await xas_lock_irq(xas)
         # Join all the entries into a single multi-index entry.
""",
    of="linux-6.2",
)

RETRACTS_NO_ARMED_TABLES: Final = Variant(  # P17
    "retracts-no-armed-tables",
    """
+        if vma.uffd_missing:
+            continue
         locked = await down_write_trylock(vma.mm.mmap_lock, also=[(PMDS, False)])
""",
    member="retract_page_tables",
    of="linux-6.2",
)

WITHOUT_REF_CHECK: Final = Variant(
    "without-reference-check",
    """
-                if refcount == 3:
+                if refcount:
""",
    of="linux-6.4-mended",
)

WITHOUT_TLB_FLUSH: Final = Variant(
    "without-tlb-flush",
    """
-    await try_to_unmap_flush(mapping)
""",
    of="linux-6.4-mended",
)

GUARDED_UNTIL_THE_STORE: Final = Variant(  # P14
    "guarded-until-the-store",
    """
-            await up_read(mapping.i_mmap_rwsem)
             if result != SCAN_SUCCEED:
                 await xas_unlock_irq(xas)
+                await up_read(mapping.i_mmap_rwsem)
                 raise Rollback(result)
@@
     warn_on_once(xas.error, "xas_store() of the huge folio")
     await xas_unlock_irq(xas)
+    if nr_none:
+        await up_read(mapping.i_mmap_rwsem)
""",
    of="b04-hole-after-the-walk",
)
