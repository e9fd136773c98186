"""Faults in khugepaged and its limits."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["KHUGEPAGED_MUTANTS"]

KHUGEPAGED_MUTANTS: Final = (
    Mutant(
        "khugepaged-does-not-count-what-is-on-swap",
        "collapse/scan.py",
        "accounting",
        """
         if isinstance(entry, ValueEntry) and cc.is_khugepaged:
             order = await xas_get_order(xas)
-            swap += 1 << order
             if swap > cc.max_ptes_swap:
                 result = SCAN_EXCEED_SWAP_PTE
                 break
             index = (index >> order) + 1 << order
             continue
         if not isinstance(entry, Folio):
             index += 1
             continue
""",
    ),
    Mutant(
        "khugepaged-takes-what-is-on-swap-for-present",
        "collapse/scan.py",
        "accounting",
        """
             order = await xas_get_order(xas)
             swap += 1 << order
+            present += 1 << order
             if swap > cc.max_ptes_swap:
                 result = SCAN_EXCEED_SWAP_PTE
                 break
             index = (index >> order) + 1 << order
             continue
         if not isinstance(entry, Folio):
             index += 1
             continue
""",
    ),
    Mutant(
        "khugepaged-gives-up-at-its-limit",
        "collapse/scan.py",
        "bound",
        """
         index = entry.next_index
     await rcu_read_unlock()
-    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
+    if result == SCAN_SUCCEED and cc.is_khugepaged and present <= end - start - cc.max_ptes_none:
""",
    ),
    Mutant(
        "khugepaged-ignores-max-ptes-none",
        "collapse/scan.py",
        "recheck",
        """
         index = entry.next_index
     await rcu_read_unlock()
-    if result == SCAN_SUCCEED and cc.is_khugepaged and present < end - start - cc.max_ptes_none:
-        result = SCAN_EXCEED_NONE_PTE
""",
    ),
    Mutant(
        "khugepaged-keeps-the-mmap-lock-of-a-small-mapping",
        "collapse/khugepaged.py",
        "lock",
        """
     if found is None or not (vma.start <= start and start + (1 << mapping.hpage_pmd_order) <= vma.end):
-        await up_read(mm.mmap_lock)
         return SCAN_FAIL
""",
    ),
    Mutant(
        "khugepaged-waits-for-no-lock-and-releases-it",
        "collapse/khugepaged.py",
        "lock",
        """
-    if not locked:
-        return SCAN_FAIL
     found = find_vma(vma)
""",
    ),
)
