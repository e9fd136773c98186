"""B13B: a spare node of the tree leaks.

Symptom: kmemleak finds a radix_tree_node that khugepaged has allocated.

Ladder:

 1. K: xas_create_range() has no memory for a node: unlocks, and xas_nomem() puts a spare node into the cursor.
 2. F: a fault stores a page next to it, which makes that node.
 3. K: locks, and finds that there is nothing left to do.  Nobody looks at the cursor again.

Mistake: between xas_nomem() and the next try the lock is free; what was missing may be there by then.

Fix: "lib: xarray: free unused spare node in xas_create_range()", posted in December 2025, the fourth time
(<20251204142625.1763372-1-shardul.b@mpiricsoftware.com>).  XX: whether it has been merged.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Load, Write
from pagecache.world import WorldSpec
from pagecache.xarray.create import create_range

BUG: Final = Bug(
    number=13,
    name="spare-node-leaks",
    kernel=LINUX_2026_MENDED.replace(
        name="b13-spare-node-leaks",
        summary="a node that was allocated for a collapse is not needed, and forgotten",
        source="lib/xarray.c of 2026",
        xas_create_range=create_range,
    ),
    fixed=LINUX_2026_MENDED,
    fix="Shardul Bankar, December 2025",
    release="not merged yet",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("nothing_leaks",),
    focus=Focus((Collapse, Load, Write), worlds=(WorldSpec(("data", "hole")),), failures=True),
)
