"""Faults in regular files."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["REGULAR_MUTANTS"]

STORES: Final = {"backing": ("file",), "vma.writable": (True, False)}
STORING: Final = ("Store", "Load", "Read", "Write", "Truncate", "Munmap", "PageOut", "Writeback")
"""Where stores through mappings of regular files go wrong: elsewhere these faults make no difference."""

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
    Mutant(
        "write-back-leaves-the-mappings-alone",
        "regular/write.py",
        "flag",
        """
-    await folio_mkclean(mapping, folio)
     folio.dirty = False
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "write-back-cleans-the-mappings-first",
        "regular/write.py",
        "lock",
        """
-    await folio_lock(folio)
     if folio.mapping is mapping and folio.writeback is not None:
         await folio_wait_writeback(folio)
@@
-        await folio_clear_dirty_for_io(mapping, folio)
+        folio.dirty = False
@@
     folio = entry
+    await folio_mkclean(mapping, folio)
+    await folio_lock(folio)
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "a-clean-entry-stays-in-the-tlb",
        "rmap.py",
        "recheck",
        """
                 table.vma.ptes[index] = entry._replace(write=False, dirty=False)
-                await flush_tlb_page(vma, index)
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "mkwrite-does-not-make-the-folio-dirty",
        "mended/mkwrite.py",
        "flag",
        """
-    folio.dirty = True
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "mkwrite-takes-a-truncated-folio",
        "mended/mkwrite.py",
        "recheck",
        """
-    if folio.mapping is not mapping or index >= size:
-        await folio_unlock(folio)
-        await up_read(regular(mapping).invalidate_lock)
-        return False
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "the-entry-may-have-changed-meanwhile",
        "fault.py",
        "recheck",
        """
-        if table.present and vma.ptes.get(index) == orig_pte:
+        if table.present:
             await step("ptep_set_access_flags", vma, index, target=pte_target(index), writes=True)
             vma.ptes[index] = orig_pte._replace(write=True, dirty=True)
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "the-entry-becomes-writable-without-the-folio-lock",
        "fault.py",
        "order",
        """
     if locked:
+        await folio_unlock(folio)
         await spin_lock(table.ptl)
@@
             vma.ptes[index] = orig_pte._replace(write=True, dirty=True)
         await spin_unlock(table.ptl)
-        await folio_unlock(folio)
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "a-read-only-mapping-is-written-to",
        "fault.py",
        "recheck",
        """
-        if found is None or (stores and not vma.vm_write):
+        if found is None:
""",
        features=STORES,
        operations=STORING,
    ),
    Mutant(
        "insertion-does-not-split-the-shadow",  # until 198b62f83eef (5.10)
        "regular/add.py",
        "bound",
        """
-        elif order > folio.order and not alloced_order:
-            split_order = order
         else:
-            if order > folio.order:
-                await xas_split(xas, old, order)
-                xas_reset(xas)
             await xas_store(xas, folio)
""",
    ),
    Mutant(
        "insertion-forgets-nrpages",
        "regular/add.py",
        "accounting",
        """
-            if not xas.error:
-                mapping.nrpages += folio.nr_pages
""",
    ),
    Mutant(
        "insertion-keeps-the-nodes-of-another-shadow",
        "regular/add.py",
        "recheck",
        """
-        if alloced_order and (old != alloced_shadow or order != alloced_order):
-            await xas_destroy(xas)
-            alloced_order = 0
""",
        equivalent="order and entry are read under the lock, so the nodes are full of a shadow entry, and nobody asks "
        "what it says; who could remove what a node is needed for is kept out by the invalidate_lock or i_rwsem",
    ),
)
