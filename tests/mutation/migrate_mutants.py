"""Faults in migration."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["MIGRATE_MUTANTS"]

MIGRATE_MUTANTS: Final = (
    Mutant(
        "migration-freezes-whatever-references-there-are",
        "migrate.py",
        "recheck",
        """
-    frozen = await folio_ref_freeze(src, 1 + nr)
+    frozen = await folio_ref_freeze(src, src.refcount)
""",
    ),
    Mutant(
        "migration-leaves-old-entries-in-the-tlb",
        "rmap.py",
        "lock",
        """
                 table.vma.ptes[index] = Pte(None, entry.write, entry.dirty, entry.uffd_wp, MIGRATION, folio)
-                await flush_tlb_page(vma, index, also=pte_changed(folio))
""",
    ),
    Mutant(
        "migration-keeps-the-references-of-the-page-tables",
        "rmap.py",
        "refcount",
        """
                 folio.dirty |= entry.dirty
                 folio.mapcount -= 1
-                drop_references(folio, 1)
             await spin_unlock(table.ptl)
     await up_read(mapping.i_mmap_rwsem, also=[(("refcount", folio.number), False)])  # is it still mapped?
""",
    ),
    Mutant(
        "migration-restores-what-has-been-zapped",
        "rmap.py",
        "recheck",
        """
+            peeked = vma.migrating(index) is src
             await spin_lock(table.ptl, also=[(PTES, False)])
-            if table.vma.migrating(index) is src:
+            if peeked:
                 changed = pte_changed(dst)
                 await step("set_pte_at", table.vma, index, dst, target=pte_target(index), writes=True, also=changed)
-                entry = pte_under_lock(table.vma, index)
+                entry = table.vma.ptes.get(index, Pte(None, write=True))
""",
    ),
    Mutant(
        "migration-maps-without-a-reference",
        "rmap.py",
        "refcount",
        """
                 table.vma.ptes[index] = Pte(dst, entry.write, entry.dirty, entry.uffd_wp)
-                dst.refcount += 1
""",
    ),
    Mutant(
        "migration-restores-the-first-vma-only",
        "rmap.py",
        "bound",
        """
-    for number in range(len(mapping.i_mmap)):
+    for number in range(len(mapping.i_mmap[:1])):
         vma = mapping.i_mmap[number]
         huge = await finds_huge_pmd(vma, dst, sync=True)
""",
    ),
    Mutant(
        "migration-that-fails-leaves-its-entries",
        "migrate.py",
        "flag",
        """
-        if was_mapped:
-            await remove_migration_ptes(mapping, src, src)
         await folio_unlock(src)
         await folio_putback_lru(src)
""",
    ),
    Mutant(
        "migration-that-fails-leaves-the-folio-isolated",
        "migrate.py",
        "flag",
        """
         await folio_unlock(src)
-        await folio_putback_lru(src)
+        await folio_put(src)
""",
    ),
    Mutant(
        "migration-unlocks-before-it-maps",
        "migrate.py",
        "order",
        """
     await folio_add_lru(dst)
-    if was_mapped:
-        await remove_migration_ptes(mapping, src, dst)
     await folio_unlock(dst)
+    if was_mapped:
+        await remove_migration_ptes(mapping, src, dst)
     await folio_put(dst)
""",
    ),
    Mutant(
        "migration-forgets-the-lru",
        "migrate.py",
        "flag",
        """
-    await folio_add_lru(dst)
     if was_mapped:
""",
    ),
    Mutant(
        "migration-looks-like-a-hole",
        "mended/migrate.py",
        "order",
        """
-    if src.uptodate:
-        await folio_mark_uptodate(dst)
     error: str = await mapping.kernel.folio_migrate_mapping(mapping, dst, src)
""",
    ),
    Mutant(
        "migration-copies-one-page-too-few",
        "mended/migrate.py",
        "bound",
        """
-    for index in range(src.index, src.next_index):
+    for index in range(src.index, src.next_index - 1):
""",
    ),
    Mutant(
        "migration-of-a-large-folio-takes-one-reference",
        "migrate.py",
        "refcount",
        """
-    dst.refcount += nr
+    dst.refcount += 1
""",
    ),
    Mutant(
        "migration-moves-what-has-left-the-file",
        "migrate.py",
        "recheck",
        """
-    if not src.mapcount and (src.mapping is mapping or src.swap >= 0):
+    if not src.mapcount:
""",
    ),
    Mutant(
        "migration-forgets-the-swap-cache",
        "migrate.py",
        "flag",
        """
-    dst.swap = src.swap
""",
    ),
    Mutant(
        "migration-does-not-unfreeze",
        "migrate.py",
        "refcount",
        """
-    await folio_ref_unfreeze(src, 1)
     if in_file:
         await xas_unlock_irq(xas)
     return ""
""",
    ),
    Mutant(
        "zap-leaves-migration-entries",
        "zap.py",
        "flag",
        """
     entry = await pte_clear(vma, index, also=BEHIND_A_PMD)
+    if entry.migrating is not None:
+        vma.ptes[index] = entry
""",
    ),
    Mutant(
        "userfault-sleeps-at-a-migration-entry",
        "userfaultfd.py",
        "recheck",
        """
-    must_wait = vma.pte_none_mostly(index) or (vmf.reason == "wp" and not vma.pte_write(index))
+    must_wait = vma.mapped(index) is None
""",
    ),
    Mutant(
        "migration-does-not-count-before-the-copy",
        "mended/migrate.py",
        "recheck",
        """
-    if refs != 1 + src.nr_pages:
+    if refs < 0:
""",
    ),
)
