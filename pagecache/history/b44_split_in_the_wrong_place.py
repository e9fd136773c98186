"""B44: a folio that is being split is found in the place of another one.

Symptom: read(2) and mappings of a memfd have data of another page, while somebody punches holes into its huge pages.
"Basically, data from a wrong page->index is returned"; reported by Bas van Dijk, of a replicated state machine whose
nodes disagreed (<CAKNNEtw5_kZomhkugedKMPOG-sxs5Q5OLumWJdiWXv+C9Yct0w@mail.gmail.com>), with a reproducer of 16 threads.

Ladder, of four pages f of which the last one is punched:

 1. P: halves f, in the tree, too: f, f, f2, f2.  Halves f2: f, f, f2, f3; but the tree has f2 in the slot of f3 as yet.
 2. P: unfreezes f2, and stores it in its slot.
 3. R: read() of the last page finds f2 in the slot of f3, and gets a reference.
 4. P: unfreezes f3, and stores it.

Mistake: the half that is to be halved stands for the parts it is going to have, and is unfrozen before they are there.

Fix: 577a1f495fd7 ("mm/huge_memory: fix a folio_split() race condition with folio_try_get()", 7.0): the folio that is
being split stands in all slots, and is unfrozen last.  The mistake is of 00527733d0dc, and shows since 7460b470a131
(6.15).  split_folio() does not have it: it splits the entry once.

It is younger than the catalogue: its minimum is ours.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio
from pagecache.folio_split import frozen_half
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026, LINUX_2026_MENDED
from pagecache.operations import Load, PunchHole, Read, Truncate
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import XaState, xas_set_order, xas_try_split

__all__ = ["BUG"]


async def split_unmapped_folio(
    xas: XaState, mapping: AddressSpace, parts: list[Folio], orders: list[int], split_at: int
) -> None:
    """``__split_unmapped_folio()``: halve a frozen folio in the tree, then the half with the cut, and so on.

    What a folio loses it keeps here until it is unfrozen, since until then nobody can look at it.

    Args:
        xas: a cursor; in the error ENOMEM if a node was missing.
        mapping: the file.
        parts: the folio; the others are added, in the order of their indices.
        orders: of the parts, that they are going to have.
        split_at: the index of the page that gets a folio of its own.
    """
    folio = parts[0]
    cut = 0
    while orders[cut]:
        order = orders[cut]
        xas_set_order(xas, parts[cut].index, order - 1)
        await xas_try_split(xas, parts[cut], order)
        if xas.error:
            return
        half = frozen_half(mapping, folio, parts[cut].index + (1 << order - 1), order - 1)
        parts.insert(cut + 1, half)
        orders[cut : cut + 1] = [order - 1, order - 1]
        cut += split_at >= half.index


BUG: Final = Bug(
    number=44,
    name="split-in-the-wrong-place",
    kernel=LINUX_2026_MENDED.replace(
        name="b44-split-in-the-wrong-place",
        summary="a folio that is being split is found in the place of another one",
        source="without 577a1f495fd7",
        split_unmapped_folio=split_unmapped_folio,
    ),
    fixed=LINUX_2026_MENDED.replace(
        name="linux-2026-folio-split",
        summary="2026 mended, but a split without memory stops halfway",
        source="577a1f495fd7",
        split_unmapped_folio=LINUX_2026.split_unmapped_folio,
    ),
    fix="577a1f495fd7",
    release="7.0",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("every_call_is_explained_by_a_sparse_file", "no_freed_memory_is_used"),
    focus=Focus(
        operations=(PunchHole, Truncate, Read, Load),
        worlds=(WorldSpec(("data",) * 4, hpage_order=2, size=4, vmas=(VmaSpec(end=4),), large=((0, 2),)),),
    ),
)
