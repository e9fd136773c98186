"""Splitting a large folio into parts of several orders (``folio_split()`` of ``mm/huge_memory.c``, since 6.15)."""

from __future__ import annotations

from pagecache.folio import (
    Folio,
    folio_put,
    folio_try_get,
    folio_trylock,
    folio_unlock,
    vm_bug_on_folio,
)
from pagecache.huge_memory import finish_split, freeze_to_split, part_of, settle, try_folio_split
from pagecache.inode import AddressSpace, i_size_read
from pagecache.locks import down_read, up_read
from pagecache.step import step
from pagecache.xarray import (
    XaState,
    xas_destroy,
    xas_set_order,
    xas_store,
    xas_try_split,
    xas_unlock_irq,
)

__all__ = ["folio_split", "frozen_half", "split_unmapped_folio", "try_folio_split_6_15"]


async def try_folio_split_6_15(mapping: AddressSpace, folio: Folio, first: int, behind: int) -> str:
    """``try_folio_split()`` since 7460b470a131 (6.15), with the second cut of truncate_inode_partial_folio().

    The second one is only tried: the range has been zeroed.  Into pages as before where the file system has no large
    folios, and this one is of CONFIG_READ_ONLY_THP_FOR_FS (``non_uniform_split_supported()``).
    """
    if mapping.regular is not None and not mapping.regular.large_folios:
        return await try_folio_split(mapping, folio, first, behind)
    end = folio.next_index
    error, parts = await folio_split(mapping, folio, first)
    if error or behind == end:
        return error
    folio2 = next(part for part in parts if part.index <= behind < part.next_index)
    got = await folio_try_get(folio2)
    if not got:
        return ""
    if folio2.order:
        locked = await folio_trylock(folio2)
        if locked:
            if folio2.order and folio2.mapping is mapping:
                await folio_split(mapping, folio2, behind)
            await folio_unlock(folio2)
    await folio_put(folio2)
    return ""


async def folio_split(mapping: AddressSpace, folio: Folio, split_at: int) -> tuple[str, list[Folio]]:
    """``folio_split()``: halve a locked large folio, then the half with page ``split_at``, until that is a small folio.

    The caller has one reference.  All slots keep the frozen folio until each part is stored in its place, so that a
    lookup that finds it in a slot of another part spins.

    Returns:
        Empty, or an error as of split_folio(); ``"ENOMEM"`` if it was not halved as often as it should, ``"EINVAL"`` if
        the page is not in it.  And the parts.

    Leaves out: migration entries, the deferred split queue.
    """
    if folio.mapping is None:
        return "EBUSY", []
    if not folio.index <= split_at < folio.next_index:
        return "EINVAL", []
    inode = mapping.host
    current = await down_read(mapping.i_mmap_rwsem)
    vm_bug_on_folio(folio.locked_by is not current, folio, f"split by {current} without its lock")
    size = await i_size_read(inode)
    end = max(size, inode.info.fallocend)
    xas = XaState(mapping.i_pages, folio.index)
    frozen = await freeze_to_split(mapping, folio, xas)
    if not frozen:
        await up_read(mapping.i_mmap_rwsem)
        return "EAGAIN", []
    huge = folio.order == mapping.hpage_pmd_order
    parts: list[Folio] = [folio]
    orders = [folio.order]
    await mapping.kernel.split_unmapped_folio(xas, mapping, parts, orders, split_at)
    error = xas.error
    dropped = await _unfreeze_parts(xas, mapping, parts, orders, end)
    await xas_unlock_irq(xas)
    await xas_destroy(xas)
    await finish_split(mapping, parts[1:], dropped, was_huge=huge and len(parts) > 1)
    return error, parts


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
        await xas_try_split(xas, folio, order)
        if xas.error:
            return
        half = frozen_half(mapping, folio, parts[cut].index + (1 << order - 1), order - 1)
        parts.insert(cut + 1, half)
        orders[cut : cut + 1] = [order - 1, order - 1]
        cut += split_at >= half.index


def frozen_half(mapping: AddressSpace, folio: Folio, index: int, order: int) -> Folio:
    """A part of a folio that is being split; nobody can get a reference to it as yet."""
    assert folio.frozen_by is not None
    half = part_of(mapping, folio, index, order, folio.frozen_by)
    half.refcount = 0
    half.frozen_by = folio.frozen_by
    return half


async def _unfreeze_parts(xas: XaState, mapping: AddressSpace, parts: list[Folio], orders: list[int], end: int) -> int:
    """The rest of __folio_split() under the ``xa_lock``: unfreeze each part and store it in its place, the head last.

    Args:
        xas: a cursor.
        mapping: the file.
        parts: in the order of their indices; the first is the folio that was split.
        orders: of the parts; they get them now.
        end: of the file: what is behind it is dropped.

    Returns:
        How many pages were dropped.
    """
    dropped = 0
    for position in range(1, len(parts)):
        part = parts[position]
        nr = 1 << orders[position]
        await step("folio_ref_unfreeze", part, nr + 1, target=("refcount", part.number), writes=True)
        settle(part, orders[position])
        if part.index < end:
            # Its siblings are there already, and lead to the slot that is stored.
            xas_set_order(xas, part.index, 0)
            await xas_store(xas, part)
        else:
            xas_set_order(xas, part.index, orders[position])
            await xas_store(xas, None)
            part.mapping = None
            part.refcount -= nr
            mapping.nrpages -= nr
            dropped += nr
    await step("folio_ref_unfreeze", parts[0], (1 << orders[0]) + 1, target=("refcount", parts[0].number), writes=True)
    settle(parts[0], orders[0])
    return dropped
