"""All mutants, by area."""

from __future__ import annotations

from typing import Final

from collapse_mutants import COLLAPSE_MUTANTS
from mutant import Mutant

__all__ = ["MUTANTS", "MUTANTS_BY_NAME"]

MUTANTS: Final[tuple[Mutant, ...]] = (*COLLAPSE_MUTANTS,)

MUTANTS_BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
