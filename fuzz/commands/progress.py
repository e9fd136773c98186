"""Progress of what takes long: on standard error, only on a terminal, only after two seconds."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.text import Text

__all__ = ["Progress", "progress"]

DELAY: Final = 2.0  # seconds: what is done by then needs no progress
INTERVAL: Final = 0.2  # seconds between two updates: as fast as an eye reads


class Progress:
    """Call it with a line of text as often as you like; it shows some of them."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._next = time.monotonic() + DELAY
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        """``text`` is how far we are now."""
        if not self._is_terminal or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        if self._status is None:
            self._status = Console(stderr=True, highlight=False).status(Text(text))
            self._status.start()
        self._status.update(Text(text))

    def stop(self) -> None:
        """Clear the line."""
        if self._status is not None:
            self._status.stop()
            self._status = None


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """Progress that is gone afterwards."""
    shown = Progress()
    try:
        yield shown
    finally:
        shown.stop()
