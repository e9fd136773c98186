"""Faults in the collapse of linux-2026, its scan and what it does to page tables afterwards."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["COLLAPSE_MUTANTS"]

PROTOCOL: Final = "collapse/linux_2026.py"
SCAN: Final = "collapse/scan.py"

COLLAPSE_MUTANTS: Final = (
    Mutant(
        "collapse-without-recount",
        PROTOCOL,
        "recheck",
        """
-            if result == SCAN_SUCCEED and nr_none != nr_none_check:
+            if result == SCAN_SUCCEED and nr_none < nr_none_check:
""",
    ),
    Mutant(
        "collapse-without-asking-userfaultfd",
        PROTOCOL,
        "recheck",
        """
-                if missing:
+                if missing and nr_none < 0:
""",
    ),
    Mutant(
        "collapse-asks-only-who-maps-the-head",  # v2 to v5 of February and March 2023
        PROTOCOL,
        "bound",
        """
-                missing = await kernel.any_vma_missing(mapping, start, end)
+                missing = await kernel.any_vma_missing(mapping, start, start)
""",
    ),
    Mutant(
        "collapse-without-retry-entries",
        PROTOCOL,
        "order",
        """
-                    await xas_store(xas, XA_RETRY_ENTRY)
                     if xas.error:
""",
    ),
    Mutant(
        "collapse-leaves-retry-entries",
        PROTOCOL,
        "order",
        """
-                    if entry is XA_RETRY_ENTRY:
-                        await xas_store(xas, None)
+                    del entry
""",
    ),
    Mutant(
        "collapse-accepts-another-reference",
        PROTOCOL,
        "refcount",
        """
-                if refcount == 2 + folio.nr_pages:
+                if refcount <= 3 + folio.nr_pages:
""",
    ),
    Mutant(
        "collapse-expects-one-reference-less",
        PROTOCOL,
        "refcount",
        """
-                if refcount == 2 + folio.nr_pages:
+                if refcount == 1 + folio.nr_pages:
""",
    ),
    Mutant(
        "collapse-keeps-the-isolation-reference",
        PROTOCOL,
        "refcount",
        """
-        await folio_put_refs(pagelist[position], 2 + pagelist[position].nr_pages)
+        await folio_put_refs(pagelist[position], 1 + pagelist[position].nr_pages)
""",
    ),
    Mutant(
        "collapse-drops-one-reference-too-many",
        PROTOCOL,
        "refcount",
        """
-        await folio_put_refs(pagelist[position], 2 + pagelist[position].nr_pages)
+        await folio_put_refs(pagelist[position], 3 + pagelist[position].nr_pages)
""",
    ),
    Mutant(
        "collapse-takes-no-references-for-the-cache",
        PROTOCOL,
        "refcount",
        """
-    await folio_ref_add(hpage, hpage.nr_pages - 1)
""",
    ),
    Mutant(
        "collapse-without-rolling-nrpages-back",
        PROTOCOL,
        "accounting",
        """
-            mapping.nrpages -= nr_none
""",
    ),
    Mutant(
        "collapse-uncharges-what-was-not-charged",
        PROTOCOL,
        "accounting",
        """
-            nr_none = 0
             raise Rollback(result)
""",
    ),
    Mutant(
        "collapse-leaves-the-pages-unisolated",
        PROTOCOL,
        "refcount",
        """
             await folio_unlock(pagelist[position])
-            await folio_putback_lru(pagelist[position])
+            await folio_put(pagelist[position])
""",
    ),
    Mutant(
        "collapse-without-flushing-the-tlb",
        PROTOCOL,
        "order",
        """
-    await try_to_unmap_flush(mapping)
""",
    ),
    Mutant(
        "collapse-without-unmapping",
        PROTOCOL,
        "order",
        """
-                if folio.mapcount:
+                if folio.mapcount < 0:
""",
    ),
    Mutant(
        "collapse-without-clearing-the-tail",
        PROTOCOL,
        "flag",
        """
-        while index < end:
-            await clear_highpage(hpage, index - start)
-            index += 1
+        del index
""",
    ),
    Mutant(
        "collapse-never-marks-the-huge-folio-uptodate",
        PROTOCOL,
        "flag",
        """
-    await folio_mark_uptodate(hpage)
""",
    ),
    Mutant(
        "collapse-marks-uptodate-after-the-store",
        PROTOCOL,
        "order",
        """
-    await folio_mark_uptodate(hpage)
@@
     warn_on_once(xas.error, "xas_store() of the huge folio")
     await xas_unlock_irq(xas)
+    await folio_mark_uptodate(hpage)
""",
    ),
    Mutant(
        "collapse-never-adds-to-the-lru",
        PROTOCOL,
        "flag",
        """
-    await folio_add_lru(hpage)
""",
    ),
    Mutant(
        "collapse-unlocks-before-it-retracts",
        PROTOCOL,
        "order",
        """
-    await kernel.retract_page_tables(mapping, start)
     await folio_unlock(hpage)
+    await kernel.retract_page_tables(mapping, start)
""",
    ),
    Mutant(
        "collapse-never-unlocks-the-huge-folio",
        PROTOCOL,
        "lock",
        """
     await kernel.retract_page_tables(mapping, start)
-    await folio_unlock(hpage)
""",
    ),
    Mutant(
        "collapse-frees-the-old-pages-before-the-store",
        PROTOCOL,
        "order",
        """
+    for position in range(len(pagelist)):
+        pagelist[position].mapping = None
     # Uptodate before it is stored, lest it be mistaken for a fallocated page that nobody wrote.
""",
    ),
    Mutant(
        "collapse-unlocks-the-old-pages-before-the-store",
        PROTOCOL,
        "lock",
        """
+    for position in range(len(pagelist)):
+        await folio_unlock(pagelist[position])
     # Uptodate before it is stored, lest it be mistaken for a fallocated page that nobody wrote.
@@
         pagelist[position].mapping = None
-        await folio_unlock(pagelist[position])
""",
    ),
    Mutant(
        "collapse-goes-on-over-a-machine-check",
        PROTOCOL,
        "recheck",
        """
-                if not copied:
+                if not copied and index < 0:
""",
    ),
    Mutant(
        "collapse-asks-without-the-i-mmap-lock",
        PROTOCOL,
        "lock",
        """
-            await down_read(mapping.i_mmap_rwsem)
             await xas_lock_irq(xas)
@@
-            await up_read(mapping.i_mmap_rwsem)
""",
    ),
)
