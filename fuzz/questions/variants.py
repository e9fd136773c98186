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

WITHOUT_RECHECK: Final = Variant(
    "without-nr-none-recheck",
    """
-            if result == SCAN_SUCCEED and nr_none != nr_none_check:
+            if result == SCAN_SUCCEED and nr_none < nr_none_check:
""",
)
