"""Each mutant still applies to the model as it is; ``table.py`` says whether the fuzzer finds it."""

from __future__ import annotations

import ast

import pytest
from catalogue import MUTANTS
from mutant import PACKAGE, Mutant, patched

from pagecache.kernels import KERNELS_BY_NAME


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_applies_and_is_a_program(mutant: Mutant) -> None:
    ast.parse(patched(mutant))


def test_there_are_enough_of_them_with_names_of_their_own() -> None:
    names = [mutant.name for mutant in MUTANTS]

    assert len(names) >= 100
    assert len(set(names)) == len(names)


def _spoilt(mutant: Mutant) -> set[str]:
    """The functions of the module that its diff changes."""

    def functions(text: str) -> dict[str, str]:
        made = [node for node in ast.parse(text).body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
        return {node.name: ast.dump(node) for node in made}

    before = functions((PACKAGE / mutant.file).read_text(encoding="utf-8"))
    after = functions(patched(mutant))
    return {name for name in before if before[name] != after.get(name)}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_kernel_has_the_function_that_it_spoils(mutant: Mutant) -> None:
    """A fault in a function that the kernel has replaced by another one cannot be found."""
    functions = KERNELS_BY_NAME[mutant.kernel].functions.values()
    for name in _spoilt(mutant) & {function.__name__ for function in functions}:
        # There are two collapse_file(): one for shmem, and one for regular files.
        assert mutant.module in {one.__module__ for one in functions if one.__name__ == name}, name
