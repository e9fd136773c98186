"""B42: the copied page is not freed if its block cannot be accounted.

Symptom: BUG() in the caller, or a page that nobody frees.

 1. UFFDIO_COPY: the source is not in memory: "ENOENT, and here is the page to be filled".
 2. UFFDIO_COPY: again, with the page; now there is no block for it: returns, and keeps the page.

Fix: 7ed9d238c7db (XX: id not verified; "userfaultfd: fix BUG_ON in shmem_mfill..."), 5.13: the page is put.
"""

from __future__ import annotations

from typing import Final

from pagecache.filemap import filemap_remove_folio
from pagecache.folio import ZERO, Folio, __folio_set_locked, folio_unlock, unlock_and_put
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.inode import i_size_read
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.mm import Vma
from pagecache.operations import Touch, UffdCopy
from pagecache.shmem import alloc_folio, shmem_add_to_page_cache
from pagecache.step import step
from pagecache.userfaultfd import mfill_atomic_install_pte
from pagecache.world import VmaSpec, WorldSpec


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
    folio.dirty = True
    size = await i_size_read(inode)
    if index >= size:
        await unlock_and_put(folio)
        return "EFAULT", None
    error = await shmem_add_to_page_cache(folio, mapping, index)
    if error:
        await unlock_and_put(folio)
        return error, None
    error = await mfill_atomic_install_pte(vma, index, folio)
    if error:
        await filemap_remove_folio(mapping, folio)
        await unlock_and_put(folio)
        return error, None
    await mapping.kernel.shmem_recalc_inode(inode, 1, 0)
    await folio_unlock(folio)
    return "", None


BUG: Final = Bug(
    number=42,
    name="copied-page-not-freed",
    kernel=LINUX_2026_MENDED.replace(
        name="b42-copied-page-not-freed",
        summary="the copied page is not freed if its block cannot be accounted",
        source="XX 7ed9d238c7db",
        shmem_mfill_atomic_pte=shmem_mfill_atomic_pte,
    ),
    fixed=LINUX_2026_MENDED,
    fix="XX 7ed9d238c7db",
    release="5.13",
    minimum=Minimum(1, 1, 0),
    breaks=("nothing_leaks", "every_reference_is_accounted_for", "no_kernel_assertion_fails"),
    focus=Focus(
        operations=(UffdCopy, Touch),
        worlds=(
            WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),)),
            WorldSpec(("hole", "hole"), vmas=(VmaSpec(missing=True),)),
        ),
        failures=True,
    ),
)
