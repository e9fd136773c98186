"""All mutants, by area."""

from __future__ import annotations

from typing import Final

from barrier_mutants import BARRIER_MUTANTS
from collapse_mutants import COLLAPSE_MUTANTS
from fault_around_mutants import FAULT_AROUND_MUTANTS
from folio_split_mutants import FOLIO_SPLIT_MUTANTS
from huge_pmd_mutants import HUGE_PMD_MUTANTS
from khugepaged_mutants import KHUGEPAGED_MUTANTS
from lookup_mutants import LOOKUP_MUTANTS
from mapping_mutants import MAPPING_MUTANTS
from memory_failure_mutants import MEMORY_FAILURE_MUTANTS
from migrate_mutants import MIGRATE_MUTANTS
from mremap_mutants import MREMAP_MUTANTS
from mutant import Mutant
from private_mutants import PRIVATE_MUTANTS
from regular_mutants import REGULAR_MUTANTS
from shmem_mutants import SHMEM_MUTANTS
from shrinklist_mutants import SHRINKLIST_MUTANTS
from swap_mutants import SWAP_MUTANTS
from zap_mutants import ZAP_MUTANTS

__all__ = ["MUTANTS", "MUTANTS_BY_NAME"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *COLLAPSE_MUTANTS,
    *KHUGEPAGED_MUTANTS,
    *LOOKUP_MUTANTS,
    *SHMEM_MUTANTS,
    *MAPPING_MUTANTS,
    *ZAP_MUTANTS,
    *MREMAP_MUTANTS,
    *FOLIO_SPLIT_MUTANTS,
    *FAULT_AROUND_MUTANTS,
    *HUGE_PMD_MUTANTS,
    *SWAP_MUTANTS,
    *MIGRATE_MUTANTS,
    *MEMORY_FAILURE_MUTANTS,
    *PRIVATE_MUTANTS,
    *REGULAR_MUTANTS,
    *SHRINKLIST_MUTANTS,
    *BARRIER_MUTANTS,
)

MUTANTS_BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
