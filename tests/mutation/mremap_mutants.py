"""Faults in moving page tables: ``pagecache/mremap.py``; and in who relies on it that nothing is lost on the way."""

from __future__ import annotations

from typing import Any, Final

from mutant import Mutant

__all__ = ["MREMAP_MUTANTS"]

ALIKE: Final[dict[str, tuple[Any, ...]]] = {
    "hpage_order": (1,),
    "huge_pages": (1,),
    "pages": ("data",),
    "vmas": (2,),
    "vma.mm": ("A",),
    "vma.range": ((0, 2),),
}
HUGE_PAGE: Final[dict[str, tuple[Any, ...]]] = {**ALIKE, "vma.huge": (True,)}
REGISTERED: Final[dict[str, tuple[Any, ...]]] = {**ALIKE, "vma.missing": (True,)}
PROTECTED: Final[dict[str, tuple[Any, ...]]] = {**ALIKE, "vma.wp": (True,), "vma.missing": (False,)}
WRITTEN_BACK: Final[dict[str, tuple[Any, ...]]] = {
    **HUGE_PAGE,
    "backing": ("file",),
    "pages": ("dirty",),
    "vma.writable": (True,),
    "large": (((0, 1),),),
}

MREMAP_MUTANTS: Final = (
    Mutant(
        "mremap-does-not-look-whether-a-page-table-has-gone",
        "mremap.py",
        "recheck",
        """
-    moved = old.present and new.present
+    moved = True
""",
        features=REGISTERED,
        operations=("Mremap", "Collapse", "Load"),
        equivalent="the old page table, if it has gone, has nothing in it that could be moved, nor has the new one",
    ),
    Mutant(
        "mremap-forgets-the-dirty-bit",
        "mremap.py",
        "flag",
        """
-    new_vma.ptes[index] = entry._replace(uffd_wp=entry.uffd_wp and not vma.uffd_registered)
+    new_vma.ptes[index] = entry._replace(dirty=False, uffd_wp=entry.uffd_wp and not vma.uffd_registered)
""",
        features={**ALIKE, "pages": ("zeroes",), "vma.range": ((0, 1),)},
        operations=("Mremap", "Store", "PageOut", "Load"),
    ),
    Mutant(
        "mremap-moves-markers",
        "mremap.py",
        "flag",
        """
-    if vma.uffd_registered and entry.kind == MARKER_UFFD_WP:
-        return
""",
        features=PROTECTED,
        operations=("Mremap", "UffdWriteProtect", "Store", "PageOut"),
        equivalent="a marker in a VMA that is not registered is cleared by the next fault (pte_marker_clear())",
    ),
    Mutant(
        "mremap-moves-protection",
        "mremap.py",
        "flag",
        """
-    new_vma.ptes[index] = entry._replace(uffd_wp=entry.uffd_wp and not vma.uffd_registered)
+    new_vma.ptes[index] = entry
""",
        features=PROTECTED,
        operations=("Mremap", "UffdWriteProtect", "Store"),
        equivalent="nobody asks for the bit where the VMA is not registered, but page_table_check (0cef0bb836e3)",
    ),
    Mutant(
        "mremap-forgets-that-the-registration-stays",
        "mremap.py",
        "flag",
        """
-    new_vma.uffd_missing = new_vma.uffd_minor = new_vma.uffd_wp = False
     if not dontunmap:
""",
        features=REGISTERED,
        operations=("Mremap", "PunchHole", "Touch", "Load"),
    ),
    Mutant(
        "mremap-unmaps-what-it-was-to-leave",
        "mremap.py",
        "flag",
        """
-    if not dontunmap:
+    if vma.alive:
         await unmap_vma(vma)
""",
        features=ALIKE,
        operations=("Mremap", "Load"),
    ),
    Mutant(
        "mremap-leaves-the-old-address",
        "mremap.py",
        "flag",
        """
-    if not dontunmap:
+    if dontunmap is None:
         await unmap_vma(vma)
""",
        features=ALIKE,
        operations=("Mremap", "Load"),
    ),
    Mutant(
        "mremap-does-not-unmap-what-was-there",
        "mremap.py",
        "flag",
        """
-    if replaced is not None:
-        await unmap_vma(new_vma)
     error = await move_vma(vma, new_vma, dontunmap=dontunmap)
""",
        features=ALIKE,
        operations=("Mremap", "Load"),
    ),
    Mutant(
        "mremap-without-the-lock-of-the-new-page-table",
        "mremap.py",
        "lock",
        """
-        await spin_lock_nested(new.ptl, also=[(PTES, False), (TLB, False)])
@@
-        await spin_unlock(new.ptl)
""",
        features=REGISTERED,
        operations=("Mremap", "Load", "Truncate", "Migrate"),
        equivalent=(
            "whoever frees the page has taken the lock of the old page table, too, in the meantime (truncate, "
            "remove_migration_ptes()), or flushes all (reclaim, collapse)"
        ),
    ),
    Mutant(
        "mremap-comes-first-in-the-file",
        "mremap.py",
        "order",
        """
-    mapping.i_mmap.append(new_vma)
+    mapping.i_mmap.insert(0, new_vma)
""",
        features=REGISTERED,
        operations=("Mremap", "Load", "Migrate"),
    ),
    Mutant(
        "mremap-does-not-flush-a-huge-page",
        "mremap.py",
        "order",
        """
-        if huge.folio is not None:
-            await flush_pmd_tlb_range(vma, index)
""",
        features={**HUGE_PAGE, "large": (((0, 1),),)},
        operations=("Mremap", "Load", "Truncate", "Migrate"),
    ),
    Mutant(
        "mremap-does-not-move-back",
        "mremap.py",
        "flag",
        """
-        await move_page_tables(new_vma, vma, moved, need_rmap_locks=True)
         await unmap_vma(new_vma)
""",
        features={**REGISTERED, "huge_pages": (2,), "vma.range": ((0, 4),)},
        operations=("Mremap", "Load"),
        equivalent="what is unmapped is still in the file, and the next fault finds it; only a copy would be lost",
    ),
    Mutant(
        "migration-peeks-while-an-entry-is-moved",
        "rmap.py",
        "lock",
        """
             await remove_migration_pmd(vma, src, dst)
         for index in range(dst.index, dst.next_index):
-            if not vma.has_table(index):
+            if vma.migrating(index) is not src:
                 continue
""",
        features=REGISTERED,
        operations=("Mremap", "Migrate"),
    ),
    Mutant(
        "migration-peeks-while-a-huge-page-is-moved",
        "rmap.py",
        "lock",
        """
-        huge = await finds_huge_pmd(vma, dst, sync=True)
+        huge = await finds_huge_pmd(vma, dst, sync=False)
""",
        features={**HUGE_PAGE, "large": (((0, 1),),)},
        operations=("Mremap", "Migrate"),
    ),
    Mutant(
        "mkclean-peeks-while-a-huge-page-is-moved",
        "rmap.py",
        "lock",
        """
-        huge = await finds_huge_pmd(vma, folio, sync=True)
+        huge = await finds_huge_pmd(vma, folio, sync=False)
""",
        features=WRITTEN_BACK,
        operations=("Mremap", "Writeback", "Store"),
    ),
)
