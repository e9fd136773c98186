"""A page-table entry (``pte_t``; ``pmd_t``, if it maps a huge page), and what the memory management unit does with it.

The MMU is that of x86.  A TLB entry carries the permission and the dirty bit that the page table had when it was
walked.  The first store through an entry that is not dirty walks again and sets the dirty bit in the page table, in
one locked operation that faults if the entry is gone or not writable; so the kernel finds the bit when it
takes the entry out.  Stores after that need the TLB only, until it is flushed.

Left out: the accessed bit, and the moment between the dirty bit and the store itself (a store after the bit by way of
the TLB is the same to everybody else).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pagecache.folio import Folio
    from pagecache.mm import Vma
    from pagecache.step import Target

__all__ = ["MARKER_UFFD_WP", "MIGRATION", "ZERO_PAGE", "Pte", "pte_target", "translate"]

MIGRATION: Final = "migration"
MARKER_UFFD_WP: Final = "uffd_wp"
"""PTE_MARKER_UFFD_WP: nothing is mapped, but what is mapped next is to be write-protected."""
ZERO_PAGE: Final = "zero page"
"""pte_special(): the zero page, in a private mapping."""


class Pte(NamedTuple):
    """One entry that is not none: present, if it has a ``folio``; else of one of the kinds above.

    A value: whoever changes an entry stores another one, as set_pte_at() does, and pte_same() is ``==``.
    """

    folio: Folio | None
    """The folio whose page it maps; ``None`` if the entry is not present."""
    write: bool = False
    dirty: bool = False
    uffd_wp: bool = False
    kind: str = ""
    """Of an entry that is not present: MIGRATION or MARKER_UFFD_WP; of one that is, empty or ZERO_PAGE."""
    migrating: Folio | None = None
    """The folio that a migration entry stands for."""
    huge: bool = False
    """Is it a PMD, for all the pages of a huge folio?"""

    def __str__(self) -> str:
        if self.folio is None:
            return f"{self.kind} of {self.migrating}" if self.migrating is not None else self.kind
        return f"{self.folio}{' wp' if self.uffd_wp else '' if self.write else ' ro'}{' huge' if self.huge else ''}"


def pte_target(index: int) -> Target:
    """The page at ``index`` as a CPU sees it through any mapping: page-table entry and content."""
    return ("page", index)


def translate(vma: Vma, index: int, *, write: bool) -> Folio | None:
    """What a load or store at the address reaches: ``None`` for a page fault.  Part of the step of the access."""
    entry = vma.tlb.get(index)
    if entry is None:
        entry = vma.entry(index)
        if entry is None or entry.folio is None:
            return None
    if write and not (entry.write and entry.dirty):
        entry = vma.entry(index)
        if entry is None or entry.folio is None or not entry.write:
            vma.tlb.pop(index, None)  # a page fault invalidates the entry that led to it
            return None
        if not entry.dirty:
            entry = entry._replace(dirty=True)
            if entry.huge:
                vma.table(index).huge = entry
            else:
                vma.ptes[index] = entry
    if entry.huge:
        # One TLB entry for all of it; where an older one has not been flushed, that may be used as well.
        for one in vma.pmd_range(index):
            vma.tlb.setdefault(one, entry)
    vma.tlb[index] = entry
    return entry.folio
