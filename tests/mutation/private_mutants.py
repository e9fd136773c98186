"""Faults in copy on write, and in what userfaultfd does in private mappings; they are looked for where there is one."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["PRIVATE_MUTANTS"]

PRIVATE: Final = {"vma.private": (True,), "vma.huge": (False, True), "vma.missing": (False,)}
WATCHED: Final = {"vma.private": (True,), "vma.huge": (False, True), "vma.missing": (True,)}

PRIVATE_MUTANTS: Final = (
    Mutant(
        "copy-over-an-entry-that-has-changed",
        "cow.py",
        "recheck",
        """
-    same = table.present and vma.ptes.get(index) == orig_pte
+    same = index in vma.ptes
""",
        features=PRIVATE,
        operations=("Store", "Load", "Truncate", "Poke"),
    ),
    Mutant(
        "copy-without-flushing-the-tlb",
        "cow.py",
        "order",
        """
-        await flush_tlb_page(vma, index)
""",
        features=PRIVATE,
        operations=("Load", "PinWrite"),
    ),
    Mutant(
        "copy-keeps-the-reference-of-the-mapping",
        "cow.py",
        "refcount",
        """
-            await folio_put(folio)  # the mapping's
+            pass
""",
        features=PRIVATE,
    ),
    Mutant(
        "copy-leaves-the-mapcount",
        "cow.py",
        "refcount",
        """
-        old.mapcount -= 1  # folio_remove_rmap_pte()
""",
        features=PRIVATE,
    ),
    Mutant(
        "copy-that-is-not-needed-leaks",
        "cow.py",
        "refcount",
        """
-    if not same:
-        await folio_put(copy)
""",
        features=PRIVATE,
        operations=("Store", "Load", "Truncate", "Poke"),
    ),
    Mutant(
        "copy-that-fails-leaks",
        "cow.py",
        "refcount",
        """
         if not copied:
-            await folio_put(copy)
             return "EHWPOISON", None
""",
        features=PRIVATE,
    ),
    Mutant(
        "copy-without-an-anon-vma",
        "cow.py",
        "flag",
        """
-    vma.anon_vma = True
+    vma.anon_vma = False
""",
        features=WATCHED,
        operations=("Collapse", "UffdCopy", "Load"),
    ),
    Mutant(
        "cow-fault-unlocks-the-folio-before-it-maps",
        "fault.py",
        "lock",
        """
     copied = await copy_mc_highpage(copy, 0, folio, index, also=[(PMDS, False)])  # pte_alloc() comes next
+    await folio_unlock(folio)
@@
         error, mapped = await finish_cow_fault(vmf, copy, orig_pte)
-    await unlock_and_put(folio)
+    await folio_put(folio)
     if not mapped:
         await folio_put(copy)
""",
        features=PRIVATE,
        operations=("Store", "Truncate", "Load"),
    ),
    Mutant(
        "cow-fault-keeps-its-page",
        "fault.py",
        "refcount",
        """
     if folio is None:
-        await folio_put(copy)
         return error
""",
        features=PRIVATE,
    ),
    Mutant(
        "cow-fault-maps-over-what-is-mapped",
        "finish_fault.py",
        "recheck",
        """
-    mapped = table.present and vma.ptes.get(index) == orig_pte
+    mapped = table.present
     if mapped:
         await folio_add_lru(copy)
""",
        features=PRIVATE,
        operations=("Store", "Poke", "Load"),
    ),
    Mutant(
        "store-through-a-private-mapping-writes-to-the-file",
        "fault.py",
        "flag",
        """
-    if vma.private:
-        await spin_unlock(table.ptl)
-        return await wp_page_copy(vmf, folio, orig_pte)
""",
        features=PRIVATE,
    ),
    Mutant(
        "private-mappings-map-the-file-writable",
        "mm.py",
        "flag",
        """
-        return self.private or self.uffd_wp or self.mapping.regular is not None
+        return self.uffd_wp or self.mapping.regular is not None
""",
        features=PRIVATE,
    ),
    Mutant(
        "truncate-does-not-unmap-again",
        "mended/setattr.py",
        "recheck",
        """
-        if old_size > size:
-            # "unmap again to remove racily COWed private pages"
-            await unmap_mapping_range(mapping, size, INFINITY)
""",
        features=PRIVATE,
        operations=("Store", "Truncate", "Load"),
    ),
    Mutant(
        "truncate-leaves-private-copies",
        "mended/setattr.py",
        "flag",
        """
         if old_size > size:
-            await unmap_mapping_range(mapping, size, INFINITY)
+            await unmap_mapping_range(mapping, size, INFINITY, even_cows=False)
         await mapping.kernel.shmem_undo_range(inode, size, INFINITY, unfalloc=False)
         if old_size > size:
             # "unmap again to remove racily COWed private pages"
-            await unmap_mapping_range(mapping, size, INFINITY)
+            await unmap_mapping_range(mapping, size, INFINITY, even_cows=False)
""",
        features=PRIVATE,
        operations=("Store", "Truncate", "Load"),
    ),
    Mutant(
        "punch-takes-private-copies",
        "syscalls.py",
        "flag",
        """
-    await unmap_mapping_range(mapping, start, start + length, even_cows=False)
+    await unmap_mapping_range(mapping, start, start + length)
""",
        features=PRIVATE,
        operations=("Store", "PunchHole", "Load"),
    ),
    Mutant(
        "unmapping-a-folio-takes-private-copies",
        "zap.py",
        "flag",
        """
-    details = ZapDetails(folio, even_cows=False, drop_markers=True)
+    details = ZapDetails(folio, drop_markers=True)
""",
        features=PRIVATE,
        operations=("Store", "PunchHole", "Load"),
    ),
    Mutant(
        "zero-page-outlives-a-punch",
        "zap.py",
        "flag",
        """
-    return details.even_cows or entry.kind == ZERO_PAGE or entry.folio is None or not entry.folio.anon
+    return details.even_cows or entry.folio is None or not entry.folio.anon
""",
        features=WATCHED,
        operations=("UffdZeropage", "PunchHole", "Mincore", "Touch"),
    ),
    Mutant(
        "store-to-the-zero-page-is-no-copy",
        "fault.py",
        "flag",
        """
-    if orig_pte.kind == ZERO_PAGE:
-        await spin_unlock(table.ptl)
-        return await wp_page_copy(vmf, None, orig_pte)
""",
        features=WATCHED,
        operations=("UffdZeropage", "Store", "PunchHole", "Load"),
    ),
    Mutant(
        "uffd-copy-into-a-private-mapping-fills-the-file",
        "userfaultfd.py",
        "flag",
        """
-        if not vma.private:
+        if content != ZERO:
             error, copied = await kernel.shmem_mfill_atomic_pte(vma, index, content, copied)
""",
        features=WATCHED,
        operations=("UffdCopy", "Load", "Read"),
    ),
    Mutant(
        "zeropage-without-looking-at-the-size",
        "mfill_private.py",
        "recheck",
        """
-    error = "EFAULT" if index >= size else error
""",
        features=WATCHED,
        operations=("UffdZeropage", "Truncate", "Load"),
    ),
    Mutant(
        "zeropage-into-a-table-that-is-gone",
        "mfill_private.py",
        "recheck",
        """
-    error = error if table.present else "EAGAIN"
""",
        features=WATCHED,
        operations=("UffdZeropage", "Collapse", "Load"),
    ),
    Mutant(
        "uffd-copy-into-a-private-mapping-leaks-its-page",
        "mfill_private.py",
        "refcount",
        """
     error = await mfill_atomic_install_pte(vma, index, folio, flush_batched=flush_batched)
-    if error:
-        await folio_put(folio)
     return error, None
""",
        features=WATCHED,
        operations=("UffdCopy", "Load"),
    ),
    Mutant(
        "continue-maps-the-file-writable",
        "userfaultfd.py",
        "flag",
        """
-    write = folio.anon or not vma.private
-    vma.ptes[index] = Pte(folio, write, dirty=True)
+    vma.ptes[index] = Pte(folio, write=True, dirty=True)
""",
        features=WATCHED,
        operations=("UffdContinue", "Store", "Read"),
    ),
    Mutant(
        "lifting-the-protection-makes-the-file-writable",
        "mprotect.py",
        "flag",
        """
-    if vma.private:
-        return entry.folio is not None and entry.folio.anon and entry.kind != ZERO_PAGE
     return entry.dirty
""",
        features={"vma.private": (True,), "vma.wp": (True,), "vma.missing": (False,)},
        operations=("UffdWriteProtect", "UffdContinue", "Poke", "Read", "Load"),
    ),
    Mutant(
        "collapse-maps-over-private-copies",
        "collapse/madvise.py",
        "recheck",
        """
-    return all(entry.folio is folio for entry in map(vma.ptes.get, there) if entry is not None)
+    return all(entry.folio is not None for entry in map(vma.ptes.get, there) if entry is not None)
""",
        features=PRIVATE,
    ),
    Mutant(
        "retract-without-asking-for-copies",
        "collapse/scan.py",
        "recheck",
        """
-    has_copies = await has_anon_vma(vma)
-    if has_copies:
-        return False
""",
        features=PRIVATE,
    ),
)
