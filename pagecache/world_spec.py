"""The plain specification of a world: a small file, its mappings, and the other files of its superblock.

Small universes find big bugs: two to eight pages, a few mappings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "BACKINGS",
    "FILE_STATES",
    "HPAGE_ORDER_MAX",
    "HUGE",
    "HUGE_MOUNTS",
    "LARGE_STATES",
    "OTHERS_MAX",
    "OTHER_STATES",
    "PAGES_MAX",
    "PAGE_STATES",
    "VMAS_MAX",
    "Large",
    "VmaSpec",
    "WorldSpec",
]

PAGES_MAX: Final = 8  # four huge pages of two, or one of eight: no catalogued race needs more
VMAS_MAX: Final = 4  # collapse and userfaultfd look at one mapping and at "any other"
HPAGE_ORDER_MAX: Final = 3

PAGE_STATES: Final = ("data", "hole", "unwritten", "swapped", "zeroes")
"""What can be at an index: data; nothing; a page that fallocate() reserved and nobody wrote; data on a swap device; the
zeroes of a fault that found nothing, and only read."""

BACKINGS: Final = ("shmem", "file")
"""What the file is: of shmem, or a regular file of a disk file system."""

FILE_STATES: Final = ("data", "hole", "dirty", "shadow")
"""What can be at an index of a regular file: data as it is on the disk; nothing, it is on the disk only; data that is
newer than the disk's; nothing but the shadow entry of an eviction."""

HUGE: Final = ("never", "always", "within_size", "sizes")
"""The sizes of new folios: the mount option huge= of tmpfs; or all sizes in anonymous shared memory, a memfd say."""

HUGE_MOUNTS: Final = ("always", "within_size")
"""Those whose files get huge pages, perhaps behind their end: the mount has a list of them."""

LARGE_STATES: Final = ("data", "swapped", "shadow", "dirty")
"""What a large folio, or one entry for several pages that are swapped out or evicted, can hold.  A large folio of a
regular file is dirty only if its file system can write it back, see :attr:`WorldSpec.large_folios`."""

OTHER_STATES: Final = ("idle", "pinned")
"""What another file of the superblock may be: one huge page, of which the last page is behind its end; which a device
does I/O to."""

OTHERS_MAX: Final = 3  # a list that is being taken apart has a first, a last and another one

Large: TypeAlias = tuple[int, int]
"""The first index and the order of what holds several pages at once."""


@dataclass(frozen=True, slots=True)
class VmaSpec:
    """A mapping of the file: shared, unless it is private.

    Args:
        mm: the process it belongs to; equal names share an ``mmap_lock``.
        start: the first index of the file that it maps.
        end: the index behind the last one.
        missing: is it registered with a userfaultfd for MISSING events?
        minor: for MINOR events?
        wp: for WP events?
        mapped: the indices whose page is in the page table at the start.
        huge: are huge pages that it covers mapped by PMDs?  One that is mapped at the start as a whole, is so by a PMD.
        writable: of a regular file, is it of a descriptor that is open for writing, too?  Those of shmem all are.
        around: does a read fault map what the cache has around its page, as far as one page table goes (fault-around)?
        private: is it MAP_PRIVATE?  What is stored through it goes to a copy that nobody else sees.

    Raises:
        ValueError: if the range is empty or negative, or ``mapped`` lies outside of it.
    """

    mm: str = "A"
    start: int = 0
    end: int = 2
    missing: bool = False
    mapped: tuple[int, ...] = ()
    minor: bool = False
    wp: bool = False
    huge: bool = False
    writable: bool = False
    around: bool = False
    private: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a VMA maps indices {self.start} to {self.end}: start must be >= 0 and below end")
        for index in self.mapped:
            if not self.start <= index < self.end:
                raise ValueError(
                    f"a VMA has index {index} mapped but covers only {self.start} to {self.end - 1}; "
                    "remove it from 'mapped'"
                )
        if self.missing + self.minor + self.wp > 1:
            raise ValueError(
                f"a VMA has missing = {self.missing}, minor = {self.minor} and wp = {self.wp}; set one at most"
            )
        if len(set(self.mapped)) != len(self.mapped):
            raise ValueError(f"a VMA lists an index twice in mapped = {list(self.mapped)}; list each once")


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """The file and its mappings before anything runs.

    Args:
        pages: per index one of :data:`PAGE_STATES`, of a regular file :data:`FILE_STATES`; a multiple of
            ``2**hpage_order`` of them.
        hpage_order: what HPAGE_PMD_ORDER is in this world.
        size: ``i_size`` in pages.
        vmas: the mappings.
        large: ranges, as first index and order, whose data is in one large folio, or whose swapped pages are in
            consecutive slots to which one entry of that order refers.  Of hpage_order, it is a huge page.
        backing: one of :data:`BACKINGS`.
        huge: one of :data:`HUGE`.
        others: the other files of the superblock, each one of :data:`OTHER_STATES`, in the order of its shrinklist.
        store_buffers: does a CPU see its own stores before the others do (:mod:`pagecache.store_buffer`)?

    Raises:
        ValueError: if the parts do not fit together; the message names the value and the remedy.
    """

    pages: tuple[str, ...] = ("data", "data")
    hpage_order: int = 1
    size: int = 2
    vmas: tuple[VmaSpec, ...] = (VmaSpec(),)
    large: tuple[Large, ...] = ()
    backing: str = "shmem"
    huge: str = "never"
    others: tuple[str, ...] = ()
    store_buffers: bool = False

    @property
    def states(self) -> tuple[str, ...]:
        """What a page can be, in such a file."""
        return PAGE_STATES if self.backing == "shmem" else FILE_STATES

    @property
    def large_folios(self) -> bool:
        """Can the file system of a regular file write large folios back?  Only then is one dirty, or may become so."""
        dirty = any(self.pages[first] == "dirty" for first, _ in self.large)
        return dirty or (self.large != () and any(vma.writable for vma in self.vmas))

    @property
    def chunk_shift(self) -> int:
        """What XA_CHUNK_SHIFT is in this world: small, so that small files have real trees.

        HPAGE_PMD_ORDER is no multiple of it in any Linux (9 of 6, 9 of 4, 13 of 6, ...): so a huge page always has
        sibling entries, and joining the slots of a full node never needs another node above it.
        """
        return 3 if self.hpage_order == 2 else 2

    def __post_init__(self) -> None:
        if not 1 <= self.hpage_order <= HPAGE_ORDER_MAX:
            raise ValueError(f"hpage_order is {self.hpage_order}; choose 1 to {HPAGE_ORDER_MAX}")
        nr = 1 << self.hpage_order
        if not self.pages or len(self.pages) % nr or len(self.pages) > PAGES_MAX:
            raise ValueError(
                f"there are {len(self.pages)} pages; with hpage_order {self.hpage_order} give a multiple of {nr}, "
                f"at least {nr} and at most {PAGES_MAX}"
            )
        if self.backing not in BACKINGS:
            raise ValueError(f"backing is {self.backing!r}; choose one of {', '.join(BACKINGS)}")
        if self.huge not in HUGE:
            raise ValueError(f"huge is {self.huge!r}; choose one of {', '.join(HUGE)}")
        if self.huge != "never" and self.backing != "shmem":
            raise ValueError(f"huge is {self.huge!r}, but only shmem has sizes of its own; make it 'never'")
        if self.others and self.backing != "shmem":
            raise ValueError(f"others is {list(self.others)}, but only shmem has a list of them; leave it out")
        if self.others and self.huge not in HUGE_MOUNTS:
            raise ValueError(
                f"others is {list(self.others)}, but with huge = {self.huge!r} no file of the mount gets a huge page "
                "that reaches behind its end; make huge 'always' or 'within_size'"
            )
        if len(self.others) > OTHERS_MAX:
            raise ValueError(f"there are {len(self.others)} other files; give at most {OTHERS_MAX}")
        for state in self.others:
            if state not in OTHER_STATES:
                raise ValueError(f"others has {state!r}; choose one of {', '.join(OTHER_STATES)}")
        for index, state in enumerate(self.pages):
            if state not in self.states:
                raise ValueError(f"page {index} is {state!r}; choose one of {', '.join(self.states)}")
        if not 0 <= self.size <= len(self.pages):
            raise ValueError(f"size is {self.size} pages; choose 0 to {len(self.pages)}")
        for index in range(self.size, len(self.pages)):
            if self.pages[index] in ("data", "swapped", "zeroes", "dirty", "shadow"):
                raise ValueError(f"page {index} holds data beyond size {self.size}; make it a hole or raise size")
        if not 1 <= len(self.vmas) <= VMAS_MAX:
            raise ValueError(f"there are {len(self.vmas)} VMAs; give 1 to {VMAS_MAX}")
        for number, vma in enumerate(self.vmas):
            if vma.end > len(self.pages):
                raise ValueError(f"vma {number} ends at {vma.end}, but there are only {len(self.pages)} pages")
            for index in vma.mapped:
                if self.pages[index] not in ("data", "zeroes", "dirty"):
                    raise ValueError(f"vma {number} has index {index} mapped, where there is no data; remove it")
            if vma.missing and self.backing != "shmem":
                raise ValueError(f"vma {number} has missing = true, but a userfaultfd does not take regular files")
            if vma.private and self.backing != "shmem":
                raise ValueError(f"vma {number} has private = true, which is modelled for shmem only; make it shared")
            if vma.writable and self.backing == "shmem":
                raise ValueError(f"vma {number} has writable = true, as all mappings of shmem are; leave it out")
        self._check_large()

    def _check_large(self) -> None:
        behind = 0
        for one in self.large:
            if len(one) != 2:
                raise ValueError(f"large has {list(one)}; give pairs of a first index and an order")
            first, order = one
            if not 1 <= order <= self.hpage_order:
                raise ValueError(f"large range [{first}, {order}] has order {order}; choose 1 to {self.hpage_order}")
            nr = 1 << order
            if first % nr or not 0 <= first <= len(self.pages) - nr:
                raise ValueError(
                    f"large range [{first}, {order}] begins at {first}; choose a multiple of {nr} "
                    f"from 0 to {len(self.pages) - nr}"
                )
            if first < behind:
                raise ValueError(
                    f"large range [{first}, {order}] begins before {behind}, where the one before it ends; "
                    "sort them, and let none overlap"
                )
            behind = first + nr
            states = set(self.pages[first:behind])
            if len(states) > 1 or not states <= set(LARGE_STATES):
                raise ValueError(
                    f"large range [{first}, {order}] holds {', '.join(self.pages[first:behind])}; "
                    f"make them all {' or all '.join(LARGE_STATES)}, or remove it"
                )
