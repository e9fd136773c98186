from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from calling import Run
from click.testing import CliRunner, Result
from kernel_files import CANARY, write

from fuzz.cli import main


@pytest.fixture
def run() -> Run:
    """Call the command line; an exception that it does not turn into a status is an error of the test."""

    def call(*arguments: object) -> Result:
        return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Result]:
    """A canary's file, the entry that a campaign found with it, and what the campaign said."""
    directory = tmp_path_factory.mktemp("canary")
    kernel = write(directory / "canary.py", CANARY)
    arguments = ["run", "--kernel", str(kernel), "--schedules", "1000", "--corpus", str(directory / "corpus")]
    result = CliRunner(catch_exceptions=False).invoke(main, arguments)
    (entry,) = (directory / "corpus").iterdir()
    return kernel, entry, result


@pytest.fixture
def canary(found: tuple[Path, Path, Result]) -> Path:
    """The file of a kernel in which every collapse breaks a promise."""
    return found[0]


@pytest.fixture
def entry(found: tuple[Path, Path, Result], tmp_path: Path) -> Path:
    """An entry of the canary's, to be changed at will."""
    return shutil.copy(found[1], tmp_path / "entry.toml")


@pytest.fixture
def plain(entry: Path) -> Path:
    """The same program on linux-6.4, which keeps its promises, as a person would write it."""
    text = entry.read_text().replace('kernel = "canary"', 'kernel = "linux-6.4"').replace('"violated"', '"held"')
    text = text.replace('broken = "no_kernel_assertion_fails"', 'broken = ""')
    head, steps, _ = text.partition("steps = [")
    entry.write_text(f"{head}{steps}]\n")
    return entry
