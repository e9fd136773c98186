"""The lists in corpus/README.md say what an exhaustive search says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.corpus import store
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.matrix import BEGIN, END, QUESTIONS, answers, matrix, replaced
from pagecache.kernels import KERNELS

CORPUS = Path(__file__).parent.parent.parent / "corpus"
ENTRIES = [store.load(path, vocabulary()) for path in store.entry_paths(CORPUS)]


README = (CORPUS / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_readme_of_the_corpus_is_up_to_date() -> None:
    """If this fails: pagecache-fuzz matrix --write, and read what has changed."""
    assert matrix(ENTRIES, KERNELS, answers(ENTRIES, KERNELS)) in README


def test_the_readme_of_the_corpus_says_so_of_each_program_of_one_task() -> None:
    for entry in ENTRIES:
        if len(entry.case.program.tasks) > 1:
            continue
        section = matrix([entry], KERNELS, answers([entry], KERNELS))
        about = section[section.index(f"[{entry.case.program}]({entry.name}.toml)") : section.index(END)]
        assert about.strip() in README


def test_the_readme_of_the_corpus_lists_every_entry() -> None:
    for entry in ENTRIES:
        assert f"[{entry.case.program}]({entry.name}.toml), found on {entry.case.kernel}." in README


def test_every_entry_asks_a_question_in_words() -> None:
    assert {entry.broken for entry in ENTRIES} <= set(QUESTIONS)


def test_every_broken_kernel_has_an_entry() -> None:
    broken = {kernel.name for kernel in KERNELS} - {"linux-2026"}

    assert broken <= {entry.case.kernel for entry in ENTRIES}


def test_a_readme_without_a_place_for_the_table_is_left_alone() -> None:
    with pytest.raises(ValueError, match="there is no place for the table"):
        replaced(f"# The corpus\n{BEGIN}\n", "table", Path("README.md"))

    assert replaced(f"a{BEGIN}old{END}b", "new", Path("README.md")) == "anewb"
