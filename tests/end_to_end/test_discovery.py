"""Every broken kernel is found to be, soon, whatever the seed; from the command to the entry."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from click.testing import CliRunner

from fuzz.cli import main

BROKEN = (
    "linux-4.8",
    "linux-6.2",
    "stevens-v1",
    "stevens-v2",
    "wilcox-2023-02",
    "wilcox-2023-02-literal",
    "retry-during-scan",
    "stevens-v3",
    "stevens-v5",
)

SCHEDULES_MAX = 2_000
SECONDS_MAX = 20
"""For all of it: find, shrink, prove, save."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What one campaign came to."""

    schedules: int
    tasks: int
    operations: int
    deviations: int
    seconds: float


def discover(kernel: str, seed: int, directory: Path) -> Discovery:
    """Run a campaign that must find something and save it."""
    command = ["run", "--kernel", kernel, "--schedules", str(SCHEDULES_MAX), "--seed", str(seed)]
    began = time.monotonic()
    result = CliRunner(catch_exceptions=False).invoke(main, [*command, "--corpus", str(directory), "--json"])
    seconds = time.monotonic() - began
    assert result.exit_code == 1, f"seed {seed}: {result.stdout}"
    said = json.loads(result.stdout)
    assert Path(said["entry"]).parent == directory
    return Discovery(said["schedules"], said["tasks"], said["operations"], said["deviations"], seconds)


@pytest.mark.parametrize("kernel", BROKEN)
def test_it_is_found(kernel: str, tmp_path: Path) -> None:
    found = discover(kernel, 0, tmp_path)

    assert found.operations <= 2
    assert found.deviations <= 3


@pytest.mark.slow
@pytest.mark.parametrize("kernel", BROKEN)
def test_it_is_found_from_any_seed(kernel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [discover(kernel, seed, tmp_path / str(seed)) for seed in range(20)]

    schedules = [each.schedules for each in found]
    seconds = [each.seconds for each in found]
    largest = max(found, key=lambda each: (each.operations, each.tasks, each.deviations))
    with capsys.disabled():
        print(  # noqa: T201 - the table of the README
            f"\n| {kernel} | {median(schedules):,.0f}, {max(schedules):,} "
            f"| {largest.tasks} tasks, {largest.operations} operations, {largest.deviations} deviations "
            f"| {median(seconds):.1f}, {max(seconds):.1f} |"
        )
    assert largest.operations <= 2
    assert largest.deviations <= 3
    assert max(seconds) < SECONDS_MAX
