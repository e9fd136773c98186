"""``struct swap_info_struct``: the slots of a swap device, and who keeps it (``mm/swapfile.c``).

The map of the slots goes with the device, and so does the swap cache.  An entry that somebody has found in the file
entitles to neither: by now the page may be back, and the device gone.  swapoff(2) waits for those who have a reference
from get_swap_device(), and for the slots that are in use, and for nobody else.

Leaves out: several devices, so that an entry need not say which; RCU readers of the map who hold no reference (there
are none).
"""

from __future__ import annotations

from typing import ClassVar, Final

from pagecache.folio import Folio
from pagecache.step import KernelBug, Target, Task, UseAfterFree, Wait, step

__all__ = ["NOTHING", "USERS", "SwapDevice", "SwapSlot", "get_swap_device", "put_swap_device"]

NOTHING: Final = "never written"

USERS: Final[Target] = ("swap_device", 0)
"""``si->users``.  It is counted per CPU: who takes and who drops a reference read it, and do not notice each other; who
kills it, and waits for the last one, writes."""


class SwapSlot:
    """One slot: what was written there, and who refers to it.

    Args:
        content: of the page; what is left in a free slot is whatever was there.
        count: how many value entries refer to it (``swap_map``).
        cache: the folio that the swap cache has for it (SWAP_HAS_CACHE).
    """

    __slots__ = ("cache", "content", "count")

    def __init__(self) -> None:
        self.content = NOTHING
        self.count = 0
        self.cache: Folio | None = None

    @property
    def free(self) -> bool:
        """Does nobody refer to it?"""
        return self.count == 0 and self.cache is None


class SwapDevice:
    """``struct swap_info_struct`` and its swap cache: as many slots as the world has pages.

    Args:
        nr_slots: how many.
        order: of the largest entry (SWAPFILE_CLUSTER).

    Without ``writeok`` (SWP_WRITEOK) nobody gets a slot any more; once it is ``dying`` nobody gets a reference; once it
    is ``freed`` the map is gone.
    """

    __fingerprint_skip__: ClassVar = ("order",)
    __slots__ = ("dying", "freed", "order", "slots", "users", "writeok")

    def __init__(self, nr_slots: int, order: int = 0) -> None:
        self.slots = [SwapSlot() for _ in range(nr_slots)]
        self.order = order
        self.writeok = True
        self.dying = False
        self.freed = False
        self.users: list[Task] = []

    def of(self, folio: Folio) -> list[SwapSlot]:
        """The slots of a folio of the swap cache."""
        return self.slots[folio.swap : folio.swap + folio.nr_pages]

    def in_use(self) -> bool:
        """``swap_usage_in_pages()``: does anybody refer to any slot?"""
        return any(not slot.free for slot in self.slots)

    def target(self, entry: int) -> Target:
        """The slots that one entry can have, together (a cluster, and its lock)."""
        return ("swap", entry >> self.order)

    def targets(self) -> list[Target]:
        """All slots."""
        return [self.target(entry) for entry in range(0, len(self.slots), 1 << self.order)]

    def trap(self, what: str) -> None:
        """Who looks at the map, or into the swap cache, says ``what`` for.

        Raises:
            UseAfterFree: if they are gone.
        """
        if self.freed:
            raise UseAfterFree(f"{what} uses the map of a swap device that has been switched off")

    def users_wait_for(self) -> Wait:
        """Who has a reference."""
        return Wait("the last reference to the swap device", tuple(self.users))


async def get_swap_device(swap: SwapDevice) -> bool:
    """``get_swap_device()``: keep the device from being switched off; false if that has gone too far.

    That keeps no slot: somebody may free it, and use it again.
    """
    current = await step("get_swap_device", target=USERS)
    if swap.dying:
        return False
    swap.users.append(current)
    swap.users.sort(key=_number)
    return True


async def put_swap_device(swap: SwapDevice) -> None:
    """``put_swap_device()``."""
    current = await step("put_swap_device", target=USERS)
    if current not in swap.users:
        raise KernelBug(f"{current} drops a reference to the swap device, and has none")
    swap.users.remove(current)


def _number(task: Task) -> int:
    return task.number
