"""B23: gup_fast() does not look at the entry again.

Symptom: what a device writes through a pin is lost.

 1. gup_fast: loads the entry.
 2. collapse: unmaps the page, counts its references: all accounted for.
 3. gup_fast: gets a reference, and keeps it.
 4. collapse: copies; the device writes into the old page; collapse: drops the old page.

Mistake: a reference that comes late must be put again.  Fix: 70cbc3cc78a9 ("mm: gup: fix the fast GUP race
against THP collapse", 6.0) for anonymous memory, where the look at the PMD was missing; here the same without
the look at the entry.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import Folio, folio_try_get
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma
from pagecache.operations import Collapse, PinWrite
from pagecache.pte import pte_target
from pagecache.step import step
from pagecache.world import VmaSpec, WorldSpec


async def gup_fast(vma: Vma, index: int) -> Folio | None:
    """``gup_fast()`` (lockless_pages_from_mm() in older kernels): the page at ``index``, with a reference.

    Returns:
        ``None`` if nothing is mapped, or it changed meanwhile.

    Raises:
        UseAfterFree: if the page table was freed between two looks.
    """
    current = await step("local_irq_save")
    current.atomic += 1
    vma.mm.gup_fast.append(current)
    folio = None
    await step("pmdp_get_lockless", vma, index, target=("pmd", vma.number))
    if vma.alive and vma.table(index).present:
        await step("ptep_get_lockless", vma, index, target=pte_target(index))
        folio = vma.mapped(index)
    if folio is not None:
        got = await folio_try_get(folio)
        if not got:
            folio = None
    current = await step("local_irq_restore", target=("gup_fast", 0), writes=True)
    vma.mm.gup_fast.remove(current)
    current.leave_atomic()
    return folio


BUG: Final = Bug(
    number=23,
    name="gup-fast-looks-once",
    kernel=LINUX_2026_MENDED.replace(
        name="b23-gup-fast-looks-once",
        summary="gup_fast() does not look at the entry again",
        source="70cbc3cc78a9",
        gup_fast=gup_fast,
    ),
    fixed=LINUX_2026_MENDED,
    fix="70cbc3cc78a9",
    release="6.0",
    minimum=Minimum(2, 2, 2),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(Collapse, PinWrite),
        worlds=(WorldSpec(vmas=(VmaSpec(mapped=(0, 1)),)),),
    ),
)
