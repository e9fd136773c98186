"""Kernels with one fault each, written as the diff that makes it.

A mutant is a kernel of the table whose one function was patched, as if the kernel had been posted like that; the
module that defines it is compiled again under the mutant's name.

The first group is the steps of what was merged, left out one at a time.  The second is what else can go wrong, so that
each promise has a fault that no other sees: the table is in :mod:`isolated`.
"""

from __future__ import annotations

from fuzz.questions.variant import Variant
from fuzz.questions.variants import (
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,
    WITHOUT_RECHECK,
    WITHOUT_REF_CHECK,
    WITHOUT_TLB_FLUSH,
)

__all__ = ["MUTANTS", "Mutant"]


Mutant = Variant

WITHOUT_UFFD_CHECK = Mutant(
    "without-uffd-check",
    """
-                if missing:
+                if False:
""",
)

WITHOUT_RETRY_ROLLBACK = Mutant(
    "without-putting-the-holes-back",
    """
-                    if entry is XA_RETRY_ENTRY:
-                        await xas_store(xas, None)
+                    del entry
""",
)

WITHOUT_ONE_PUT = Mutant(
    "without-dropping-the-isolation-reference",
    """
-        await folio_put_refs(pagelist[position], 3)
+        await folio_put_refs(pagelist[position], 2)
""",
)

WITHOUT_NRPAGES_ROLLBACK = Mutant(
    "without-nrpages-rollback",
    """
-            mapping.nrpages -= nr_none
""",
)

WITHOUT_UNLOCK = Mutant(
    "without-unlocking-the-new-folio",
    """
     await kernel.retract_page_tables(mapping, start)
-    await folio_unlock(hpage)
""",
)

FREES_BEFORE_THE_STORE = Mutant(
    "frees-before-the-store",
    """
+    for position in range(len(pagelist)):
+        pagelist[position].mapping = None
     # Join all the small entries into a single multi-index entry.
""",
)

WAITS_FOR_THE_MMAP_LOCK = Mutant(
    "waits-for-the-mmap-lock-to-retract",
    """
-        locked = await down_write_trylock(vma.mm.mmap_lock, also=[(PMDS, False)])
-        if not locked:
-            continue
+        await down_write(vma.mm.mmap_lock)
""",
    member="retract_page_tables",
)

SLEEPS_UNDER_THE_XA_LOCK = Mutant(
    "asks-the-vmas-under-the-xa-lock-only",
    """
-            await down_read(mapping.i_mmap_rwsem)
             await xas_lock_irq(xas)
+            await down_read(mapping.i_mmap_rwsem)
             xas_set(xas, start)
""",
)

CLEARS_NO_HOLES = Mutant(
    "without-clearing-the-holes",
    """
-        while index < end:
-            await clear_highpage(hpage, index - start)
-            index += 1
""",
)

CURSOR_STANDS_STILL = Mutant(
    "with-a-cursor-that-stands-still",  # c8a8f3b4a95a: xas_next() behind xas_set() goes to the index, not on from it
    """
+        xas_set(xas, start)
         for index in range(start, end):
-            xas_set(xas, index)
-            folio = await xas_load(xas)
+            folio = await xas_next(xas)
@@
                 await xas_lock_irq(xas)
+                xas_set(xas, index)
                 # We control three references: our pin, the page cache's, and folio_isolate_lru()'s.
""",
)

REFUSES_TO_SPLIT = Mutant(
    "refuses-to-split",
    """
-    if folio.mapping is None:
+    if folio.order:
""",
    member="split_folio",
)

LOOKS_WITH_A_MOVED_CURSOR = Mutant(
    "looks-with-a-moved-cursor",  # its index no longer is that of the slot at which it stands
    """
+    xas_set(xas, start)
+    await xas_next(xas)
+    xas.index += 1
+    await xas_next(xas)
     # Join all the small entries into a single multi-index entry.
""",
)

PROTECTS_WITHOUT_A_FLUSH = Mutant(
    "protects-without-a-flush",
    """
-    if flush:
-        await flush_tlb_page(vma, index)
""",
    member="uffd_wp_range",
)

MAPS_WHAT_IT_FINDS = Mutant(
    "maps-what-it-finds",
    """
-        if entry is not None and vmf is not None and vmf.vma.uffd_minor:
+        if False:
""",
    member="shmem_get_folio",
)

SLEEPS_WITHOUT_A_SECOND_LOOK = Mutant(
    "sleeps-without-a-second-look",
    """
-    must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
+    must_wait = True
""",
    member="handle_userfault",
)

KEEPS_STORES_A_SECRET = Mutant(
    "keeps-stores-a-secret",
    """
-    folio.dirty = True
""",
    member="page_mkwrite",
)

FORGETS_ITS_HOLES = Mutant(
    "without-any-rollback-of-the-holes",
    """
-                    if entry is XA_RETRY_ENTRY:
-                        await xas_store(xas, None)
+                    del entry
@@
-            mapping.nrpages -= nr_none
-            await kernel.shmem_uncharge(mapping.host, nr_none)
""",
)

LEAVES_A_PLACEHOLDER = Mutant(
    "stores-a-placeholder-and-gives-up",
    """
-    await folio_mark_uptodate(hpage)
@@
         await folio_put_refs(pagelist[position], 3)
-    return SCAN_SUCCEED
+    return SCAN_FAIL
""",
)

WITHOUT_PUTBACK = Mutant(
    "without-putting-the-pages-back-on-the-lru-list",
    """
             await folio_unlock(pagelist[position])
-            await folio_putback_lru(pagelist[position])
+            await folio_put(pagelist[position])
""",
)

NEVER_FREES = Mutant(
    "without-freeing-the-old-pages",
    """
     folio_ref_count,
+    folio_ref_freeze,
+    folio_ref_unfreeze,
@@
-        await folio_put_refs(pagelist[position], 3)
+        await folio_ref_freeze(pagelist[position], 3)
+        await folio_ref_unfreeze(pagelist[position], 0)
""",
)

ALLOCATES_UNDER_THE_XA_LOCK = Mutant(
    "allocates-nodes-under-the-xa-lock",
    """
+        await xas_lock_irq(xas)
         while True:
-            await xas_lock_irq(xas)
             await xas_create_range(xas)
             if not xas.error:
                 break
-            await xas_unlock_irq(xas)
             enough = await xas_nomem(xas)
             if not enough:
+                await xas_unlock_irq(xas)
                 raise Rollback(SCAN_FAIL)
""",
)

ASKS_THE_VMAS_WITHOUT_THE_XA_LOCK = Mutant(
    "asks-the-vmas-when-the-retry-entries-are-out",
    """
-            await down_read(mapping.i_mmap_rwsem)
             await xas_lock_irq(xas)
             xas_set(xas, start)
@@
+                await xas_unlock_irq(xas)
+                await down_read(mapping.i_mmap_rwsem)
                 missing = await kernel.any_vma_missing(mapping, start, end)
+                await up_read(mapping.i_mmap_rwsem)
+                await xas_lock_irq(xas)
                 if missing:
                     result = SCAN_EXCEED_NONE_PTE
-            await up_read(mapping.i_mmap_rwsem)
""",
)

WITHOUT_RCU_UNLOCK = Mutant(
    "without-rcu-read-unlock",
    """
-    await rcu_read_unlock()
     return answer
""",
    member="mapping_seek_hole_data",
)

TRIES_WITHOUT_MEMORY = Mutant(
    "tries-again-without-getting-memory",
    """
             await xas_unlock_irq(xas)
-            enough = await xas_nomem(xas)
-            if not enough:
-                raise Rollback(SCAN_FAIL)
""",
)

FORGETS_TO_COUNT = Mutant(
    "forgets-to-count-what-goes-back-to-the-shrinklist",
    """
-            sbinfo.shrinklist_len += 1
""",
    member="shmem_unused_huge_shrink",
)

PUTS_ONE_TOO_MANY = Mutant(
    "drops-one-reference-too-many",
    """
-        await folio_put_refs(pagelist[position], 3)
+        await folio_put_refs(pagelist[position], 4)
""",
)

MUTANTS = (
    WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_RECHECK,
    WITHOUT_UFFD_CHECK,
    WITHOUT_RETRY_ROLLBACK,
    WITHOUT_ONE_PUT,
    WITHOUT_NRPAGES_ROLLBACK,
    WITHOUT_UNLOCK,
    WITHOUT_REF_CHECK,
    WITHOUT_TLB_FLUSH,
    FREES_BEFORE_THE_STORE,
    WAITS_FOR_THE_MMAP_LOCK,
    SLEEPS_UNDER_THE_XA_LOCK,
    CLEARS_NO_HOLES,
    CURSOR_STANDS_STILL,
    LOOKS_WITH_A_MOVED_CURSOR,
    REFUSES_TO_SPLIT,
    PROTECTS_WITHOUT_A_FLUSH,
    SLEEPS_WITHOUT_A_SECOND_LOOK,
    MAPS_WHAT_IT_FINDS,
    KEEPS_STORES_A_SECRET,
    FORGETS_ITS_HOLES,
    LEAVES_A_PLACEHOLDER,
    WITHOUT_PUTBACK,
    NEVER_FREES,
    ALLOCATES_UNDER_THE_XA_LOCK,
    ASKS_THE_VMAS_WITHOUT_THE_XA_LOCK,
    WITHOUT_RCU_UNLOCK,
    TRIES_WITHOUT_MEMORY,
    FORGETS_TO_COUNT,
    PUTS_ONE_TOO_MANY,
)
