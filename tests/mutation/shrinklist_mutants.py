"""Faults in what the files of one superblock share (``pagecache/shrinker.py``, ``shrinklist.py``, ``evict.py``)."""

from __future__ import annotations

from typing import Final

from mutant import Mutant

__all__ = ["SHRINKLIST_MUTANTS"]

# Few worlds have several files, and in few of them a folio of the first one reaches behind its end, too.
FILES: Final = {"huge": ("always",), "others": (("pinned",), ("idle", "pinned"), ("pinned", "pinned"))}
BEHIND_THE_END: Final = {**FILES, "pages": ("hole",)}

SHRINKLIST_MUTANTS: Final = (
    Mutant(
        "igrab-of-an-inode-that-is-being-evicted",
        "evict.py",
        "recheck",
        """
-    grabbed = not inode.freeing
+    grabbed = True
     if grabbed:
""",
    ),
    Mutant(
        "eviction-leaves-the-inode-on-the-shrinklist",
        "evict.py",
        "order",
        """
-        await remove_from_shrinklist(inode)
""",
    ),
    Mutant(
        "eviction-without-a-second-look-at-the-shrinklist",
        "shrinklist.py",
        "recheck",
        """
     if not empty:
-        await list_del_init(entry)
-        sbinfo.shrinklist_len -= 1
+        await list_del_init(entry)
+    sbinfo.shrinklist_len -= 1
     await spin_unlock(sbinfo.shrinklist_lock)
""",
    ),
    Mutant(
        "shrinklist-takes-an-inode-twice",
        "shrinklist.py",
        "recheck",
        """
     if empty:
         await list_add_tail(entry, sbinfo.shrinklist)
-        sbinfo.shrinklist_len += 1
+    sbinfo.shrinklist_len += 1
""",
        features=BEHIND_THE_END,
        operations=("Fallocate", "PunchHole", "Store", "Shrink"),
    ),
    Mutant(
        "shrinklist-takes-an-inode-that-is-being-taken-from-it",
        "shrinklist.py",
        "recheck",
        """
-    empty = await list_empty_careful(entry)
+    empty = await list_empty(entry)
     if empty:
         await list_add_tail(entry, sbinfo.shrinklist)
""",
        features={
            **BEHIND_THE_END,
            "others": (("idle",),),
            "huge_pages": (1,),
        },  # a file that is moved back would mend it
        operations=("PunchHole", "Store", "Shrink"),
    ),
    Mutant(
        "shrinker-moves-back-without-the-lock",
        "shrinker.py",
        "lock",
        """
-            await spin_lock(sbinfo.shrinklist_lock)
             await list_move(entry, sbinfo.shrinklist)
             sbinfo.shrinklist_len += 1
-            await spin_unlock(sbinfo.shrinklist_lock)
""",
        features=FILES,
        operations=("Shrink", "CloseFile"),
    ),
    Mutant(
        "shrinker-splits-without-the-folio-lock",
        "shrinker.py",
        "lock",
        """
-    if not locked:
+    if not locked and entry.index:
         await folio_put(entry)
         return MOVE_BACK
""",
        features=BEHIND_THE_END,
        operations=("Load", "Store", "Shrink"),
    ),
    Mutant(
        "shrinker-forgets-to-put-the-inode",
        "shrinker.py",
        "refcount",
        """
-        await iput(inode)
         entry = following
""",
    ),
    Mutant(
        "shrinker-puts-the-inode-before-it-moves-it-back",
        "shrinker.py",
        "order",
        """
         what = await split_behind_the_end(inode)
+        await iput(inode)
         if what == MOVE_BACK:
@@
-        await iput(inode)
         entry = following
""",
    ),
)
