"""Every entry of the corpus, replayed step by step on the kernel on which it was found."""

from __future__ import annotations

from pathlib import Path

from fuzz.corpus.replay import Mode, compare
from fuzz.corpus.store import load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.examine import examine
from pagecache.history import EVERY_KERNEL


def test_entry_replays_exactly(entry_path: Path) -> None:
    """The same steps, the same results, the same verdict; if not: ``pagecache-fuzz replay`` shows where."""
    entry = load(entry_path, vocabulary())

    run = examine(entry.case, EVERY_KERNEL[entry.case.kernel], entry.broken)

    assert compare(entry.steps, run.history.lines(), Mode.STRICT) is None
    assert (entry.outcome, entry.broken) == (run.verdict.outcome, run.verdict.promise)
