"""B41: a page that UFFDIO_COPY has filled in is not dirty.

Symptom: what a userfaultfd's user filled in is gone; the page faults again, or reads as zeroes.

 1. UFFDIO_COPY: fills in a page, in a mapping that may only be read.
 2. reclaim: the page is not dirty, and so not written, but dropped.

Mistake: the dirty bit of the entry was to tell, which is set in mappings that may be written only.  Nobody but the
kernel has written to the page, and the kernel did not say so.

Fix: dcf7fe9d8976 ("userfaultfd: shmem: UFFDIO_COPY: set the page dirty if VM_WRITE is not set", 4.20).  The mappings of
this model may all be written; so the entry is the one of a fault that only read, and the focus has no stores.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import filemap_remove_folio
from pagecache.folio import ZERO, Folio, __folio_set_locked, folio_add_lru, folio_put, folio_unlock, unlock_and_put
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.locks import spin_lock, spin_unlock
from pagecache.mm import Vma, pmd_install
from pagecache.operations import PageOut, Read, Touch, UffdCopy
from pagecache.pte import Pte, pte_target
from pagecache.shmem import alloc_folio, shmem_add_to_page_cache
from pagecache.step import step


async def shmem_mfill_atomic_pte(vma: Vma, index: int, content: str, copied: Folio | None) -> tuple[str, Folio | None]:
    """``shmem_mfill_atomic_pte()``: insert a fresh page over a hole and map it.

    Anything in the slot, even a placeholder or a RETRY entry, is EEXIST: it neither locks nor waits for
    what is there.

    Args:
        vma: the registered mapping.
        index: the page of the file.
        content: what to fill in.
        copied: the page of an earlier attempt, filled outside of the mmap_lock.

    Returns:
        An error (empty if there is none), and for ``"ENOENT"`` the page to be filled by the caller.
    """
    mapping = vma.mapping
    inode = mapping.host
    folio = copied
    current = await step("shmem_inode_acct_blocks", fails="ENOSPC")
    if current.failing:
        # The page of an earlier attempt is ours to free (7ed9d238c7db).
        if folio is not None:
            await folio_put(folio)
        return "ENOMEM", None
    if folio is None:
        folio = await alloc_folio(mapping.memory, 0)
        if folio is None:
            return "ENOMEM", None
        if content == ZERO:
            folio.pages[0] = ZERO
        else:
            # Page faults are disabled: with the mmap_lock held, serving one could deadlock.
            current = await step("copy_from_user", index, fails="EFAULT")
            if current.failing:
                return "ENOENT", folio
            folio.pages[0] = content
    await __folio_set_locked(folio)
    folio.swapbacked = True
    folio.uptodate = True
    size = await i_size_read(inode)
    if index >= size:
        await unlock_and_put(folio)
        return "EFAULT", None
    error = await shmem_add_to_page_cache(folio, mapping, index)
    if error:
        await unlock_and_put(folio)
        return error, None
    error = await shmem_mfill_install_pte(vma, index, folio)
    if error:
        await filemap_remove_folio(mapping, folio)
        await unlock_and_put(folio)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 1, 0)
    await folio_unlock(folio)
    return "", None


async def shmem_mfill_install_pte(vma: Vma, index: int, folio: Folio) -> str:
    """The tail of ``shmem_mfill_atomic_pte()`` of 4.19 in a mapping without VM_WRITE: the entry is not dirty."""
    table = vma.table(index)
    await pmd_install(vma, index)
    await spin_lock(table.ptl)
    # Serialize against truncate with the page-table lock.
    size = await i_size_read(vma.mapping.host)
    if index >= size:
        await spin_unlock(table.ptl)
        return "EFAULT"
    if not vma.pte_none_mostly(index):
        await spin_unlock(table.ptl)
        return "EEXIST"
    await step("set_pte_at", vma, index, folio, target=pte_target(index), writes=True)
    vma.ptes[index] = Pte(folio, write=True)  # the allocation's reference becomes the mapping's
    folio.mapcount += 1
    await spin_unlock(table.ptl)
    await folio_add_lru(folio)
    return ""


BUG: Final = Bug(
    number=41,
    name="copied-page-not-dirty",
    kernel=LINUX_2026_MENDED.replace(
        name="b41-copied-page-not-dirty",
        summary="a page that UFFDIO_COPY has filled in is not dirty, and reclaim drops it",
        source="before dcf7fe9d8976",
        shmem_mfill_atomic_pte=shmem_mfill_atomic_pte,
    ),
    fixed=LINUX_2026_MENDED,
    fix="dcf7fe9d8976",
    release="4.20",
    minimum=Minimum(1, 2, 0),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus(
        operations=(UffdCopy, PageOut, Touch, Read),
        features={"vma.missing": (True,), "pages": ("data", "hole")},
    ),
)
