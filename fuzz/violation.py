"""A broken promise, as an exception: what ``pytest fuzz/`` fails with."""

from __future__ import annotations

__all__ = ["Inconclusive", "Violation"]


class Violation(AssertionError):  # noqa: N818 - a finding is no error of ours
    """A kernel broke a promise; the text is the whole report."""


class Inconclusive(AssertionError):  # noqa: N818 - nor is the lack of a verdict
    """No verdict: a limit was reached, the model or an oracle crashed, or nothing was ever in danger."""
