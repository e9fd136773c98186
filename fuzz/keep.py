"""What becomes of a failure: shrunk, saved in the corpus, reported."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus import store
from fuzz.corpus.entry import Entry, Found
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.examine import Examined, examine, explained
from fuzz.report.explanation import Explanation
from fuzz.report.report import Report
from fuzz.shrinking.shrink import Shrunk
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from strategies.case import Case

__all__ = ["Kept", "described", "kept_as", "known", "known_elsewhere", "report", "text_of"]


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
    for path, entry in _of_promise(shrunk, kernel, directory):
        if entry.case.kernel == shrunk.case.kernel and _shape(entry.case) == _shape(shrunk.case):
            return path
    return None


def known_elsewhere(shrunk: Shrunk, subject: Subject, directory: Path) -> Path | None:
    """The entry of any kernel that says the same: this promise, these operations, and this kernel fails it, too."""
    for path, entry in _of_promise(shrunk, subject.kernel, directory):
        if _shape(entry.case) == _shape(shrunk.case):
            verdict = subject.judge(dataclasses.replace(entry.case, kernel=subject.kernel.name))
            if verdict.signature == shrunk.verdict.signature:
                return path
    return None


def _of_promise(shrunk: Shrunk, kernel: Kernel, directory: Path) -> Iterator[tuple[Path, Entry]]:
    for path in store.entry_paths(directory) if directory.is_dir() else []:
        entry = store.load(path, vocabulary(kernel))
        if (entry.outcome.value, entry.broken) == shrunk.verdict.signature:
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
    about_it = []
    if expected:
        entries = _of_promise(shrunk, subject.kernel, directory)
        about_it = [path for path, entry in entries if entry.case.kernel == shrunk.case.kernel]
    if about_it:
        run = subject.reference(shrunk.case)
        assert run.history is not None
        return Kept(shrunk, about_it[0], Report(shrunk.case, run.history, run.verdict, minimal).text())
    entry, seen = described(shrunk, subject.kernel, found)
    path = kept_as(entry, shrunk, subject.kernel, directory)
    why = explained(seen.case, subject.kernel, seen.verdict.promise)
    return Kept(shrunk, path, text_of(seen, why, minimal, path, option))


def described(shrunk: Shrunk, kernel: Kernel, found: Found) -> tuple[Entry, Examined]:
    """The failure as an entry, which says what its replay will find: that judges by all promises."""
    seen = examine(shrunk.case, kernel, shrunk.verdict.promise)
    return Entry.of(shrunk.case, seen.history, seen.verdict, str(shrunk.certificate), found), seen


def kept_as(entry: Entry, shrunk: Shrunk, kernel: Kernel, directory: Path) -> Path:
    """Save ``entry``, unless one says the same, and return where it is.

    Raises:
        SaveError: if it cannot be saved.
    """
    return known(shrunk, kernel, directory) or store.save(entry, directory, vocabulary(kernel))


def text_of(seen: Examined, why: Explanation | None, minimal: str, path: Path | None, option: str) -> str:
    """The report of a failure that is kept at ``path``, if it could be saved."""
    command = f"pagecache-fuzz replay {shlex.quote(str(path))}{option}" if path else ""
    return Report(seen.case, seen.history, seen.verdict, minimal, str(path or ""), command, why).text()
