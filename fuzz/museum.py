"""The museum, searched: a bug is looked for in its focus, judged by what it breaks.

What the fixed kernel does as well is not the bug: its kernel may be an old one, with older bugs in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz.campaign import Campaign, Finding
from fuzz.corpus import store
from fuzz.corpus.entry import Found
from fuzz.corpus.vocabulary import vocabulary
from fuzz.engine.verdict import HELD, Verdict
from fuzz.keep import described
from fuzz.shrinking.shrink import Search, SearchLimitError
from fuzz.subject import Subject
from pagecache.history import Bug
from pagecache.kernel import Kernel
from pagecache.promises import PROMISES_BY_NAME
from pagecache.promises.promise import Promise
from strategies.case import Case

__all__ = ["ENTRIES", "SCHEDULES", "Difference", "entry_path", "keep", "search", "subject"]

SCHEDULES: Final = 20_000
"""Within so many the bug is found from any seed; and so many, at least, the fixed kernel holds."""

ENTRIES: Final = Path("history")
"""Below the corpus: a reproducer of each bug, named after it."""


class Difference(Subject):
    """A kernel with a bug, judged by what the fixed one does not do.

    Args:
        kernel: the kernel.
        fixed: what it is compared with: a failure of both, under the same schedule, is none.
        promises: by which both are judged.
    """

    def __init__(self, kernel: Kernel, fixed: Kernel, promises: Sequence[Promise]) -> None:
        super().__init__(kernel, promises)
        self._fixed = Subject(fixed, promises)

    def is_news(self, failing: Case, verdict: Verdict) -> bool:
        """Does the fixed kernel pass, or fail in another way?"""
        return self._fixed.judge(failing).signature != verdict.signature

    def judge(self, case: Case) -> Verdict:
        """The verdict of ``case``; HELD if the fixed kernel fails in the same way."""
        verdict = super().judge(case)
        return verdict if not verdict.failed or self.is_news(case, verdict) else HELD

    def searcher(self, signature: tuple[str, str]) -> Search:
        """As for every subject; it gives up where it meets a failure of both, behind which it does not look."""
        search = super().searcher(signature)

        def news(case: Case, bound: int) -> tuple[Case | None, int]:
            found, runs = search(case, bound)
            if found is not None and self.judge(found).signature != signature:
                raise SearchLimitError(runs)
            return found, runs

        return news


def subject(bug: Bug, *, fixed: bool = False) -> Subject:
    """The kernel with the bug, or the fixed one, judged by what the bug breaks; and by the engine, as always."""
    judged = [PROMISES_BY_NAME[name] for name in bug.breaks if name in PROMISES_BY_NAME]
    return Subject(bug.fixed, judged) if fixed else Difference(bug.kernel, bug.fixed, judged)


def search(bug: Bug, seed: int, schedules: int = SCHEDULES, *, fixed: bool = False) -> Campaign:
    """The default search in the focus of the bug, until it is found."""
    return Campaign.search(subject(bug, fixed=fixed), seed, schedules, focus=bug.focus)


def entry_path(bug: Bug, corpus: Path) -> Path:
    """Where the reproducer of the bug is kept."""
    return corpus / ENTRIES / f"{bug.kernel.name}{store.SUFFIX}"


def keep(bug: Bug, finding: Finding, seed: int, corpus: Path) -> Path:
    """Save the reproducer of a bug; one that is there already stays.

    Raises:
        SaveError: if it cannot be saved.
    """
    path = entry_path(bug, corpus)
    if not path.exists():
        entry, _ = described(finding.shrunk, bug.kernel, Found(seed, finding.schedules))
        store.save(entry.renamed(bug.kernel.name), path.parent, vocabulary())
    return path
