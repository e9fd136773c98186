"""What is known about a kernel: its own entries, and those of others that it fails as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.corpus import store
from fuzz.corpus.vocabulary import vocabulary
from fuzz.keep import known, known_elsewhere
from fuzz.shrinking.certificate import Certificate
from fuzz.shrinking.shrink import Shrunk
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME

CORPUS = Path(__file__).parents[2] / "corpus"
SEEK = CORPUS / "every_call_is_explained_by_a_sparse_file+seekhole+collapse.toml"
"""Of linux-2026."""


def as_found_on(name: str) -> tuple[Shrunk, Subject]:
    subject = Subject(KERNELS_BY_NAME[name])
    case = store.load(SEEK, vocabulary()).case
    verdict = Subject(KERNELS_BY_NAME["linux-2026"]).judge(case)
    return Shrunk(case, verdict, Certificate(1, 0, 1), 1), subject


def test_an_entry_of_the_kernel_is_known() -> None:
    shrunk, subject = as_found_on("linux-2026")

    assert known(shrunk, subject.kernel, CORPUS) == SEEK


@pytest.mark.parametrize("name", ["linux-2026", "linux-6.4"])
def test_an_entry_that_the_kernel_fails_is_known(name: str) -> None:
    shrunk, subject = as_found_on(name)

    assert known_elsewhere(shrunk, subject, CORPUS) == SEEK


def test_an_entry_that_the_kernel_passes_is_not() -> None:
    shrunk, subject = as_found_on("linux-2026-mended")

    assert known_elsewhere(shrunk, subject, CORPUS) is None


def test_an_empty_corpus_knows_nothing(tmp_path: Path) -> None:
    shrunk, subject = as_found_on("linux-2026")

    assert known(shrunk, subject.kernel, tmp_path / "none") is None
    assert known_elsewhere(shrunk, subject, tmp_path / "none") is None
