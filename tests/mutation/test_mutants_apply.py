"""Each mutant still applies to the model as it is; ``table.py`` says whether the fuzzer finds it."""

from __future__ import annotations

import ast

import pytest
from catalogue import MUTANTS
from mutant import Mutant, patched


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_applies_and_is_a_program(mutant: Mutant) -> None:
    ast.parse(patched(mutant))


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert len(names) >= 100
    assert len(set(names)) == len(names)
