"""Faults in what becomes of a page whose memory has failed, and in what a file says about its blocks."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["MEMORY_FAILURE_MUTANTS"]

MEMORY_FAILURE_MUTANTS: Final = (
    Mutant(
        "memory-failure-without-unmapping",
        "memory_failure.py",
        "order",
        """
-        if folio.mapcount:
+        if folio.mapcount > 2:
             await mapping.kernel.try_to_unmap(mapping, folio, sync=True)  # hwpoison_user_mappings()
""",
    ),
    Mutant(
        "memory-failure-keeps-the-reference-of-the-isolation",
        "memory_failure.py",
        "refcount",
        """
-        if isolated:
+        if not isolated:
             await folio_put(folio)
""",
    ),
    Mutant(
        "memory-failure-without-looking-at-the-mapping",
        "memory_failure.py",
        "recheck",
        """
-    if folio.mapping is mapping and not folio.order:
+    if not folio.order:
         if folio.mapcount:
""",
    ),
    Mutant(
        "memory-failure-never-unlocks",
        "memory_failure.py",
        "lock",
        """
-    await folio_unlock(folio)
     await folio_put(folio)
     return answer
""",
    ),
    Mutant(
        "read-without-looking-for-poison",
        "syscalls.py",
        "recheck",
        """
-        if folio.poisoned:
+        if folio.poisoned and folio.lru:
             await folio_put(folio)
             return "EIO"
""",
    ),
    Mutant(
        "write-without-looking-for-poison",
        "syscalls.py",
        "recheck",
        """
-    if folio.poisoned:
+    if folio.poisoned and folio.lru:
         await folio_unlock(folio)
""",
    ),
    Mutant(
        "fault-without-looking-for-poison",
        "fault.py",
        "recheck",
        """
-    if folio.poisoned:
+    if folio.poisoned and folio.lru:
         # VM_FAULT_HWPOISON.  (A clean page would be dropped and read again.)
""",
    ),
    Mutant(
        "stat-never-recalculates",
        "syscalls.py",
        "accounting",
        """
-    if info.alloced - info.swapped != mapping.nrpages:
+    if info.alloced < info.swapped:
         await mapping.kernel.shmem_recalc_inode(inode, 0, 0)
""",
        equivalent=(
            "nothing drops a page of the page cache behind shmem's back here: whoever removes one recalculates before "
            "it returns, and of what others are doing st_blocks promises nothing"
        ),
    ),
    Mutant(
        "create-range-keeps-the-spare-node",
        "mended/create_range.py",
        "accounting",
        """
         xas.offset = offset_of(index, xas.node)
-    destroy(xas)
+    if xas.error:
+        destroy(xas)
""",
    ),
)
