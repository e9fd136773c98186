"""Profiles for the tests of the tester, and where their shared parts are."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent

# The test folders are not packages, so that nothing can import them; their shared modules have names of their own.
sys.path.insert(0, str(HERE / "engine"))
sys.path.insert(0, str(HERE / "planted"))
sys.path.insert(0, str(HERE / "propositions"))
