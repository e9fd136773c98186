from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

import pagecache
from pagecache.kernel import Kernel
from pagecache.kernels import FUZZED, KERNELS, KERNELS_BY_NAME, LINUX_6_2, LINUX_6_4

FUNCTIONS = [field.name for field in dataclasses.fields(Kernel)[3:]]

COLLAPSE = {"collapse_file", "collapse_regular_file"}
DIFFERENCES = {
    "linux-4.8": ("linux-6.2", {*COLLAPSE, "shmem_charge"}),  # nrpages follows the recalculation
    "stevens-v1": ("linux-6.2", {*COLLAPSE, "hpage_collapse_scan_file"}),  # asks before the scan
    "stevens-v2": ("linux-6.2", COLLAPSE),
    "wilcox-2023-02": ("linux-6.2", COLLAPSE),
    "wilcox-2023-02-literal": ("linux-6.2", COLLAPSE),
    "retry-during-scan": ("linux-6.2", COLLAPSE),
    "stevens-v3": ("linux-6.2", COLLAPSE),
    "stevens-v5": ("linux-6.2", COLLAPSE),
    "linux-6.4": ("linux-6.2", COLLAPSE),
    "linux-2026": (
        "linux-6.4",
        {
            *COLLAPSE,
            "hpage_collapse_scan_file",
            "retract_page_tables",
            "collapse_pte_mapped_thp",
            "finish_fault",
            "shmem_charge",
            "shmem_recalc_inode",
            "shmem_swap_alloc_folio",
            "migrate_folio",
            "madvise_dontneed_single_vma",
            "shmem_uncharge",
            "try_folio_split",
        },
    ),
}
"""What each kernel is derived from, and the members in which it differs."""


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_kernel_differs_from_its_origin_in_what_its_description_says_and_in_nothing_else(name: str) -> None:
    kernel = KERNELS_BY_NAME[name]
    origin, expected = DIFFERENCES[name]

    changed = {name for name in FUNCTIONS if getattr(kernel, name) is not getattr(KERNELS_BY_NAME[origin], name)}

    assert changed == expected


def test_every_kernel_but_the_first_origin_has_its_differences_written_down() -> None:
    assert {kernel.name for kernel in KERNELS} == {*DIFFERENCES, "linux-6.2"}


def test_names_are_unique_and_every_kernel_says_what_it_is_and_where_from() -> None:
    assert len(KERNELS_BY_NAME) == len(FUZZED)
    assert len({kernel.summary for kernel in FUZZED}) == len(FUZZED)
    assert all(kernel.source for kernel in FUZZED)


def test_no_two_kernels_share_a_protocol() -> None:
    assert len({kernel.collapse_file for kernel in KERNELS}) == len(KERNELS)


def test_replacing_a_function_leaves_the_original_as_it_was() -> None:
    async def collapse_file() -> None: ...

    mine = LINUX_6_4.replace(name="mine", collapse_file=collapse_file)

    assert mine.collapse_file is collapse_file
    assert mine.shmem_charge is LINUX_6_4.shmem_charge
    assert LINUX_6_4.collapse_file is not collapse_file


def test_a_member_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(TypeError, match=r"no member 'collapse_files'; it has name, .*collapse_file"):
        LINUX_6_2.replace(collapse_files=None)


def test_a_function_that_is_no_coroutine_is_refused() -> None:
    def collapse_file() -> None: ...

    with pytest.raises(TypeError, match=r"kernel 'mine': collapse_file is .*not a coroutine function; define it with"):
        LINUX_6_2.replace(name="mine", collapse_file=collapse_file)


# Every primitive names the kernel's function it stands for.

ROOT = Path(pagecache.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "promises" not in path.parts)


def public_coroutines(path: Path) -> list[ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and (not node.name.startswith("_") or node.name.startswith("__"))
    ]


NAMELESS = {
    "collapse_file",  # the module is its text
    "access",  # the hardware's
    "dma_write",
    "publish",
    "load",  # the walk of xas_load()
    "spin_while_frozen",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_first_line_of_a_kernel_function_names_it_as_the_kernel_does(path: Path) -> None:
    for function in public_coroutines(path):
        first = (ast.get_docstring(function) or "").split("\n")[0]
        if function.name not in NAMELESS:
            assert "``" in first, f"{path.name}: {function.name}(): {first!r} names no function of the kernel"


def test_the_exceptions_exist() -> None:
    assert {function.name for path in FILES for function in public_coroutines(path)} >= NAMELESS
