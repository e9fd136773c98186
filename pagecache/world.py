"""The world in which a program runs, built from a plain specification (:mod:`pagecache.world_spec`)."""

from __future__ import annotations

from typing import ClassVar

from pagecache.folio import ZERO, Folio, Memory
from pagecache.inode import BLOCKS_PER_PAGE, Inode
from pagecache.kernel import Kernel
from pagecache.mm import Mm, Vma
from pagecache.pte import Pte
from pagecache.regular.backing import RegularFile
from pagecache.shrinklist import OtherFile, ShmemSbInfo
from pagecache.step import Step
from pagecache.store_buffer import StoreBuffer
from pagecache.world_spec import (
    BACKINGS,
    FILE_STATES,
    HPAGE_ORDER_MAX,
    HUGE,
    HUGE_MOUNTS,
    LARGE_STATES,
    OTHER_STATES,
    OTHERS_MAX,
    PAGE_STATES,
    PAGES_MAX,
    VMAS_MAX,
    Large,
    VmaSpec,
    WorldSpec,
)
from pagecache.xarray import ValueEntry, XArray, XaState, store_plainly

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
    "World",
    "WorldSpec",
]


class World:
    """Everything that exists in one run; all of it hangs off this object.

    The last ones are the engine's, for the watchers to read: ``pending`` is the step that each task, by
    number, is parked at (``None`` once it has ended), and ``may_fail`` whether the case injects failures, so that
    an error like ENOMEM needs no other reason; ``may_swap`` whether anything can be on the swap device;
    ``store_buffers`` are those of the tasks, by number, if there are any.
    """

    __fingerprint_skip__: ClassVar = ("kernel", "may_fail", "may_swap", "pending", "spec", "store_buffers")
    __slots__ = (
        "inode",
        "kernel",
        "mapping",
        "may_fail",
        "may_swap",
        "memory",
        "mms",
        "others",
        "pending",
        "sbinfo",
        "spec",
        "store_buffers",
        "vmas",
    )

    def __init__(self, spec: WorldSpec, kernel: Kernel) -> None:
        self.spec = spec
        self.kernel = kernel
        self.memory = Memory()
        self.inode = self._new_inode(len(spec.pages), spec.size, 0)
        self.inode.huge = spec.huge
        self.mapping = self.inode.i_mapping
        self.mms: dict[str, Mm] = {}
        self.vmas: list[Vma] = []
        self.pending: list[Step | None] = []
        self.may_fail = True  # what is not known is allowed
        self.may_swap = True
        self.store_buffers: list[StoreBuffer] = []
        if spec.backing == "shmem":
            self._fill_cache()
        else:
            self._fill_cache_of_disk()
        for vma in spec.vmas:
            self._map(vma)
        self.others: list[OtherFile] = []
        self.sbinfo: ShmemSbInfo | None = None
        if spec.others:
            self.sbinfo = ShmemSbInfo(kernel)
            self.inode.join(self.sbinfo)
            for state in spec.others:
                self._add_other(state, self.sbinfo)

    @property
    def inodes(self) -> list[Inode]:
        """The file, and the others."""
        return [self.inode, *(other.inode for other in self.others)]

    def _new_inode(self, pages: int, size: int, number: int) -> Inode:
        kernel, spec = self.kernel, self.spec
        i_pages = XArray(pages, spec.chunk_shift, kernel.xas_descend, kernel.xas_create_range, kernel.xas_find)
        return Inode(i_pages, size, spec.hpage_order, self.memory, kernel, number=number)

    def _add_other(self, state: str, sbinfo: ShmemSbInfo) -> None:
        """A file with a huge page that reaches behind its end, so that it is on the shrinklist."""
        nr, number = 1 << self.spec.hpage_order, len(self.others) + 1
        inode = self._new_inode(nr, nr - 1, number)
        folio = self.memory.new_folio(self.spec.hpage_order)
        folio.refcount = nr + (state == "pinned")
        folio.mapping = inode.i_mapping
        folio.swapbacked = folio.dirty = folio.lru = folio.uptodate = True
        folio.pages = [f"f{number}.{index}" for index in range(nr)]
        store_plainly(XaState(inode.i_mapping.i_pages, 0, self.spec.hpage_order), folio)
        inode.i_mapping.nrpages = inode.info.alloced = nr
        inode.i_blocks = nr * BLOCKS_PER_PAGE
        inode.join(sbinfo)
        sbinfo.add(inode)
        self.others.append(OtherFile(number, inode, folio if state == "pinned" else None))

    def _fill_cache(self) -> None:
        orders = dict(self.spec.large)
        behind = 0
        for index, state in enumerate(self.spec.pages):
            if state == "hole" or index < behind:
                continue
            order = orders.get(index, 0)
            behind = index + (1 << order)
            if state == "swapped":
                self._swap_out(index, order)
                continue
            folio = self.memory.new_folio(order)
            folio.refcount = folio.nr_pages  # the cache's
            folio.mapping = self.mapping
            folio.index = index
            folio.swapbacked = True
            folio.dirty = state != "zeroes"
            folio.lru = True
            if state == "zeroes":
                folio.uptodate = True
                folio.pages = [ZERO]
            if state == "data":
                folio.uptodate = True
                folio.pages = [f"d{one}" for one in range(index, behind)]
            store_plainly(XaState(self.mapping.i_pages, index, order), folio)
            self.mapping.nrpages += folio.nr_pages
        info = self.inode.info
        info.alloced = self.mapping.nrpages + info.swapped
        self.inode.i_blocks = info.alloced * BLOCKS_PER_PAGE

    def _fill_cache_of_disk(self) -> None:
        """A regular file: all that is below ``i_size`` is on the disk, an older version of what is dirty."""
        spec = self.spec
        orders = dict(spec.large)
        file = self.mapping.regular = RegularFile(
            [
                ZERO if index >= spec.size else f"old{index}" if state == "dirty" else f"d{index}"
                for index, state in enumerate(spec.pages)
            ],
            sum(vma.writable for vma in spec.vmas),
            large_folios=spec.large_folios,
        )
        behind = 0
        for index, state in enumerate(spec.pages):
            if state == "hole" or index < behind:
                continue
            order = orders.get(index, 0)
            behind = index + (1 << order)
            if state == "shadow":
                store_plainly(XaState(self.mapping.i_pages, index, order), ValueEntry(index))
                continue
            folio = self.memory.new_folio(order)
            folio.refcount = folio.nr_pages
            folio.mapping = self.mapping
            folio.index = index
            folio.lru = True
            folio.uptodate = True
            folio.dirty = state == "dirty"
            folio.pages = [f"d{one}" for one in range(index, behind)]
            store_plainly(XaState(self.mapping.i_pages, index, order), folio)
            self.mapping.nrpages += folio.nr_pages
            file.count_thps(order == spec.hpage_order)

    def _swap_out(self, first: int, order: int) -> None:
        """The pages from ``first`` on have been written to the slots of their own numbers, and are nowhere else."""
        for index in range(first, first + (1 << order)):
            slot = self.mapping.swap.slots[index]
            slot.content = f"d{index}"
            slot.count = 1
            self.inode.info.swapped += 1
        store_plainly(XaState(self.mapping.i_pages, first, order), ValueEntry(first))

    def _map(self, spec: VmaSpec) -> None:
        mm = self.mms.setdefault(spec.mm, Mm(spec.mm, len(self.mms)))
        shmem = self.mapping.regular is None
        vma = Vma(
            len(self.vmas),
            mm,
            self.mapping,
            spec.start,
            spec.end,
            huge=spec.huge,
            vm_write=shmem or spec.writable,
            around=spec.around,
            private=spec.private,
        )
        vma.uffd_missing, vma.uffd_minor, vma.uffd_wp = spec.missing, spec.minor, spec.wp
        mm.vmas.append(vma)
        self.mapping.i_mmap.append(vma)
        self.vmas.append(vma)
        whole = [first for first, order in self.spec.large if order == self.spec.hpage_order and vma.suitable(first)]
        huge = [first for first in whole if set(vma.pmd_range(first)) <= set(spec.mapped)]
        for first in huge:
            folio = self.mapping.i_pages.slots[first]
            assert isinstance(folio, Folio)
            vma.table(first).huge = Pte(folio, write=shmem and not spec.private, huge=True)
            folio.refcount += 1
            folio.mapcount += 1
        for index in spec.mapped:
            if vma.table(index).huge is not None:
                continue
            folio = self.mapping.i_pages.slots[index]
            assert isinstance(folio, Folio)  # WorldSpec allows to map data only
            # As a load has left it, or a store, if it is dirty.
            stored = spec.writable and folio.dirty
            vma.ptes[index] = Pte(folio, write=(shmem and not spec.private) or stored, dirty=stored)
            vma.table(index).present = True
            folio.refcount += 1
            folio.mapcount += 1
