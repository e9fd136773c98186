"""Faults in folios, lookups and inodes: ``mm/filemap.c``, ``mm/swap.c``, ``fs/inode.c``."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["LOOKUP_MUTANTS"]

LOOKUP_MUTANTS: Final = (
    Mutant(
        "lookup-without-a-second-look",
        "mended/lookup.py",
        "recheck",
        """
-        if again == entry:
+        if again == entry or isinstance(entry, Folio):
             break
""",
    ),
    Mutant(
        "lookup-keeps-the-reference-of-a-lost-race",
        "filemap.py",
        "refcount",
        """
     if again is not entry:
-        await folio_put(entry)
         xas_reset(xas)
""",
    ),
    Mutant(
        "lookup-takes-what-is-frozen",
        "folio.py",
        "refcount",
        """
-    if folio.refcount == 0:
+    if folio.freed:
         return False
     folio.refcount += 1
     return True
""",
    ),
    Mutant(
        "find-lock-entries-without-looking-at-the-mapping",
        "filemap.py",
        "recheck",
        """
-        if entry.mapping is not mapping or entry.writeback is not None:
+        if entry.writeback is not None:
""",
        equivalent="truncate_inode_folio() looks at the mapping again",
    ),
    Mutant(
        "find-lock-entries-takes-a-folio-half-outside",
        "filemap.py",
        "bound",
        """
-        if entry.index < start or entry.next_index - 1 > last:
+        if entry.next_index - 1 > last:
""",
    ),
    Mutant(
        "find-lock-entries-waits-for-the-folio-lock",
        "filemap.py",
        "lock",
        """
-        locked = await folio_trylock(entry)
-        if not locked:
-            await folio_put(entry)
-            continue
+        await folio_lock(entry)
@@
     Folio,
+    folio_lock,
     drop_references,
""",
    ),
    Mutant(
        "find-lock-entries-keeps-what-it-skips",
        "filemap.py",
        "refcount",
        """
         if not locked:
-            await folio_put(entry)
             continue
""",
    ),
    Mutant(
        "seek-counts-what-is-not-uptodate",
        "mended/seek.py",
        "flag",
        """
-            data = await folio_test_uptodate(entry)
+            await folio_test_uptodate(entry)
""",
    ),
    Mutant(
        "seek-steps-over-one-page-too-many",
        "mended/seek.py",
        "bound",
        """
             data = await folio_test_uptodate(entry)
-            behind = entry.next_index
+            behind = entry.next_index + 1
""",
    ),
    Mutant(
        "seek-answers-with-the-index-behind",
        "mended/seek.py",
        "bound",
        """
-            answer = index
+            answer = behind
""",
    ),
    Mutant(
        "seek-without-rcu-read-unlock",
        "mended/seek.py",
        "lock",
        """
     await rcu_read_unlock()
-    return answer
+    await rcu_read_lock()
+    return answer
""",
    ),
    Mutant(
        "remove-forgets-nrpages",
        "filemap.py",
        "accounting",
        """
-    mapping.nrpages -= folio.nr_pages
+    mapping.nrpages -= 1
""",
    ),
    Mutant(
        "putback-keeps-the-isolation-reference",
        "folio.py",
        "refcount",
        """
     _trap(folio, "folio_putback_lru()")
     vm_bug_on_folio(folio.lru, folio, "put back to the LRU list that it is on")
     folio.lru = True
-    drop_references(folio, 1)
""",
    ),
    Mutant(
        "isolation-takes-no-reference",
        "folio.py",
        "refcount",
        """
     folio.lru = False
-    folio.refcount += 1
     return True
""",
    ),
    Mutant(
        "isolation-of-what-is-isolated",
        "folio.py",
        "recheck",
        """
-    if not folio.lru:
-        return False
     folio.lru = False
""",
    ),
    Mutant(
        "trylock-steals",
        "folio.py",
        "lock",
        """
-    if folio.locked_by is not None:
+    if folio.locked_by is current:
         return False
""",
    ),
    Mutant(
        "freeze-of-at-least-so-many",
        "folio.py",
        "refcount",
        """
-    if folio.refcount != expected:
+    if folio.refcount < expected:
""",
    ),
    Mutant(
        "copy-goes-to-the-first-page",
        "folio.py",
        "bound",
        """
     if current.failing or source.poisoned:
         return False
-    to.pages[offset] = source.page_at(index)
+    to.pages[0] = source.page_at(index)
""",
    ),
    Mutant(
        "recalc-forgets-i-blocks",
        "inode.py",
        "accounting",
        """
     freed = info.alloced - info.swapped - READ_ONCE(inode.i_mapping, "nrpages")
     if freed > 0:
         info.alloced -= freed
-        inode.i_blocks -= freed * BLOCKS_PER_PAGE
""",
    ),
    Mutant(
        "recalc-without-info-lock",
        "inode.py",
        "lock",
        """
-    await spin_lock(info.lock, also=[(NRPAGES, False)])
-    info.alloced += alloced
-    info.swapped += swapped
-    inode.i_blocks += alloced * BLOCKS_PER_PAGE
-    freed = info.alloced - info.swapped - READ_ONCE(inode.i_mapping, "nrpages")
-    if freed > 0:
-        info.alloced -= freed
-        inode.i_blocks -= freed * BLOCKS_PER_PAGE
-    await spin_unlock(info.lock)
+    info.alloced += alloced
+    info.swapped += swapped
+    inode.i_blocks += alloced * BLOCKS_PER_PAGE
+    seen = info.alloced
+    await step("READ_ONCE", target=("info_lock", 0))
+    freed = seen - info.swapped - READ_ONCE(inode.i_mapping, "nrpages")
+    if freed > 0:
+        info.alloced -= freed
+        inode.i_blocks -= freed * BLOCKS_PER_PAGE
""",
    ),
)
