"""The museum, searched: a bug is looked for in its focus, judged by what it breaks."""

from __future__ import annotations

from typing import Final

from fuzz.campaign import Campaign
from fuzz.subject import Subject
from pagecache.history import Bug
from pagecache.promises import PROMISES_BY_NAME

__all__ = ["SCHEDULES", "search", "subject"]

SCHEDULES: Final = 20_000
"""Within so many the bug is found from any seed; and so many, at least, the fixed kernel holds."""


def subject(bug: Bug, *, fixed: bool = False) -> Subject:
    """The kernel with the bug, or the fixed one, judged by what the bug breaks; and by the engine, as always."""
    judged = [PROMISES_BY_NAME[name] for name in bug.breaks if name in PROMISES_BY_NAME]
    return Subject(bug.fixed if fixed else bug.kernel, judged)


def search(bug: Bug, seed: int, schedules: int = SCHEDULES, *, fixed: bool = False) -> Campaign:
    """The default search in the focus of the bug, until it is found."""
    return Campaign.search(subject(bug, fixed=fixed), seed, schedules, focus=bug.focus)
