"""Faults in fault-around, of which a load tells; they are looked for where there is some."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["FAULT_AROUND_MUTANTS"]

AROUND: Final = {"vma.around": (True,), "vma.huge": (False, True)}
DIRTY: Final = {
    "vma.around": (True,),
    "backing": ("file",),
    "pages": ("dirty",),
    "hpage_order": (1,),
    "huge_pages": (1,),
    "large": (((0, 1),),),
}

FAULT_AROUND_MUTANTS: Final = (
    Mutant(
        "fault-around-without-looking-at-the-mapping",
        "fault_around.py",
        "recheck",
        """
-        if folio.mapping is mapping and folio.uptodate:
+        if folio.uptodate:
""",
        features=AROUND,
        operations=("Load", "PunchHole"),
    ),
    Mutant(
        "fault-around-maps-a-locked-folio",
        "fault_around.py",
        "lock",
        """
-    return await folio_trylock(folio)
+    await folio_trylock(folio)
+    return True
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-maps-what-is-not-uptodate",
        "fault_around.py",
        "recheck",
        """
-    uptodate = await folio_test_uptodate(folio)
-    if not uptodate:
-        return False
@@
-        if folio.mapping is mapping and folio.uptodate:
+        if folio.mapping is mapping:
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-maps-behind-the-end",
        "fault_around.py",
        "recheck",
        """
-            if xas.index < size:
+            if size >= 0:
""",
        equivalent="what is mapped ends at i_size anyway, read later; a small page behind it is being truncated",
        features=AROUND,
    ),
    Mutant(
        "fault-around-maps-over-what-is-mapped",
        "fault_around.py",
        "recheck",
        """
-        if folio.poisoned or index in vma.ptes:
+        if folio.poisoned:
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-maps-failed-memory",
        "fault_around.py",
        "recheck",
        """
-        if folio.poisoned or index in vma.ptes:
+        if index in vma.ptes:
""",
        equivalent="to load from it is a machine check: SIGBUS, as the page fault would say",
        features=AROUND,
    ),
    Mutant(
        "fault-around-keeps-the-reference",
        "fault_around.py",
        "refcount",
        """
-    if not mapped:
-        await folio_put(folio)
     return vmf.index in mapped
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-takes-one-reference-for-all",
        "fault_around.py",
        "refcount",
        """
-        folio.refcount += bool(mapped)
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-maps-a-large-folio-across-the-end",
        "fault_around.py",
        "bound",
        """
-        (vma.mapping.regular is None or file_end >= folio.next_index)
-        and vma.start <= folio.index
+        vma.start <= folio.index
""",
        features=DIRTY,
        operations=("Load", "Truncate"),
    ),
    Mutant(
        "fault-around-maps-a-large-folio-beyond-its-mapping",
        "fault_around.py",
        "bound",
        """
         and vma.start <= folio.index
-        and folio.next_index <= vma.end
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-without-looking-at-the-slot-again",
        "fault_around.py",
        "recheck",
        """
-    if entry is not folio:
-        return False  # "Has the page moved or been split?"
""",
        features=AROUND,
        operations=("Load", "Split"),
    ),
    Mutant(
        "fault-around-maps-into-a-table-that-is-gone",
        "fault_around.py",
        "recheck",
        """
-    if table.present:
+    if vmf.vma.alive:
""",
        features=AROUND,
    ),
    Mutant(
        "fault-around-in-a-range-that-is-watched",
        "fault_around.py",
        "flag",
        """
-    return vma.around and not (vma.uffd_wp or vma.uffd_minor)
+    return vma.around
""",
        features={"vma.around": (True,), "vma.missing": (False,), "vma.minor": (True,)},
    ),
    Mutant(
        "fault-around-does-not-ask-for-the-size-again",
        "mended/fault_around.py",
        "recheck",
        """
-    size = await i_size_read(mapping.host)
     if mapping.regular is None or size >= folio.next_index:
@@
-        size = await i_size_read(mapping.host)
     await spin_unlock(table.ptl)
@@
     xas = XaState(mapping.i_pages, start)
+    size = await i_size_read(mapping.host)
""",
        features=DIRTY,
        operations=("Load", "Truncate"),
    ),
)
