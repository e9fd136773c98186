"""What somebody proposed to change elsewhere, instead of in the collapse: each a small whole function.

They stand for the kernel's function of the same name; what is not said here is as in :mod:`pagecache.filemap`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fuzz.questions.variant import Alternative
from fuzz.questions.variants import ASKS_BEFORE_THE_COPY
from pagecache.filemap import SEEK_DATA, filemap_get_entry, put_entry
from pagecache.folio import Folio, folio_lock, folio_test_uptodate, folio_unlock
from pagecache.inode import AddressSpace
from pagecache.locks import down_write, rcu_read_lock, rcu_read_unlock, up_write
from pagecache.operations import Result, UffdRegister
from pagecache.userfaultfd import userfaultfd_register
from pagecache.world import World
from pagecache.xarray import XaState, xas_load, xas_lock_irq, xas_set, xas_unlock_irq

__all__ = [
    "ASKS_BEFORE_THE_COPY_AND_SEEK_LOCKS",
    "SEEK_LOCKS_THE_FOLIO",
    "SEEK_TAKES_THE_XA_LOCK",
    "GuardedUffdRegister",
]


async def seek_under_the_xa_lock(mapping: AddressSpace, start: int, end: int, whence: int) -> int | str:
    """``mapping_seek_hole_data()``, if it took the xa_lock (P11): nobody stores an entry while it looks."""
    if end <= start:
        return "ENXIO"
    seek_data = whence == SEEK_DATA
    answer: int | str = "ENXIO" if seek_data else end
    index = start
    xas = XaState(mapping.i_pages, start)
    await xas_lock_irq(xas)
    while index < end:
        xas_set(xas, index)
        entry = await xas_load(xas)
        data = entry is not None
        if isinstance(entry, Folio):
            data = entry.uptodate
        if data == seek_data:
            answer = index
            break
        index += 1
    await xas_unlock_irq(xas)
    return answer


async def seek_that_locks(mapping: AddressSpace, start: int, end: int, whence: int) -> int | str:
    """``mapping_seek_hole_data()``, as Hugh Dickins proposed (P26): lock what is not uptodate, and look again."""
    if end <= start:
        return "ENXIO"
    seek_data = whence == SEEK_DATA
    answer: int | str = "ENXIO" if seek_data else end
    index = start
    while index < end:
        await rcu_read_lock()
        entry = await filemap_get_entry(mapping, index)
        await rcu_read_unlock()
        data = entry is not None
        gone = False
        if isinstance(entry, Folio):
            data = await folio_test_uptodate(entry)
            if not data:
                await folio_lock(entry)
                gone = entry.mapping is not mapping
                data = entry.uptodate
                await folio_unlock(entry)
        await put_entry(entry)
        if gone:
            continue
        if data == seek_data:
            answer = index
            break
        index += 1
    return answer


@dataclass(frozen=True, slots=True, repr=False)
class GuardedUffdRegister(UffdRegister):
    """``UFFDIO_REGISTER``, if it had to wait for a collapse that has asked (P14).

    Peter Xu thought of a counter in the inode that is kept from changing until the store; here it is i_mmap_rwsem that
    keeps it from changing, which a collapse that asks the VMAs holds from there to the store.
    """

    async def run(self, world: World, tag: str) -> Result:
        """Register under the guard."""
        del tag
        await down_write(world.mapping.i_mmap_rwsem)
        answer = await userfaultfd_register(world.vmas[self.vma])
        await up_write(world.mapping.i_mmap_rwsem)
        return answer


SEEK_TAKES_THE_XA_LOCK: Final = Alternative(
    "seek-takes-the-xa-lock", "stevens-v2", {"mapping_seek_hole_data": seek_under_the_xa_lock}
)

SEEK_LOCKS_THE_FOLIO: Final = Alternative(
    "seek-locks-the-folio", "linux-6.2", {"mapping_seek_hole_data": seek_that_locks}
)

ASKS_BEFORE_THE_COPY_AND_SEEK_LOCKS: Final = Alternative(
    "asks-before-the-copy-and-seek-locks", ASKS_BEFORE_THE_COPY, {"mapping_seek_hole_data": seek_that_locks}
)
