"""B52: to split a huge page frees what fallocate() has reserved behind the end of the file.

Symptom: "A successful shmem_fallocate() guarantees that the extent has been reserved, even beyond i_size when the
FALLOC_FL_KEEP_SIZE flag was used.  But that guarantee is broken".

 1. fallocate: reserves a huge page, of which the second half is behind the end of the file.
 2. punch: of a page in the first half splits it; or the shrinker of the superblock does, which looks for such files.
 3. What is behind i_size leaves the page cache; "nothing behind it can come into use", says the split, and whoever has
    reserved it finds out at the next ENOSPC.

Mistake: shmem did not know how far it had been asked to reserve.  Fix: d144bf620534 ("huge tmpfs: fix
split_huge_page() after FALLOC_FL_KEEP_SIZE"), by Hugh Dickins: "It's sad to add a shmem inode field just for this, but
I did not find a better way to keep the guarantee".
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, vm_bug_on_folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.huge_memory import finish_split, freeze_to_split, part_of, settle
from pagecache.inode import AddressSpace, i_size_read
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.locks import down_read, up_read
from pagecache.operations import Fallocate, PageOut, PunchHole, Read, Shrink, Split, Truncate
from pagecache.step import step
from pagecache.world import WorldSpec
from pagecache.xarray import (
    XaState,
    xas_destroy,
    xas_get_order,
    xas_set_order,
    xas_split,
    xas_split_alloc,
    xas_store,
    xas_unlock_irq,
)


async def split_folio(
    mapping: AddressSpace, folio: Folio, new_order: int = 0, folio_list: list[Folio] | None = None
) -> str:
    """``split_huge_page_to_list_to_order()`` of a locked large folio with one reference of the caller.

    The folio becomes its own first part of ``new_order``; the other parts become folios of their own, except those
    wholly behind the end of the file, which leave the page cache.  (Folios of shmem are split to other orders than 0
    since 6.15.)

    Args:
        mapping: the file.
        folio: what is split.
        new_order: of the parts.
        folio_list: where the other parts go, with a reference, if reclaim has isolated the folio; ``None`` if not.

    Returns:
        Empty; ``"EAGAIN"`` if somebody else holds a reference; ``"EBUSY"`` if it has left the cache; ``"ENOMEM"``
        without memory for the nodes.

    Leaves out: migration entries (a file's pages are simply unmapped and faulted in again), the deferred split queue.
    """
    if folio.mapping is None:
        return "EBUSY"
    inode = mapping.host
    current = await down_read(mapping.i_mmap_rwsem)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"split by {current} without its lock")
    xas = XaState(mapping.i_pages, folio.index, new_order)
    await xas_split_alloc(xas, folio, folio.order)
    if xas.error:
        await up_read(mapping.i_mmap_rwsem)
        return xas.error
    # Sampled once: "EOF may change from under us, but nothing behind it can come into use".
    end = await i_size_read(inode)
    frozen = await freeze_to_split(mapping, folio, xas)
    if not frozen:
        await up_read(mapping.i_mmap_rwsem)
        await xas_destroy(xas)
        return "EAGAIN"

    # One entry becomes an entry for each part, all of them the head as yet; in 4.8 each page had its own.
    order = await xas_get_order(xas)
    if order > new_order:
        await xas_split(xas, folio, order)
    # The tails, from the last: each comes to life with its own slot while the head is still frozen,
    # so that a lookup that finds the head in a tail's slot spins until the tail is stored.
    tails: list[Folio] = []
    dropped = 0
    nr = 1 << new_order
    for offset in range(folio.nr_pages - nr, 0, -nr):
        tail = part_of(mapping, folio, folio.index + offset, new_order, current)
        tails.append(tail)
        if tail.index >= end:
            # Behind the end of the file: it leaves the cache, and the references it would have had.
            xas_set_order(xas, tail.index, new_order)
            await xas_store(xas, None)
            tail.mapping = None
            mapping.nrpages -= nr
            dropped += nr
        else:
            tail.refcount = nr + 1  # the cache's and ours
            # Its siblings are there already, and lead to the slot that is stored.
            xas_set_order(xas, tail.index, 0)
            await xas_store(xas, tail)
        if folio_list is not None:  # lru_add_split_folio()
            tail.refcount += 1
            folio_list.append(tail)
    await step("folio_ref_unfreeze", folio, nr + 1, target=("refcount", folio.number), writes=True)
    settle(folio, new_order)
    await xas_unlock_irq(xas)
    await finish_split(mapping, tails, dropped, was_huge=(len(tails) + 1) << new_order == 1 << mapping.hpage_pmd_order)
    return ""


BUG: Final = Bug(
    number=52,
    name="reserved-behind-the-end",
    kernel=LINUX_6_4_MENDED.replace(
        name="b52-reserved-behind-the-end",
        summary="to split a huge page frees what fallocate() has reserved behind the end of the file",
        source="before d144bf620534",
        split_folio=split_folio,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="d144bf620534",
    release="5.15",
    minimum=Minimum(tasks=1, operations=2, deviations=0),
    breaks=("what_fallocate_has_reserved_stays_reserved",),
    focus=Focus(
        operations=(Fallocate, PageOut, PunchHole, Read, Shrink, Split, Truncate),
        worlds=(
            WorldSpec(("hole", "hole"), size=1, huge="always"),
            WorldSpec(("hole", "hole"), size=0, huge="within_size"),
            WorldSpec(("data", "hole"), size=1, huge="always"),
        ),
    ),
)
