"""Faults in splitting a large folio around a cut (``pagecache/folio_split.py``)."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["FOLIO_SPLIT_MUTANTS"]

FOLIO_SPLIT_MUTANTS: Final = (
    Mutant(
        "folio-split-unfreezes-the-head-first",
        "folio_split.py",
        "order",
        """
     dropped = 0
+    await step("folio_ref_unfreeze", parts[0], (1 << orders[0]) + 1, target=("refcount", parts[0].number), writes=True)
+    settle(parts[0], orders[0])
     for position in range(1, len(parts)):
@@
-    await step("folio_ref_unfreeze", parts[0], (1 << orders[0]) + 1, target=("refcount", parts[0].number), writes=True)
-    settle(parts[0], orders[0])
     return dropped
""",
    ),
    Mutant(
        "folio-split-forgets-the-dropped-pages",
        "folio_split.py",
        "accounting",
        """
-            mapping.nrpages -= nr
             dropped += nr
""",
    ),
    Mutant(
        "folio-split-does-not-uncharge-the-dropped-pages",
        "folio_split.py",
        "accounting",
        """
             mapping.nrpages -= nr
-            dropped += nr
""",
        equivalent="since 6.6 shmem_uncharge() only recalculates, and who truncates does so at the end anyway",
    ),
    Mutant(
        "folio-split-leaves-a-reference-to-what-it-dropped",
        "folio_split.py",
        "refcount",
        """
-            part.refcount -= nr
""",
    ),
    Mutant(
        "folio-split-leaves-the-slots-of-what-it-dropped",
        "folio_split.py",
        "order",
        """
             xas_set_order(xas, part.index, orders[position])
-            await xas_store(xas, None)
""",
    ),
    Mutant(
        "second-cut-without-trylock",
        "folio_split.py",
        "lock",
        """
-        locked = await folio_trylock(folio2)
-        if locked:
-            if folio2.order and folio2.mapping is mapping:
-                await folio_split(mapping, folio2, behind)
-            await folio_unlock(folio2)
+        if folio2.order and folio2.mapping is mapping:
+            await folio_split(mapping, folio2, behind)
""",
    ),
    Mutant(
        "second-cut-keeps-its-reference",
        "folio_split.py",
        "refcount",
        """
-    await folio_put(folio2)
     return ""
""",
    ),
    Mutant(
        "second-cut-keeps-the-lock",
        "folio_split.py",
        "lock",
        """
-            await folio_unlock(folio2)
     await folio_put(folio2)
""",
    ),
    Mutant(
        "second-cut-without-a-second-look",
        "folio_split.py",
        "recheck",
        """
-            if folio2.order and folio2.mapping is mapping:
-                await folio_split(mapping, folio2, behind)
+            await folio_split(mapping, folio2, behind)
""",
        equivalent="folio_split() itself refuses a folio that has left the cache, and does nothing to a small one",
    ),
)
