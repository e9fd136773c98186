"""Address spaces of processes: VMAs, page tables and the TLB (``struct mm_struct``).

An address is written as the index of the page of the file that it maps, together with the VMA: VMA
``v`` maps indices ``v.start`` to ``v.end - 1``.  A page table covers the range of one huge page; each entry
maps one page, of a small folio or of a huge one.  Instead of a page table there may be a PMD that maps all of a huge
folio, see :mod:`pagecache.huge_pmd`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pagecache.folio import Folio
from pagecache.locks import RwSemaphore, SpinLock, spin_lock, spin_unlock
from pagecache.pte import MARKER_UFFD_WP, Pte, pte_target
from pagecache.step import KernelBug, Target, Task, UseAfterFree, Wait, step
from pagecache.touched import PMDS, PTES, TLB

if TYPE_CHECKING:
    from pagecache.inode import AddressSpace

__all__ = [
    "Mm",
    "PageTable",
    "Vma",
    "find_vma",
    "flush_tlb_page",
    "flush_tlb_range",
    "looked_at_by_a_fault",
    "migration_entry_wait",
    "pmd_changed",
    "pmd_clear",
    "pmd_install",
    "pmd_move",
    "pmdp_collapse_flush",
    "pte_changed",
    "pte_clear",
    "pte_free_now",
    "pte_install_uffd_wp_if_needed",
    "pte_under_lock",
    "tlb_remove_table_sync_one",
    "userfaultfd_missing",
]


class Mm:
    """``struct mm_struct``.

    ``tlb_flush_pending`` counts who clears entries and flushes the TLB later (mm_tlb_flush_nested()), and
    ``tlb_flush_batched`` says that try_to_unmap() has left that to a try_to_unmap_flush() which is to come.
    """

    __slots__ = ("gup_fast", "mmap_lock", "name", "pml", "tlb_flush_batched", "tlb_flush_pending", "vmas")
    __fingerprint_skip__: ClassVar = ("name",)

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.mmap_lock = RwSemaphore(f"mmap_lock of {name}", "mmap_lock", number)
        self.pml = SpinLock(f"pml of {name}", "pml", number)
        """``pmd_lock()``: the PMDs of a small world are all in one page."""
        self.vmas: list[Vma] = []
        self.tlb_flush_pending = 0
        self.tlb_flush_batched = False
        self.gup_fast: list[Task] = []
        """Who walks the page tables with interrupts off: an IPI to all CPUs waits for them."""


class PageTable:
    """One PMD, and the page of page-table entries below it, with its split lock.

    ``present`` tells whether the PMD points to a page table: it comes with the first fault and goes when a
    collapse retracts it.  ``huge`` is the PMD if it maps a huge page instead, or stands for one that is being migrated.
    ``generation`` counts how often the page of entries went back to the allocator while
    a walker that does not take the mmap_lock could still be reading it.  ``vma`` is where its entries are: mremap()
    exchanges two, of which one is empty, and its lock goes with the page.
    """

    __slots__ = ("generation", "huge", "present", "ptl", "vma")

    def __init__(self, vma: Vma, number: int) -> None:
        self.vma = vma
        self.ptl = SpinLock(f"ptl of {vma}:{number}", "ptl", vma.number * 8 + number)
        self.present = False
        self.huge: Pte | None = None
        self.generation = 0

    @property
    def none(self) -> bool:
        """``pmd_none()``."""
        return not self.present and self.huge is None


class Vma:
    """``struct vm_area_struct`` of a mapping, with its page table and what the TLB holds of it.

    ``ptes`` are the entries that are not none, by index.  ``tlb`` has those through which the CPUs still reach a
    page: one outlives the page table's until flush_tlb_page().  ``huge`` tells whether huge pages are mapped by PMDs,
    ``vm_write`` whether it may be written to, ``around`` whether a read fault maps the pages around its own, too,
    ``private`` whether it lacks VM_SHARED; then ``anon_vma`` tells whether it has had a page of its own.
    ``uffd_waiters`` are the tasks whose faults were reported to the userfaultfd and not yet woken.
    """

    __slots__ = (
        "alive",
        "anon_vma",
        "around",
        "end",
        "huge",
        "mapping",
        "mm",
        "number",
        "private",
        "ptes",
        "start",
        "tables",
        "tlb",
        "uffd_minor",
        "uffd_missing",
        "uffd_waiters",
        "uffd_wp",
        "vm_write",
    )
    __fingerprint_skip__: ClassVar = ("around", "end", "huge", "private", "start", "vm_write")

    def __init__(
        self,
        number: int,
        mm: Mm,
        mapping: AddressSpace,
        start: int,
        end: int,
        *,
        huge: bool = False,
        vm_write: bool = True,
        around: bool = False,
        private: bool = False,
    ) -> None:
        self.number = number
        self.mm = mm
        self.mapping = mapping
        self.start = start
        self.end = end
        self.huge = huge
        self.vm_write = vm_write
        self.around = around
        self.private = private
        self.anon_vma = False
        self.alive = True
        self.uffd_missing = False
        self.uffd_minor = False
        self.uffd_wp = False
        self.uffd_waiters: list[tuple[Task, int]] = []
        self.tables = [PageTable(self, n) for n in range((end - 1 >> mapping.hpage_pmd_order) + 1)]
        self.ptes: dict[int, Pte] = {}
        self.tlb: dict[int, Pte] = {}

    def __str__(self) -> str:
        return f"vma{self.number}"

    __repr__ = __str__

    def table(self, index: int) -> PageTable:
        """The page table that has the entry for ``index``."""
        return self.tables[index >> self.mapping.hpage_pmd_order]

    def pmd_range(self, index: int) -> range:
        """The indices that the PMD for ``index`` covers."""
        order = self.mapping.hpage_pmd_order
        return range(index >> order << order, (index >> order) + 1 << order)

    def suitable(self, index: int) -> bool:
        """``thp_vma_suitable_order()``, and ``!vma_thp_disabled()``: may a huge page be mapped here by its PMD?"""
        there = self.pmd_range(index)
        return self.huge and self.start <= there.start and there.stop <= self.end

    def entry(self, index: int) -> Pte | None:
        """What the MMU finds: the PMD if it maps a huge page, else the page-table entry."""
        huge = self.table(index).huge
        return self.ptes.get(index) if huge is None else huge

    def migrating(self, index: int) -> Folio | None:
        """The folio that is being moved, if the entry for ``index`` is a migration entry."""
        entry = self.ptes.get(index)
        return None if entry is None else entry.migrating

    @property
    def uffd_registered(self) -> bool:
        """Has it a userfaultfd context?"""
        return self.uffd_missing or self.uffd_minor or self.uffd_wp

    @property
    def wants_writenotify(self) -> bool:
        """``vma_wants_writenotify()``: is what is mapped for a load read-only, so that the first store faults?

        shmem has no write-back for which dirty pages were to be counted: only a WP registration asks for it.  What may
        not be written to is read-only in any case, and so are the pages of the file in a private mapping.
        """
        return self.private or self.uffd_wp or self.mapping.regular is not None

    def pte_none_mostly(self, index: int) -> bool:
        """``pte_none_mostly()``: nothing is there, or a marker that a mapping may replace."""
        entry = self.entry(index)
        return entry is None or entry.kind == MARKER_UFFD_WP

    def pte_write(self, index: int) -> bool:
        """``pte_write()``, or ``pmd_write()`` of a huge page."""
        entry = self.entry(index)
        return entry is not None and entry.write

    def mapped(self, index: int) -> Folio | None:
        """The folio that the page table maps at ``index``; ``None`` unless the entry is present."""
        entry = self.ptes.get(index)
        return None if entry is None else entry.folio

    def maps_folio(self, folio: object) -> bool:
        """Does any of its page-table entries map a page of it?"""
        return any(entry.folio is folio for entry in self.ptes.values())

    def maps(self, index: int) -> bool:
        """Does it map this index of the file?"""
        return self.start <= index < self.end

    def has_table(self, index: int) -> bool:
        """Does it map this index, and is there a page table for it?"""
        return self.maps(index) and self.table(index).present


def userfaultfd_missing(vma: Vma) -> bool:
    """``userfaultfd_missing()``: VM_UFFD_MISSING.  Its writer holds mmap_lock for writing.

    Raises:
        UseAfterFree: if the VMA has been unmapped.
    """
    if not vma.alive:
        raise UseAfterFree(f"vm_flags of {vma} after it had been unmapped")
    return vma.uffd_missing


def find_vma(vma: Vma) -> Vma | None:
    """``find_vma()`` of the address where ``vma`` was: itself, or nothing once unmapped; under mmap_lock."""
    return vma if vma.alive else None


def pte_changed(folio: Folio | None) -> list[tuple[Target, bool]]:
    """What changes with a page-table entry that maps ``folio``."""
    changed = [(PTES, True)]
    if folio is not None:
        changed.append((("refcount", folio.number), True))  # and the mapcount: who looks at one looks at both
        changed.append((("xa_head", 0), True))
        changed += [(("slot", index), True) for index in range(folio.index, folio.next_index)]
    return changed


def pmd_changed(vma: Vma, index: int, folio: Folio | None) -> list[tuple[Target, bool]]:
    """What changes with a PMD that maps ``folio``: also what a CPU finds at each of its pages."""
    return [(PMDS, True), *pte_changed(folio), *((pte_target(one), True) for one in vma.pmd_range(index))]


def looked_at_by_a_fault(vma: Vma, index: int) -> list[tuple[Target, bool]]:
    """What handle_mm_fault() begins with: the PMD, and the entry of the page."""
    return [(pte_target(index), False), (("pmd", vma.number), False)]


async def pte_clear(vma: Vma, index: int, *, also: Sequence[tuple[Target, bool]] = ()) -> Pte:
    """``ptep_get_and_clear()``: empty the entry, which is not none; under the page-table lock.  The TLB still has it.

    ``also`` as in Step.

    The dirty bit is in what it returns: a store through the TLB that comes later faults, unless it was set before.

    Raises:
        KernelBug: if somebody else has emptied it meanwhile, and what it mapped is unmapped twice.
    """
    table = vma.table(index)
    changed = [*pte_changed(vma.ptes[index].folio), *also]
    await step("ptep_get_and_clear", vma, index, target=pte_target(index), writes=True, also=changed)
    entry = table.vma.ptes.pop(index, None)
    if entry is None:
        raise KernelBug(f"the page-table entry of {vma} for {index} is cleared twice (Bad page map)")
    return entry


async def migration_entry_wait(vma: Vma, index: int) -> None:
    """``migration_entry_wait()``: if there is a migration entry, sleep until its folio is unlocked.

    It has no reference: the page-table lock keeps the entry, and so the folio, until it is in the wait queue.
    XX: woken by one unlock, the kernel goes on even if somebody else has the lock by then; here it waits again.
    """
    table = vma.table(index)
    await spin_lock(table.ptl)
    folio = vma.migrating(index)
    await spin_unlock(table.ptl)
    if folio is not None:
        await step(
            "migration_entry_wait_on_locked",
            folio,
            target=("folio_lock", folio.number),
            ready=folio.is_unlocked,
            waits_for=folio.lock_waits_for,
            sleeps=True,
        )


def pte_install_uffd_wp_if_needed(vma: Vma, index: int, entry: Pte) -> None:
    """``pte_install_uffd_wp_if_needed()``: keep the protection of ``entry``, just cleared, as a marker.

    Under the page-table lock, in the step that cleared it: who looks without that lock finds nothing mapped either way.
    """
    if entry.uffd_wp and vma.uffd_wp:
        vma.ptes[index] = Pte(None, kind=MARKER_UFFD_WP)


def pte_under_lock(vma: Vma, index: int) -> Pte:
    """The entry that the holder of the page-table lock has looked at and is about to replace, as it is by now.

    Raises:
        UseAfterFree: if it is gone, and its folio with it: somebody has cleared it without that lock.
    """
    entry = vma.ptes.get(index)
    if entry is None:
        raise UseAfterFree(f"the entry for index {index} of {vma} was cleared without the page-table lock")
    return entry


async def pmd_install(vma: Vma, index: int, *, call: str = "pte_alloc", sleeps: bool = True, fails: str = "") -> Task:
    """``pmd_install()``: put a page table where there is none; a huge page that is there by now stays.

    It looks, and installs, under the PMD lock, which is one step here: it waits for whoever holds that lock.

    Args:
        vma: the mapping.
        index: for which the table is.
        call: what asks for it: ``pte_alloc()``, which allocates it first.
        sleeps: may that sleep?
        fails: the error if there is no memory for it; look at ``failing`` of the task that is returned.
    """
    pml = vma.mm.pml
    current = await step(
        call,
        vma,
        index,
        target=("pmd", vma.number),
        writes=True,
        ready=pml.is_free,
        waits_for=pml.waits_for,
        spins=True,
        sleeps=sleeps,
        fails=fails,
        also=[(PMDS, True), (pml.target, False)],
    )
    if not current.failing:
        table = vma.table(index)
        table.present = table.huge is None
    return current


async def flush_tlb_page(vma: Vma, index: int, *, also: Sequence[tuple[Target, bool]] = ()) -> None:
    """``flush_tlb_page()``: from now on no CPU reaches the page through an old entry; ``also`` as in Step."""
    await step("flush_tlb_page", vma, index, target=pte_target(index), writes=True, also=[(TLB, True), *also])
    vma.tlb.pop(index, None)


async def flush_tlb_range(vma: Vma, start: int, end: int) -> None:
    """``flush_tlb_range()`` of the indices ``start`` to ``end - 1``, in one go."""
    flushed = [(TLB, True), *((pte_target(index), True) for index in range(start, end))]
    await step("flush_tlb_range", vma, start, end, target=pte_target(start), writes=True, also=flushed)
    for index in range(start, end):
        vma.tlb.pop(index, None)


async def pmdp_collapse_flush(vma: Vma, index: int) -> None:
    """``pmdp_collapse_flush()``: take out the page table that has the entry for ``index``, and flush the TLB.

    It should be empty.  Whatever it still maps is forgotten, with the reference and the mapcount.  The page of
    entries is not freed here: see tlb_remove_table_sync_one() and pte_free_now().

    Raises:
        KernelBug: if there is none: what the PMD points to is about to be freed as a page table (pmd_pgtable()).
    """
    changed = [(TLB, True), *pmd_changed(vma, index, None)]
    await step("pmdp_collapse_flush", vma, index, target=("pmd", vma.number), writes=True, also=changed)
    _take_out(vma, index)
    for mapped in vma.pmd_range(index):
        vma.tlb.pop(mapped, None)


async def pmd_clear(vma: Vma, index: int) -> None:
    """``pmd_clear()``: take out the page table that has the entry for ``index``, under its lock and the PMD lock.

    It should be empty, as for pmdp_collapse_flush().  It is freed after a grace period of RCU (pte_free_tlb(); on x86
    since 718b13861d22), and the TLB is flushed before that.

    Raises:
        KernelBug: if there is none.
    """
    await step("pmd_clear", vma, index, target=("pmd", vma.number), writes=True, also=pmd_changed(vma, index, None))
    _take_out(vma, index)


async def pmd_move(vma: Vma, new_vma: Vma, index: int) -> None:
    """``pmd_clear()``, then ``pmd_populate()``: a page table goes to another VMA, with its lock and all that is in it.

    Under the mmap_lock, the PMD lock and the i_mmap_rwsem.  Who takes none of these, gup_fast() or a CPU, finds nothing
    in between at either address, and has to wait for the mmap_lock; so it is one step.

    Raises:
        KernelBug: if there is none: what an empty PMD seems to point to is put into the other one as a page table.
    """
    changed = [(("pmd", vma.number), True), *pmd_changed(vma, index, None)]
    await step("pmd_populate", new_vma, index, target=("pmd", new_vma.number), writes=True, also=changed)
    table, empty = vma.table(index), new_vma.table(index)
    if not table.present:
        raise KernelBug(f"the page at physical address 0 becomes a page table of {new_vma}, at index {index}")
    number = index >> vma.mapping.hpage_pmd_order
    vma.tables[number], new_vma.tables[number] = empty, table
    empty.vma, table.vma = vma, new_vma
    for one in vma.pmd_range(index):
        if one in vma.ptes:
            new_vma.ptes[one] = vma.ptes.pop(one)


def _take_out(vma: Vma, index: int) -> None:
    table = vma.table(index)
    if not table.present:
        raise KernelBug(f"a page table of {vma} at index {index} is freed that is not there")
    table.present = False
    for mapped in vma.pmd_range(index):
        vma.ptes.pop(mapped, None)


async def tlb_remove_table_sync_one(mm: Mm) -> None:
    """``tlb_remove_table_sync_one()``: an IPI that a CPU in gup_fast() answers when it is done.

    With page tables that are freed after a grace period of RCU (pte_free_defer(), since 6.6) nobody has to wait:
    walkers read a table that has nothing in it, and look at the PMD again.
    """
    await step(
        "tlb_remove_table_sync_one",
        target=("gup_fast", 0),
        writes=True,
        ready=lambda: not mm.gup_fast,
        waits_for=lambda: Wait(f"gup_fast() in {mm.name}", tuple(mm.gup_fast)),
        spins=True,
    )


async def pte_free_now(vma: Vma, index: int) -> None:
    """``pte_free()`` of the page table that was taken out: who still reads it reads what is no page table any more.

    That may be gup_fast(), or who came from the file and has the i_mmap_rwsem for reading: unmap_mapping_range().
    """
    walkers = [(vma.mapping.i_mmap_rwsem.target, False), (("gup_fast", 0), False)]
    await step("pte_free", vma, index, target=("pmd", vma.number), writes=True, also=[(PMDS, True), *walkers])
    vma.table(index).generation += bool(vma.mm.gup_fast or vma.mapping.i_mmap_rwsem.readers)
