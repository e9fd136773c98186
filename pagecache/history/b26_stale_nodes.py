"""B26: a shadow entry is split with nodes that were made for what stood there before.

Symptom: data that belongs elsewhere, lookups that spin, or an oops, in files with large folios.  Christian Theune
reported a "known and unfixed active data loss bug" of 6.1 and later; Chris Mason and Jens Axboe made a reproducer: many
that read, and others that drop the pages.

The slots of freed pages:

 1. read: finds a hole, or a shadow entry; gets a page.
 2. collapse: a huge page.
 3. read: looks up order and entry, without the lock: the huge page.  Makes nodes that are full of it.
 4. reclaim: puts a shadow entry of the same order in its place, and frees it.
 5. read: takes the lock, finds a shadow entry, and splits it: its children are the nodes of 3.

The oops, of which we know no report:

 1. read: finds a hole; looks up the order, without the lock: 0, so no nodes are needed.
 2. collapse, reclaim: a shadow entry of a higher order.
 3. read: takes the lock, looks up the order again, and splits without nodes: xas_split() takes the first of none.

Mistake: what was prepared without the lock is used without a look whether it still fits: "it might already be a folio
by this point" (Matthew Wilcox, <ZuuqPEtIliUJejvw@casper.infradead.org>); xas_reset(), tried first, "doesn't undo any of
that" (Chris Mason, <0a3b09db-23e8-4a06-85f8-a0d7bbc3228b@meta.com>).

Fix: 6758c1128ceb ("mm/filemap: optimize filemap folio adding", 6.10; in 6.6 and 6.1 since October 2024), with
xas_get_order() of a4864671ca0b.  It was meant to save walks: read order and entry under the lock; allocate for just
these; if they have changed when the lock has been taken again, xas_destroy() the nodes and begin anew.

The catalogue's one preemption, by two operations, is enough for the oops.  The slots need one more: read must not see
the huge page in 1. and must see it in 3., so that it is interrupted for the collapse, and the others are interrupted
for it.  If that happens while they hold the lock, in the store of 2. or of 4., read waits at its own 5. for the rest;
otherwise there is a third.  With nothing but the order compared the oops is gone, and the slots are not
(tests/history/test_b26_stale_nodes.py).
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import rcu_read_lock, rcu_read_unlock
from pagecache.operations import Collapse, PageOut, Read
from pagecache.world import VmaSpec, WorldSpec
from pagecache.xarray import (
    Entry,
    XaState,
    xa_get_order,
    xa_is_retry,
    xa_is_value,
    xas_find_conflict,
    xas_get_order,
    xas_load,
    xas_lock_irq,
    xas_nomem,
    xas_reset,
    xas_retry,
    xas_set_err,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)


async def xa_load(xas: XaState) -> Entry:
    """``xa_load()`` of the cursor's array and index, under RCU only."""
    await rcu_read_lock()
    while True:
        entry = await xas_load(xas)
        if not xa_is_retry(entry):
            break
        await xas_retry(xas)
    await rcu_read_unlock()
    return entry


async def __filemap_add_folio(mapping: AddressSpace, folio: Folio, index: int) -> str:
    """``__filemap_add_folio()``: store a small locked folio at ``index``, over a shadow entry or over nothing.

    A shadow entry of a higher order is split first.  The nodes for that are allocated without the ``xa_lock``, and are
    full of whatever stands there at that time.
    """
    folio.refcount += folio.nr_pages  # nobody can see it yet
    folio.mapping = mapping
    folio.index = index
    xas = XaState(mapping.i_pages, index, folio.order)
    while True:
        order = await xa_get_order(XaState(mapping.i_pages, index))
        if order > folio.order:
            entry = await xa_load(XaState(mapping.i_pages, index))
            await xas_split_alloc(xas, entry, order)
            if xas.error:
                break
        order = -1
        await xas_lock_irq(xas)
        old = await xas_find_conflict(xas)
        if old is not None:
            order = await xas_get_order(xas)
        if old is not None and not xa_is_value(old):
            xas_set_err(xas, "EEXIST")
        else:
            if order > folio.order:
                await xas_split(xas, old, order)
                xas_reset(xas)
            await xas_store(xas, folio)
            if not xas.error:
                mapping.nrpages += folio.nr_pages
        await xas_unlock_irq(xas)
        again = await xas_nomem(xas)
        if not again:
            break
    if xas.error:
        folio.mapping = None
        folio.refcount -= folio.nr_pages
    return xas.error


BUG: Final = Bug(
    number=26,
    name="stale-nodes",
    kernel=LINUX_2026_MENDED.replace(
        name="b26-stale-nodes",
        summary="a shadow entry is split with nodes made for what stood there before",
        source="before 6758c1128ceb",
        filemap_add_folio=__filemap_add_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="6758c1128ceb",
    release="6.10",
    minimum=Minimum(2, 3, 1),
    breaks=("every_slot_points_to_a_live_folio_that_agrees", "the_kernel_does_not_oops"),
    focus=Focus(
        operations=(Collapse(0), PageOut(0), Read(1)),
        worlds=(WorldSpec(("data", "hole", *("data",) * 6), 3, size=8, vmas=(VmaSpec(end=8),), backing="file"),),
    ),
)
