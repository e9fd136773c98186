"""What becomes of a failure: shrunk, saved in the corpus, reported."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus import store as corpus
from fuzz.corpus.entry import Entry, Found
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.examine import examine
from fuzz.report.report import Report
from fuzz.shrinking.shrink import Shrunk
from fuzz.subject import Subject
from strategies.case import Case

__all__ = ["Kept", "known", "report"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A failure that has been dealt with.

    Args:
        shrunk: the smallest case.
        path: its entry.
        text: the report.
    """

    shrunk: Shrunk
    path: Path
    text: str


def known(shrunk: Shrunk, directory: Path) -> Path | None:
    """The entry that says the same already: this kernel, this promise, these operations."""
    for path in corpus.entry_paths(directory) if directory.is_dir() else []:
        entry = corpus.load(path, vocabulary())
        if (
            entry.case.kernel == shrunk.case.kernel
            and (entry.outcome, entry.broken) == (shrunk.verdict.outcome, shrunk.verdict.promise)
            and _shape(entry.case) == _shape(shrunk.case)
        ):
            return path
    return None


def _shape(case: Case) -> Counter[str]:
    return Counter(type(operation).__name__ for task in case.program.tasks for operation in task.operations)


def report(subject: Subject, shrunk: Shrunk, found: Found, directory: Path, option: str = "") -> Kept:
    """Save the failure, unless an entry says the same, and write the report.

    Args:
        subject: the kernel.
        shrunk: the failure.
        found: where it comes from.
        directory: the corpus.
        option: what ``pagecache-fuzz replay`` needs besides the entry.

    Raises:
        SaveError: if it cannot be saved.
    """
    minimal = str(shrunk.certificate)
    seen = examine(shrunk.case, subject.kernel, shrunk.verdict.promise)
    path = known(shrunk, directory)
    if path is None:
        entry = Entry.of(shrunk.case, seen.history, seen.verdict, minimal, found)
        path = corpus.save(entry, directory, vocabulary(subject.kernel))
    command = f"pagecache-fuzz replay {shlex.quote(str(path))}{option}"
    return Kept(shrunk, path, Report(shrunk.case, seen.history, seen.verdict, minimal, str(path), command).text())
