"""B55: UFFDIO_COPY into a private mapping fills the file.

Symptom: who has the file mapped privately writes to it, even if it is not open for writing (CVE-2018-18397).

 1. There is a hole in the file; a private mapping of it is registered.
 2. UFFDIO_COPY: puts its page into the page cache, and maps that.

Mistake: shmem has a function of its own to fill a registered mapping, and it was asked for every mapping of shmem.
Fix: 5b51072e97d5 ("userfaultfd: shmem: allocate anonymous memory for MAP_PRIVATE shmem"), by Andrea Arcangeli, who had
it from Mike Rapoport: a private mapping gets an anonymous page, as if it had been copied on write.  No lock of the file
is held then, which is what B53 and B54 are about.

Left out: that the entry was writable, too.
"""

from __future__ import annotations

from typing import Final

from pagecache.folio import ZERO, Folio
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma
from pagecache.operations import Collapse, Load, Read, UffdCopy, UffdZeropage
from pagecache.userfaultfd import shmem_mfill_atomic_pte


async def mfill_atomic_pte_copy(vma: Vma, index: int, content: str, copied: Folio | None) -> tuple[str, Folio | None]:
    """``shmem_mcopy_atomic_pte()`` of 4.19, whatever the mapping is."""
    return await shmem_mfill_atomic_pte(vma, index, content, copied)


async def mfill_atomic_pte_zeropage(vma: Vma, index: int) -> str:
    """``shmem_mfill_zeropage_pte()`` of 4.19, whatever the mapping is."""
    error, _ = await shmem_mfill_atomic_pte(vma, index, ZERO, None)
    return error


BUG: Final = Bug(
    number=55,
    name="copy-goes-to-the-file",
    kernel=LINUX_2026_MENDED.replace(
        name="b55-copy-goes-to-the-file",
        summary="UFFDIO_COPY into a private mapping fills the file",
        source="before 5b51072e97d5",
        mfill_atomic_pte_copy=mfill_atomic_pte_copy,
        mfill_atomic_pte_zeropage=mfill_atomic_pte_zeropage,
    ),
    fixed=LINUX_2026_MENDED,
    fix="5b51072e97d5",
    release="4.20",
    minimum=Minimum(1, 1, 0),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(Collapse, Load, Read, UffdCopy, UffdZeropage),
        features={"vma.private": (True,), "vma.missing": (True,), "pages": ("data", "hole")},
    ),
)
