"""The kernels in which nothing must be found: what was merged, without what this fuzzer found in it."""

from __future__ import annotations

from typing import Final

from pagecache.kernels import LINUX_6_4_MENDED, LINUX_2026_MENDED

__all__ = ["SOUND"]

SOUND: Final = (LINUX_2026_MENDED, LINUX_6_4_MENDED)
