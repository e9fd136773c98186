"""B32: what the fix that was merged in July 2021, and reverted in August, could do wrong."""

from __future__ import annotations

import pytest
from questions import never, reach

from pagecache.folio import Folio
from pagecache.history.b32_device_gone import BUG, shmem_swapin_folio
from pagecache.inode import Inode
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.operations import Load, Operation, PageOut, Read, Store, Swapoff
from pagecache.shmem_swap import shmem_confirm_swap
from pagecache.swap_device import get_swap_device, put_swap_device
from pagecache.world import WorldSpec
from pagecache.xarray import ValueEntry

SWAPPED = WorldSpec(("swapped", "hole"))
EXPLAINED = "every_call_is_explained_by_a_sparse_file"


async def shmem_swapin_page_5_14_rc2(inode: Inode, index: int, entry: ValueEntry) -> tuple[str, Folio | None]:
    """``shmem_swapin_page()`` with 2efa33fc7f6e: an error without a device, unless the entry is gone (``failed:``)."""
    present = await get_swap_device(inode.i_mapping.swap)
    if not present:
        order = await shmem_confirm_swap(inode.i_mapping, index, entry)
        return "EEXIST" if order < 0 else "EINVAL", None
    error, folio = await shmem_swapin_folio(inode, index, entry)
    await put_swap_device(inode.i_mapping.swap)
    return error, folio


async def shmem_swapin_page_as_feared(inode: Inode, index: int, entry: ValueEntry) -> tuple[str, Folio | None]:
    """The same with nothing at ``failed:``."""
    present = await get_swap_device(inode.i_mapping.swap)
    if not present:
        return "EINVAL", None
    error, folio = await shmem_swapin_folio(inode, index, entry)
    await put_swap_device(inode.i_mapping.swap)
    return error, folio


MERGED = LINUX_2026_MENDED.replace(
    name="2efa33fc7f6e", summary="an error without a device", shmem_swapin_folio=shmem_swapin_page_5_14_rc2
)
FEARED = MERGED.replace(name="feared", shmem_swapin_folio=shmem_swapin_page_as_feared)

PROGRAMS: list[tuple[tuple[Operation, ...], ...]] = [
    ((Load(0),), (Swapoff(),)),
    ((Store(0),), (Swapoff(),)),
    ((Read(0),), (Swapoff(),)),
    ((PageOut(0), Load(0)), (Swapoff(),)),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_error_of_the_first_fix_could_not_be_seen(program: tuple[tuple[Operation, ...], ...]) -> None:
    never(MERGED, SWAPPED, *program, promise=EXPLAINED)


def test_without_looking_again_it_is_a_sigbus() -> None:
    reach(FEARED, SWAPPED, (Load(0),), (Swapoff(),), promise=EXPLAINED, deviations=1)


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_a_reference_the_device_stays(program: tuple[tuple[Operation, ...], ...]) -> None:
    never(BUG.fixed, SWAPPED, *program, promise="no_freed_memory_is_used")


def test_without_one_it_goes() -> None:
    reach(BUG.kernel, SWAPPED, (Load(0),), (Swapoff(),), promise="no_freed_memory_is_used", deviations=1)
