"""What becomes of a failure: shrunk, saved in the corpus, reported."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus import store
from fuzz.corpus.entry import Entry, Found
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.examine import examine
from fuzz.report.report import Report
from fuzz.shrinking.shrink import Shrunk
from fuzz.subject import Subject
from pagecache.kernel import Kernel
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


def known(shrunk: Shrunk, kernel: Kernel, directory: Path) -> Path | None:
    """The entry that says the same already: this kernel, this promise, these operations."""
    for path, entry in _of_kernel_and_promise(shrunk, kernel, directory):
        if _shape(entry.case) == _shape(shrunk.case):
            return path
    return None


def _of_kernel_and_promise(shrunk: Shrunk, kernel: Kernel, directory: Path) -> Iterator[tuple[Path, Entry]]:
    for path in store.entry_paths(directory) if directory.is_dir() else []:
        entry = store.load(path, vocabulary(kernel))
        if entry.case.kernel == shrunk.case.kernel and (entry.outcome.value, entry.broken) == shrunk.verdict.signature:
            yield path, entry


def _shape(case: Case) -> Counter[str]:
    return Counter(type(operation).__name__ for task in case.program.tasks for operation in task.operations)


def report(
    subject: Subject, shrunk: Shrunk, found: Found, directory: Path, option: str = "", *, expected: bool = False
) -> Kept:
    """Save the failure, unless an entry says the same, and write the report.

    Args:
        subject: the kernel.
        shrunk: the failure.
        found: where it comes from.
        directory: the corpus.
        option: what ``pagecache-fuzz replay`` needs besides the entry.
        expected: that this kernel breaks this promise is no news: one entry about it is enough.

    Raises:
        SaveError: if it cannot be saved.
    """
    minimal = str(shrunk.certificate)
    about_it = [path for path, _ in _of_kernel_and_promise(shrunk, subject.kernel, directory)] if expected else []
    if about_it:
        run = subject.reference(shrunk.case)
        assert run.history is not None
        return Kept(shrunk, about_it[0], Report(shrunk.case, run.history, run.verdict, minimal).text())
    # An entry says what its replay will find, which judges by all promises.
    seen = examine(shrunk.case, subject.kernel, shrunk.verdict.promise)
    path = known(shrunk, subject.kernel, directory)
    if path is None:
        entry = Entry.of(shrunk.case, seen.history, seen.verdict, minimal, found)
        path = store.save(entry, directory, vocabulary(subject.kernel))
    command = f"pagecache-fuzz replay {shlex.quote(str(path))}{option}"
    return Kept(shrunk, path, Report(shrunk.case, seen.history, seen.verdict, minimal, str(path), command).text())
