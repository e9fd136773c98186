"""Faults in swap, reclaim, get_user_pages() and the tree of slots."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["SWAP_MUTANTS"]

SWAP_MUTANTS: Final = (
    Mutant(
        "swapin-without-confirming-the-entry",
        "shmem_swap.py",
        "recheck",
        """
-        error = await shmem_add_to_page_cache(folio, mapping, first, expected)
+        error = await shmem_add_to_page_cache(folio, mapping, first, None)
""",
    ),
    Mutant(
        "swapin-without-looking-at-the-folio",
        "shmem_swap.py",
        "recheck",
        """
-    if folio.swap == expected.value:
+    if folio.order >= 0:
""",
    ),
    Mutant(
        "swapin-keeps-the-slot",
        "shmem_swap.py",
        "refcount",
        """
-    await folio_put_swap(mapping.swap, folio)
     await swap_cache_del_folio(mapping.swap, folio)
     folio.dirty = True
     await put_swap_device(mapping.swap)
     return "", folio
""",
    ),
    Mutant(
        "swapin-forgets-swapped",
        "shmem_swap.py",
        "accounting",
        """
-    await mapping.kernel.shmem_recalc_inode(inode, 0, -folio.nr_pages)
     await folio_put_swap(mapping.swap, folio)
""",
    ),
    Mutant(
        "swapin-leaves-the-folio-in-the-swap-cache",
        "shmem_swap.py",
        "refcount",
        """
-    await swap_cache_del_folio(mapping.swap, folio)
     folio.dirty = True
""",
    ),
    Mutant(
        "swapin-reads-into-somebody-elses-slot",
        "swap.py",
        "recheck",
        """
-    if any(one.cache is not None or one.count == 0 for one in slots):
+    if any(one.cache is not None for one in slots):
""",
    ),
    Mutant(
        "swapout-counts-late",
        "shmem_swap.py",
        "order",
        """
-    await mapping.kernel.shmem_recalc_inode(inode, 0, folio.nr_pages)
     await swap_shmem_alloc(mapping.swap, entry, folio.nr_pages)
     await shmem_delete_from_page_cache(mapping, folio, ValueEntry(entry))
+    await mapping.kernel.shmem_recalc_inode(inode, 0, folio.nr_pages)
""",
    ),
    Mutant(
        "swapout-forgets-nrpages",
        "shmem_swap.py",
        "accounting",
        """
     folio.mapping = None
-    mapping.nrpages -= folio.nr_pages
     await xas_unlock_irq(xas)
""",
    ),
    Mutant(
        "swapout-of-a-page-that-was-never-written",
        "shmem_swap.py",
        "flag",
        """
-        folio.pages = [ZERO] * folio.nr_pages
         await folio_mark_uptodate(folio)
""",
    ),
    Mutant(
        "swapout-takes-what-fallocate-has-reserved",
        "shmem_swap.py",
        "recheck",
        """
-        if keep:
+        if keep and folio.index < 0:
""",
    ),
    Mutant(
        "swapout-without-a-reference-of-the-swap-cache",
        "swap.py",
        "refcount",
        """
         slot.cache = folio
-    folio.refcount += folio.nr_pages
""",
    ),
    Mutant(
        "truncate-frees-whatever-swap-entry-is-there",
        "shmem_swap.py",
        "recheck",
        """
-    if entry == radswap:
+    if entry is not None:
""",
    ),
    Mutant(
        "truncate-keeps-the-swap-slot",
        "shmem_swap.py",
        "refcount",
        """
-    if nr:
-        await free_swap_and_cache(mapping.swap, radswap.value, nr)
     return nr
""",
    ),
    Mutant(
        "truncate-frees-beyond-its-end",
        "shmem_swap.py",
        "bound",
        """
-        if base < index or base + nr - 1 > last:
+        if base < index:
""",
    ),
    Mutant(
        "split-swap-entry-forgets-which-slot",
        "shmem_swap.py",
        "order",
        """
-                await xas_store(entry, ValueEntry(swap.value + part - first))
+                await xas_store(entry, ValueEntry(swap.value))
""",
    ),
    Mutant(
        "swapin-of-a-small-page-over-a-large-entry",
        "shmem_swap.py",
        "recheck",
        """
-    if order > folio.order:
+    if order < folio.order:
@@
-    expected = ValueEntry(swap >> folio.order << folio.order)
+    expected = ValueEntry(swap >> order << order)
""",
    ),
    Mutant(
        "insert-over-some-of-the-expected-entries",
        "shmem.py",
        "recheck",
        """
-        if conflict is not None or (expected is not None and following != expected.value + folio.nr_pages):
+        if conflict is not None and expected is None:
""",
    ),
    Mutant(
        "swapout-of-a-large-folio-refers-to-one-slot",
        "shmem_swap.py",
        "refcount",
        """
-    await swap_shmem_alloc(mapping.swap, entry, folio.nr_pages)
+    await swap_shmem_alloc(mapping.swap, entry, 1)
""",
    ),
    Mutant(
        "truncate-forgets-swapped",
        "truncate.py",
        "accounting",
        """
-    await mapping.kernel.shmem_recalc_inode(inode, 0, -nr_swaps_freed)
+    await mapping.kernel.shmem_recalc_inode(inode, 0, 0)
""",
    ),
    Mutant(
        "reclaim-of-a-mapped-page",
        "vmscan.py",
        "order",
        """
-    if folio.mapcount:
+    if folio.mapcount > 1:
         await mapping.kernel.try_to_unmap(mapping, folio, batch_flush=True, sync=folio.order > 0)
@@
-    if folio.mapcount:
+    if folio.mapcount > 1:
         await folio_unlock(folio)
@@
-    if folio.mapcount or folio.refcount != 1 + folio.nr_pages:
+    if folio.refcount < 2:
""",
    ),
    Mutant(
        "reclaim-without-flushing-the-tlb",
        "vmscan.py",
        "order",
        """
-    await try_to_unmap_flush(mapping)
""",
    ),
    Mutant(
        "reclaim-of-a-page-that-somebody-has",
        "vmscan.py",
        "refcount",
        """
-    if folio.mapcount or folio.refcount != 1 + folio.nr_pages:
+    if folio.mapcount:
""",
        equivalent=(
            "folio_ref_freeze() counts again: the folio stays in the swap cache, where everybody finds it, and is "
            "dirty if whoever has the reference writes to it"
        ),
    ),
    Mutant(
        "reclaim-without-looking-at-the-mapping",
        "vmscan.py",
        "recheck",
        """
-    if folio.mapping is not mapping:
+    if folio.order < 0:
""",
    ),
    Mutant(
        "reclaim-forgets-to-put-the-folio-back",
        "vmscan.py",
        "refcount",
        """
     locked = await folio_trylock(folio)
     if not locked:
-        await folio_putback_lru(folio)
         return
""",
    ),
    Mutant(
        "swapout-of-what-the-end-cuts-through",
        "shmem_swap.py",
        "bound",
        """
-        if folio.index < max(size, inode.info.fallocend) < folio.next_index:  # shmem_fallocend()
+        if folio.index < max(size, inode.info.fallocend) < folio.index:  # shmem_fallocend()
""",
        equivalent=(
            "a truncate reads back what is swapped out across the end before it cuts (mended/partial.py); in Linux, "
            'where it does not, "shrinkage of pages beyond i_size does not split swap" is why such a folio is split'
        ),
    ),
    Mutant(
        "split-for-swapout-forgets-that-it-was-dirty",
        "shmem_swap.py",
        "flag",
        """
-    folio.dirty = True  # "ensure the subpages are still dirty"
     error = await mapping.kernel.split_folio(mapping, folio, folio_list=folio_list)
""",
    ),
    Mutant(
        "split-for-swapout-leaves-the-parts-without-a-reference",
        "huge_memory.py",
        "refcount",
        """
         if folio_list is not None:  # lru_add_split_folio()
-            tail.refcount += 1
             folio_list.append(tail)
""",
    ),
    Mutant(
        "split-for-swapout-forgets-the-parts",
        "huge_memory.py",
        "refcount",
        """
             tail.refcount += 1
-            folio_list.append(tail)
""",
    ),
    Mutant(
        "reclaim-drops-a-page-without-the-xa-lock",
        "vmscan.py",
        "lock",
        """
-    if in_page_cache:
+    if in_page_cache and folio.order:
         await xas_lock_irq(xas)
@@
-    if in_page_cache:
+    if in_page_cache and folio.order:
         await xas_unlock_irq(xas, also=thaws)
""",
    ),
    Mutant(
        "reclaim-drops-a-page-that-is-dirty-by-now",
        "vmscan.py",
        "recheck",
        """
-    clean = not folio.dirty
+    clean = True
""",
    ),
    Mutant(
        "reclaim-freezes-whatever-the-count",
        "vmscan.py",
        "refcount",
        """
-    frozen = await folio_ref_freeze(folio, refcount)
+    frozen = await folio_ref_freeze(folio, folio.refcount)
""",
    ),
    Mutant(
        "uffd-copy-is-not-dirty",
        "userfaultfd.py",
        "flag",
        """
     folio.uptodate = True
-    folio.dirty = True
@@
-    vma.ptes[index] = Pte(folio, write, dirty=True)
+    vma.ptes[index] = Pte(folio, write)
""",
    ),
    Mutant(
        "gup-fast-without-a-second-look",
        "gup.py",
        "recheck",
        """
-    if vma.table(index) is table and table.present and vma.ptes.get(index) == entry:
+    if entry.folio.refcount:
         return entry.folio
""",
    ),
    Mutant(
        "unpin-keeps-the-reference",
        "gup.py",
        "refcount",
        """
     folio.dirty = True
     await folio_unlock(folio)
-    await folio_put(folio)
""",
    ),
    Mutant(
        "follow-page-without-a-reference",
        "gup.py",
        "refcount",
        """
-        await folio_get(folio)
     await spin_unlock(table.ptl)
""",
    ),
    Mutant(
        "store-leaves-dead-leaves-as-they-are",
        "xarray/store.py",
        "order",
        """
-            current = await step("xas_free_nodes", write.first, target=("slot", write.first), writes=True, also=also)
+            continue
""",
        equivalent=(
            "a dead leaf says what was so when it died, and who reads it had begun to walk before: a folio from it is "
            "looked at again under its lock, and what is only seen was so while the call was under way"
        ),
    ),
    Mutant(
        "sibling-that-leads-to-a-node-is-followed",
        "xarray/walk.py",
        "recheck",
        """
-        if node.shift and type(entry) is XaNode:
+        if node.shift < 0 and type(entry) is XaNode:
             entry = XA_RETRY_ENTRY
""",
    ),
    Mutant(
        "delete-node-keeps-the-empty-parents",
        "xarray/store.py",
        "bound",
        """
         parent.slots[node.offset] = None
         parent.count -= 1
-        node = parent
+        return
""",
        equivalent="an empty node takes memory and says what its absence says",
    ),
    Mutant(
        "split-writes-the-first-slot-first",
        "xarray/split.py",
        "order",
        """
-        return [(offset, True) for offset in range(first + nr - 1, first - 1, -1)]
+        return [(offset, True) for offset in range(first, first + nr)]
@@
-    for canonical in range(first + nr - 1 - xas.sibs, first - 1, -xas.sibs - 1):
+    for canonical in range(first, first + nr, xas.sibs + 1):
""",
        equivalent="until the lock is dropped every slot leads to the same folio, and it is frozen",
    ),
    Mutant(
        "swapin-keeps-the-device-of-a-page-that-is-back",
        "shmem_swap.py",
        "refcount",
        """
     if order < 0:
-        await put_swap_device(mapping.swap)
         return "EEXIST", None
""",
    ),
    Mutant(
        "swapoff-gives-out-slots",
        "swapoff.py",
        "flag",
        """
         return "EINVAL"
-    swap.writeok = False
     error = await try_to_unuse(inode.i_mapping)
""",
    ),
)
