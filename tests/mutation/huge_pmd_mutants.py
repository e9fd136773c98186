"""Faults in PMDs that map huge pages, and where a huge page lies across the end of a regular file."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["HUGE_PMD_MUTANTS"]

PMDS: Final = {"vma.huge": (True,)}
HUGE_PAGE: Final = {
    "vma.huge": (True,),
    "hpage_order": (1,),
    "huge_pages": (1,),
    "pages": ("data",),
    "large": (((0, 1),),),
}
DIRTY: Final = {**HUGE_PAGE, "pages": ("dirty",), "backing": ("file",)}
OLD: Final = "linux-6.4-mended"

HUGE_PMD_MUTANTS: Final = (
    Mutant(
        "pmd-is-set-over-a-page-table",
        "huge_pmd.py",
        "recheck",
        """
     await spin_lock(vma.mm.pml)
-    if not table.none:
-        await spin_unlock(vma.mm.pml)
-        return False
     changed = pmd_changed(vma, index, folio)
""",
        features={**HUGE_PAGE, "vma.wp": (True,), "vma.missing": (False,)},
        operations=("Load", "Poke", "UffdWriteProtect"),
    ),
    Mutant(
        "pmd-is-set-without-a-mapcount",
        "huge_pmd.py",
        "refcount",
        """
-    folio.mapcount += 1
     await spin_unlock(vma.mm.pml)
     return True
""",
        features=PMDS,
    ),
    Mutant(
        "pmd-is-zapped-without-the-mapcount",
        "huge_pmd.py",
        "refcount",
        """
     if huge.folio is not None:  # not a migration entry, which counts for nothing
-        await folio_remove_rmap_pmd(huge.folio, huge)
         zapped.append(huge.folio)
""",
        features=PMDS,
    ),
    Mutant(
        "pmd-is-split-without-a-flush",
        "huge_pmd.py",
        "order",
        """
     huge = await pmdp_huge_get_and_clear(vma, index)
-    await flush_pmd_tlb_range(vma, index)
     if huge.folio is not None:
         await folio_remove_rmap_pmd(huge.folio, huge)
         drop_references(huge.folio, 1)
""",
        features=PMDS,
    ),
    Mutant(
        "pmd-is-split-and-the-reference-kept",
        "huge_pmd.py",
        "refcount",
        """
         await folio_remove_rmap_pmd(huge.folio, huge)
-        drop_references(huge.folio, 1)
""",
        features=PMDS,
    ),
    Mutant(
        "zap-does-not-wait-for-the-mapcount-of-a-pmd",
        "zap.py",
        "lock",
        """
-            await sync_with_folio_pmd_zap(vma)
+            pass
""",
        features=HUGE_PAGE,
        operations=("Truncate", "PunchHole", "Munmap", "Load"),
    ),
    Mutant(
        "unmap-does-not-wait-for-the-mapcount-of-a-pmd",
        "rmap.py",
        "lock",
        """
-        huge = await finds_huge_pmd(vma, folio, sync=sync)
+        huge = await finds_huge_pmd(vma, folio, sync=False)
""",
        features=HUGE_PAGE,
    ),
    Mutant(
        "collapse-frees-a-table-without-its-references",
        "collapse/madvise.py",
        "refcount",
        """
     # Step 3: the references.
     if nr_mapped:
-        await folio_put_refs(folio, nr_mapped)
+        pass
     # Step 4: collapse_and_free_pmd().
""",
        kernel=OLD,
        features=HUGE_PAGE,
    ),
    Mutant(
        "collapse-frees-a-table-that-maps-something-else",
        "collapse/madvise.py",
        "recheck",
        """
-    if not _maps_nothing_else(vma, there, folio):
-        await spin_unlock(table.ptl)
-        return SCAN_FAIL
     # Step 2: the mapcount.
""",
        kernel=OLD,
        features=HUGE_PAGE,
        equivalent=(
            "the huge page is locked, so nothing else is in its range of the page cache; markers are kept out by the "
            "registration for WP events, which is asked under the mmap_lock, and migration entries by the folio's lock"
        ),
    ),
    Mutant(
        "collapse-frees-a-table-without-the-i-mmap-rwsem",
        "collapse/madvise.py",
        "lock",
        """
-            await down_write(mapping.i_mmap_rwsem)
             result = await free_page_table_of(vma, start, folio)
-            await up_write(mapping.i_mmap_rwsem)
""",
        kernel=OLD,
        features=HUGE_PAGE,
    ),
    Mutant(
        "fault-maps-a-huge-page-across-the-end",
        "finish_fault.py",
        "bound",
        """
-        needs_fallback = size < folio.next_index
+        needs_fallback = size < folio.index
     if vma.huge and table.none and not needs_fallback:
""",
        features=DIRTY,
        operations=("Truncate", "Load", "Read"),
    ),
    Mutant(
        "collapse-maps-a-huge-page-across-the-end",
        "mended/set_huge_pmd.py",
        "bound",
        """
-        if size < folio.next_index:
+        if size < folio.index:
""",
        features=DIRTY,
        operations=("Truncate", "Load", "Collapse"),
    ),
    Mutant(
        "truncate-leaves-mapped-what-it-cannot-split",
        "truncate.py",
        "order",
        """
-        await mapping.kernel.try_to_unmap(mapping, folio, sync=True)
+        pass
""",
        features=DIRTY,
        equivalent="vfs_truncate() unmaps what is behind the end once more, by which a PMD goes as a whole",
    ),
    Mutant(
        "large-folios-are-counted-where-they-can-be-written-back",
        "regular/backing.py",
        "accounting",
        """
-        if not self.large_folios:
-            self.nr_thps += change
+        self.nr_thps += change
""",
        features=DIRTY,
    ),
)
