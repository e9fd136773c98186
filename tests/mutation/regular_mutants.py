"""Faults in regular files."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["REGULAR_MUTANTS"]

REGULAR_MUTANTS: Final = (
    Mutant(
        "reclaim-drops-what-is-dirty",
        "regular/reclaim.py",
        "recheck",
        """
-    if not folio.mapcount and not folio.dirty:
+    if not folio.mapcount:
         removed = await _remove_mapping(mapping, folio)
@@
-    if folio.dirty:
-        await folio_ref_unfreeze(folio, 1 + folio.nr_pages)
-        await xas_unlock_irq(xas)
-        return False
""",
    ),
    Mutant(
        "write-does-not-make-the-folio-dirty",
        "regular/write.py",
        "flag",
        """
-    folio.dirty = True
""",
    ),
)
