"""What ``pytest fuzz/`` prints at the end, in one process and in several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent


def last_words(*options: str) -> str:
    """Standard output of ``pytest fuzz/test_kernels.py``, searching for a moment only."""
    command = [sys.executable, "-m", "pytest", "fuzz/test_kernels.py", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("processes", [(), ("--numprocesses=2",)], ids=["alone", "with others"])
def test_each_search_says_what_it_found(processes: tuple[str, ...]) -> None:
    said = last_words("--kernel", "stevens-v1", "--schedules", "50", "--hypothesis-profile=ci", "--ladders", *processes)

    _, _, summary = said.partition(" what the search says ")
    assert "stevens-v1: no_task_sleeps_in_atomic_context broken after 1 schedule; 1 operation, 0 deviations" in summary
    assert "khugepaged  Collapse(start=0)" in summary
