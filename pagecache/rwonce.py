"""Marked accesses (``include/asm-generic/rwonce.h``).

The compiler may tear, fuse or repeat a plain access; a marked one happens once and as a whole.  In the model each does,
so the mark makes a difference for one promise only, see :mod:`pagecache.promises.data_race`.
"""

from __future__ import annotations

from typing import Any

__all__ = ["READ_ONCE"]


def READ_ONCE(holder: object, field: str) -> Any:  # noqa: N802 - the kernel's name
    """``READ_ONCE(holder->field)``: a read that may race with a write, and says so."""
    return getattr(holder, field)
