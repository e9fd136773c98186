"""Faults in emptying page tables, and in taking them away: ``pagecache/zap.py``, ``pagecache/madvise.py``."""

from __future__ import annotations

from typing import Any, Final

from mutant import Mutant

__all__ = ["ZAP_MUTANTS"]

SMALL: Final[dict[str, tuple[Any, ...]]] = {"pages": ("data",), "huge_pages": (1,), "hpage_order": (1,), "vmas": (1, 2)}
PRIVATE: Final[dict[str, tuple[Any, ...]]] = {**SMALL, "vma.private": (True,)}
PROTECTED: Final[dict[str, tuple[Any, ...]]] = {**SMALL, "vma.wp": (True,), "vma.missing": (False,)}
HUGE_PAGE: Final[dict[str, tuple[Any, ...]]] = {**SMALL, "vma.huge": (True,)}
WRITTEN_BACK: Final[dict[str, tuple[Any, ...]]] = {**SMALL, "backing": ("file",), "vma.writable": (True,), "vmas": (1,)}

ZAP_MUTANTS: Final = (
    Mutant(
        "dontneed-takes-a-table-with-markers-in-it",
        "mended/zap.py",
        "recheck",
        """
-            can_reclaim_pt &= index not in vma.ptes  # any_skipped
""",
        features=PROTECTED,
        operations=("UffdWriteProtect", "DontNeed", "Poke"),
    ),
    Mutant(
        "dontneed-takes-a-table-of-which-it-has-emptied-a-part",
        "mended/zap.py",
        "bound",
        """
-    can_reclaim_pt = details.reclaim_pt and range(start, end) == vma.pmd_range(start)
+    can_reclaim_pt = details.reclaim_pt
""",
        features=SMALL,
        operations=("DontNeed", "Load", "Store"),
    ),
    Mutant(
        "dontneed-does-not-look-through-the-table-again",
        "zap.py",
        "recheck",
        """
-        if all(one not in vma.ptes for one in vma.pmd_range(index)):
-            await pmd_clear(vma, index)
+        await pmd_clear(vma, index)
""",
        features=SMALL,
        operations=("DontNeed", "Load", "Store"),
    ),
    Mutant(
        "dontneed-does-not-look-whether-there-still-is-a-table",
        "zap.py",
        "recheck",
        """
     await spin_lock(vma.mm.pml, also=BEHIND_A_PMD)
-    if table.present:
+    if table is not None:
""",
        features=SMALL,
        operations=("DontNeed", "Load"),
    ),
    Mutant(
        "dontneed-leaves-private-copies",
        "madvise.py",
        "flag",
        """
-    await zap_page_range_single(vma, start, end, ZapDetails(reclaim_pt=True))
+    await zap_page_range_single(vma, start, end, ZapDetails(even_cows=False, reclaim_pt=True))
""",
        features=PRIVATE,
        operations=("DontNeed", "Load", "Store"),
    ),
    Mutant(
        "dontneed-drops-markers",
        "madvise.py",
        "flag",
        """
-    await zap_page_range_single(vma, start, end, ZapDetails(reclaim_pt=True))
+    await zap_page_range_single(vma, start, end, ZapDetails(drop_markers=True, reclaim_pt=True))
""",
        features=PROTECTED,
        operations=("UffdWriteProtect", "DontNeed", "Poke"),
    ),
    Mutant(
        "dontneed-forgets-the-references",
        "madvise.py",
        "refcount",
        """
-from pagecache.zap import ZapDetails, zap_page_range_single
+from pagecache.zap import ZapDetails, zap_page_range, zap_page_range_single
@@
-    await zap_page_range_single(vma, start, end, ZapDetails(reclaim_pt=True))
+    await zap_page_range(vma, start, end, ZapDetails(reclaim_pt=True))
""",
    ),
    Mutant(
        "zap-of-a-dirty-page-forgets-the-mapcount",
        "zap.py",
        "refcount",
        """
-        folio.mapcount -= 1
+        pass
""",
    ),
    Mutant(
        "collapse-does-not-look-for-its-page-table-again",
        "collapse/madvise.py",
        "recheck",
        """
-    empty = table.present
-    if empty:
+    empty = True
+    if empty:
""",
        features=HUGE_PAGE,
        operations=("Collapse", "DontNeed", "Load", "Store"),
    ),
    Mutant(
        "mkclean-peeks-before-it-takes-the-lock",
        "rmap.py",
        "lock",
        """
             await pmd_mkclean(vma, folio)
         for index in range(folio.index, folio.next_index):
-            if not vma.has_table(index):
+            if vma.mapped(index) is not folio:
""",
        features=WRITTEN_BACK,
        operations=("DontNeed", "Store", "Writeback"),
    ),
)
