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

from pagecache.folio import Folio, folio_put, folio_ref_freeze, folio_unlock, vm_bug_on_folio
from pagecache.folio_split import try_folio_split_6_15, unfreeze_parts
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.huge_memory import part_of
from pagecache.inode import AddressSpace, i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import down_read, up_read
from pagecache.operations import Load, PunchHole, Read, Truncate
from pagecache.rmap import try_to_unmap
from pagecache.shmem_charge import shmem_uncharge_6_6
from pagecache.step import step
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import (
    XaState,
    xas_destroy,
    xas_load,
    xas_lock_irq,
    xas_set_order,
    xas_try_split,
    xas_unlock_irq,
)

__all__ = ["BUG"]


async def folio_split(mapping: AddressSpace, folio: Folio, split_at: int) -> tuple[str, list[Folio]]:
    """``folio_split()``: halve a locked large folio, then the half with page ``split_at``, until that is a small folio.

    The caller has one reference.

    Returns:
        Empty, or an error as of split_folio(); ``"ENOMEM"`` if it was not halved as often as it should.  And the parts.

    Leaves out: migration entries, the deferred split queue.
    """
    if folio.mapping is None:
        return "EBUSY", []
    inode = mapping.host
    current = await down_read(mapping.i_mmap_rwsem)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"split by {current} without its lock")
    size = await i_size_read(inode)
    end = max(size, inode.info.fallocend)
    await step("can_split_folio", folio, target=("refcount", folio.number))
    if folio.refcount != folio.mapcount + folio.nr_pages + 1:
        await up_read(mapping.i_mmap_rwsem)
        return "EAGAIN", []
    await try_to_unmap(mapping, folio, rmap_locked=True)
    xas = XaState(mapping.i_pages, folio.index)
    await xas_lock_irq(xas)
    entry = await xas_load(xas)
    frozen = False
    if entry is folio:
        frozen = await folio_ref_freeze(folio, 1 + folio.nr_pages)
    if not frozen:
        await xas_unlock_irq(xas)
        await up_read(mapping.i_mmap_rwsem)
        return "EAGAIN", []

    # __split_unmapped_folio(): the tree first.  What a folio loses it keeps here until it is unfrozen, since until then
    # nobody can look at it.
    huge = folio.order == mapping.hpage_pmd_order
    parts, orders = [folio], [folio.order]
    cut = 0
    while orders[cut]:
        order = orders[cut]
        xas_set_order(xas, parts[cut].index, order - 1)
        await xas_try_split(xas, parts[cut], order)
        if xas.error:
            break
        half = part_of(mapping, folio, parts[cut].index + (1 << order - 1), order - 1, current)
        half.refcount = 0
        half.frozen_by = current
        parts.insert(cut + 1, half)
        orders[cut : cut + 1] = [order - 1, order - 1]
        cut += split_at >= half.index
    error = xas.error
    dropped = await unfreeze_parts(xas, mapping, parts, orders, end)
    await xas_unlock_irq(xas)
    await xas_destroy(xas)
    if mapping.regular is not None:
        mapping.regular.count_thps(-(huge and len(parts) > 1))
    elif dropped:
        await shmem_uncharge_6_6(inode, dropped)
    await up_read(mapping.i_mmap_rwsem)
    for position in range(1, len(parts)):
        await folio_unlock(parts[position])
        await folio_put(parts[position])
    return error, parts


BUG: Final = Bug(
    number=44,
    name="split-in-the-wrong-place",
    kernel=LINUX_2026_MENDED.replace(
        name="b44-split-in-the-wrong-place",
        summary="a folio that is being split is found in the place of another one",
        source="without 577a1f495fd7",
        try_folio_split=try_folio_split_6_15,
        folio_split=folio_split,
    ),
    fixed=LINUX_2026_MENDED.replace(
        name="linux-2026-folio-split",
        summary="2026 mended; truncate and hole punching leave large what lies apart from the cuts",
        source="577a1f495fd7",
        try_folio_split=try_folio_split_6_15,
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
