"""B25: a sibling entry leads into a node.

Symptom: a lookup returns a page of another index of the same file.

 1. collapse: a huge page, whose second slot is a sibling of the first.
 2. lookup of an index in the second half: loads the sibling.
 3. punch: splits the huge page; a node takes the place of the first slot.
 4. lookup: follows the sibling to the first slot, finds the node, and descends there: the same offset, the wrong half.

Mistake: xas_descend() did not expect a node behind a sibling.  Fix: 63b1898fffcd ("XArray: Disallow sibling entries of
nodes"): such an entry is under change, so RETRY.

The reader has to be overtaken by a whole hole punch between two loads of one walk.  The model objects where the page is
used at an index that it does not have.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Collapse, Load, PunchHole, Read
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import SiblingEntry, XaNode, XaState
from pagecache.xarray.entry import Slot
from pagecache.xarray.walk import load_slot, offset_of


async def xas_descend(xas: XaState, node: XaNode) -> Slot:
    """``xas_descend()``: one level down, wherever a sibling leads."""
    offset = offset_of(xas.index, node)
    entry = await load_slot(xas, node, offset, "xas_load", xas.index)
    while type(entry) is SiblingEntry:
        offset = entry.offset
        entry = await load_slot(xas, node, offset, "xas_load", xas.index)
    xas.node = node
    xas.offset = offset
    return entry


BUG: Final = Bug(
    number=25,
    name="sibling-became-a-node",
    kernel=LINUX_2026_MENDED.replace(
        name="b25-sibling-became-a-node",
        summary="a sibling entry leads into a node",
        source="63b1898fffcd",
        xas_descend=xas_descend,
    ),
    fixed=LINUX_2026_MENDED,
    fix="63b1898fffcd",
    release="5.18",
    minimum=Minimum(2, 3, 1),
    breaks=("every_call_is_explained_by_a_sparse_file", "no_freed_memory_is_used"),
    focus=Focus(
        operations=(Collapse, PunchHole, Read, Load),
        worlds=(
            WorldSpec(("data",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),)),
            WorldSpec(("data",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),), large=((0, 3),)),
        ),
    ),
)
