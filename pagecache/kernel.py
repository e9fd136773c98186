"""A kernel is a table of functions, like ``struct file_operations``.

``KERNELS`` in :mod:`pagecache.kernels` lists the instances.  A kernel of one's own is a Python file that
defines ``KERNEL``, usually as one of them with a function replaced::

    from pagecache.kernels import LINUX_2026_MENDED

    async def my_collapse_file(mm, mapping, start, cc): ...

    KERNEL = LINUX_2026_MENDED.replace(name="my-patch", collapse_file=my_collapse_file)
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Kernel"]

KernelFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True, repr=False)
class Kernel:
    """The functions in which one kernel differs from another.

    Raises:
        TypeError: if a member is not a coroutine function.
    """

    name: str
    summary: str
    """One line for the list: the protocol in a sentence."""
    source: str
    """Commit, release or message-id."""

    hpage_collapse_scan_file: KernelFunction
    collapse_file: KernelFunction
    retract_page_tables: KernelFunction
    collapse_pte_mapped_thp: KernelFunction
    set_huge_pmd: KernelFunction
    shmem_charge: KernelFunction
    shmem_uncharge: KernelFunction
    shmem_recalc_inode: KernelFunction
    filemap_get_entry: KernelFunction
    shmem_get_folio: KernelFunction
    shmem_alloc_and_add_folio: KernelFunction
    shmem_fault: KernelFunction
    finish_fault: KernelFunction
    filemap_map_pages: KernelFunction
    shmem_swapin_folio: KernelFunction
    shmem_swap_alloc_folio: KernelFunction
    shmem_writepage: KernelFunction
    shmem_free_swap: KernelFunction
    remove_mapping: KernelFunction
    shmem_unused_huge_shrink: KernelFunction
    shmem_setattr: KernelFunction
    shmem_undo_range: KernelFunction
    shmem_get_partial_folio: KernelFunction
    error_remove_folio: KernelFunction
    mfill_establish_pmd: KernelFunction
    shmem_mfill_atomic_pte: KernelFunction
    mfill_atomic_pte_copy: KernelFunction
    mfill_atomic_pte_zeropage: KernelFunction
    handle_userfault: KernelFunction
    userfaultfd_unregister: KernelFunction
    uffd_wp_range: KernelFunction
    any_vma_missing: KernelFunction
    mapping_seek_hole_data: KernelFunction
    mincore_page: KernelFunction
    gup_fast: KernelFunction
    try_to_unmap: KernelFunction
    unmap_mapping_folio: KernelFunction
    zap_pte_range: KernelFunction
    tlb_finish_mmu: KernelFunction
    madvise_dontneed_single_vma: KernelFunction
    move_ptes: KernelFunction
    move_pgt_entry: KernelFunction
    move_normal_pmd: KernelFunction
    split_huge_pmd_locked: KernelFunction
    split_folio: KernelFunction
    try_folio_split: KernelFunction
    split_unmapped_folio: KernelFunction
    migrate_folio: KernelFunction
    folio_migrate_mapping: KernelFunction
    xas_descend: KernelFunction
    xas_create_range: KernelFunction
    xas_find: KernelFunction
    collapse_regular_file: KernelFunction
    filemap_add_folio: KernelFunction
    page_mkwrite: KernelFunction
    file_thp_enabled: KernelFunction
    do_dentry_open: KernelFunction

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[3:]:
            function = getattr(self, field.name)
            if not inspect.iscoroutinefunction(function):
                raise TypeError(
                    f"kernel {self.name!r}: {field.name} is {function!r}, not a coroutine function; "
                    f"define it with 'async def {field.name}(...)'"
                )

    @property
    def functions(self) -> dict[str, KernelFunction]:
        """The table, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)[3:]}

    def __repr__(self) -> str:
        return f"Kernel({self.name!r})"

    def replace(self, **changes: Any) -> Kernel:
        """This kernel with some members replaced.

        Raises:
            TypeError: if a name is not a member of the table, or a function is not a coroutine function.
        """
        members = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in members:
                raise TypeError(f"a kernel has no member {name!r}; it has {', '.join(members)}")
        return dataclasses.replace(self, **changes)
